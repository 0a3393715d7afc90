from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.display.fallback import Pages
from berlin_magic.display.markdown import Document

LIST = [
    ["open", 0, 1, '<ul class="berlin-tight" data-slot="1"></ul>'],
    ["open", 1, 2, '<li data-slot="2"></li>'],
    ["tail", 2, 0, "<p>a</p>"],
]


def shown(*patches):
    pages = Pages()
    pages.apply(patches)
    return pages.html()


def test_finished_children_stand_before_open_ones_and_the_tail_last():
    assert shown(["add", 0, "<p>1</p>"], *LIST, ["tail", 0, 0, "<p>t</p>"]) == (
        '<p>1</p><ul class="berlin-tight" data-slot="1"><li data-slot="2"><p>a</p></li></ul><p>t</p>'
    )


def test_a_tail_keeps_its_first_utf16_units():
    assert shown(["tail", 0, 0, "<p>\N{GRINNING FACE}x</p>"], ["tail", 0, 5, "y</p>"]) == "<p>\N{GRINNING FACE}y</p>"


def test_adding_clears_the_tail():
    assert shown(["tail", 0, 0, "<p>t</p>"], ["add", 0, "<p>done</p>"]) == "<p>done</p>"


def test_closing_a_slot_leaves_what_was_in_it():
    closed = shown(*LIST, ["add", 2, "<p>b</p>"], ["close", 2], ["close", 1], ["add", 0, "<p>after</p>"])
    assert closed == ('<ul class="berlin-tight" data-slot="1"><li data-slot="2"><p>b</p></li></ul><p>after</p>')


def test_an_element_may_be_opened_with_something_in_it():
    table = '<table><thead><tr><th>h<br></th></tr></thead><tbody data-slot="1"><tr><td>a</td></tr></tbody></table>\n'
    assert shown(["open", 0, 1, table], ["add", 1, "<tr><td>b</td></tr>"]) == table.replace(
        "</tbody>", "<tr><td>b</td></tr></tbody>"
    )


def test_a_table_over_two_pages_has_its_head_on_both():
    pages = Pages()
    pages.apply([["open", 0, 1, '<table><thead></thead><tbody data-slot="1"><tr></tr></tbody></table>']])
    pages.next_page()
    pages.apply([["add", 1, "<tr><td>b</td></tr>"]])
    assert pages.html() == '<table><thead></thead><tbody data-slot="1"><tr><td>b</td></tr></tbody></table>'


def test_a_loose_list_loses_its_class():
    assert "berlin-tight" not in shown(*LIST, ["loose", 1])


def test_filling_replaces_what_was_there():
    code = ["open", 0, 1, '<pre><code data-slot="1"></code></pre>']
    assert shown(code, ["add", 1, "x = 1\n"], ["fill", 1, "<b>x</b>\n"], ["close", 1]) == (
        '<pre><code data-slot="1"><b>x</b>\n</code></pre>'
    )


def test_a_turned_page_ends_open_elements_and_the_next_one_opens_them_again():
    pages = Pages()
    pages.apply([["open", 0, 1, '<pre><code data-slot="1"></code></pre>'], ["add", 1, "a\n"], ["tail", 1, 0, "b"]])
    assert pages.next_page() == '<pre><code data-slot="1">a\n</code></pre>'
    assert pages.html() == '<pre><code data-slot="1">b</code></pre>'
    assert pages.finished == 0


def test_a_code_block_over_several_pages_is_not_shown_twice_when_it_gets_its_colours():
    pages = Pages()
    pages.apply([["open", 0, 1, '<pre><code data-slot="1"></code></pre>'], ["add", 1, "a\n"]])
    pages.next_page()
    pages.apply([["add", 1, "b\n"], ["fill", 1, "a\nb\n"], ["close", 1]])
    assert pages.html() == '<pre><code data-slot="1">b\n</code></pre>'


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data):
        self.text += data


def words(html):
    parser = _Words()
    parser.feed(html)
    return "".join(parser.text.split())


LINES = ["# a", "b *c*", "", "- d", "  - e", "1. f", "```", "g = 1", "> j"]
MARKDOWN = st.lists(st.sampled_from(LINES), max_size=25).map("\n".join)


@given(MARKDOWN, st.lists(st.integers(0, 200), max_size=8))
def test_all_pages_together_show_the_words_of_the_document(text, cuts):
    document, pages, shown = Document(), Pages(), ""
    whole = Pages()
    points = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for begin, end in pairwise(points):
        document.feed(text[begin:end])
        patches = document.patches()
        pages.apply(patches)
        whole.apply(patches)
        if not any(patch[0] == "fill" for patch in patches):
            shown += words(pages.next_page())
    assert shown + words(pages.html()) == words(whole.html()) or "```" in text
