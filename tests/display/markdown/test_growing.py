"""A growing document: the same whatever the cuts, and no piece of it is ever sent twice."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from display.markdown.normal_html import normal
from display.markdown.patched import Patched
from display.markdown.texts import GROWN, text
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.tree import parse

CHARACTERS = st.text(alphabet="ab \n\n\t`~*_#->|[](){}<>!$\\:.1\r=+&é😀/sukd", max_size=80)
TEXTS = st.one_of(st.integers(0, 10**9).map(text), CHARACTERS, st.text(max_size=40))


def shown(whole: str) -> str:
    document, view = Document(), Patched()
    document.feed(whole)
    view.apply(document.patches())
    return view.html()


def cut(whole: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({place % (len(whole) + 1) for place in places}), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@given(TEXTS, st.lists(st.integers(0, 10**6), max_size=8))
@settings(max_examples=400, deadline=None)
def test_what_is_shown_depends_on_the_text_and_not_on_the_cuts(whole, places):
    document, view, so_far = Document(), Patched(), ""
    for piece in cut(whole, places):
        so_far += piece
        document.feed(piece)
        view.apply(document.patches())
        assert view.html() == shown(so_far)


@given(TEXTS, st.lists(st.integers(0, 10**6), max_size=8))
@settings(max_examples=200, deadline=None)
def test_what_is_frozen_never_changes(whole, places):
    document, view, before = Document(), Patched(), ""
    for piece in cut(whole, places):
        document.feed(piece)
        patches = document.patches()
        view.apply(patches)
        plain = re.sub(r'<span[^>]*>|</span>| class="berlin-tight"', "", view.frozen())
        assert plain.startswith(before)
        before = plain


@given(TEXTS, st.lists(st.integers(0, 10**6), max_size=5))
@settings(max_examples=300, deadline=None)
def test_the_end_is_the_rendering_of_the_whole_text(whole, places):
    if re.search(r"\[[^\]]*\]:", whole):
        whole = whole.replace("]:", "] :")  # a definition at the end is the one thing that may differ
    document, view = Document(), Patched()
    for piece in cut(whole, places):
        document.feed(piece)
        view.apply(document.patches())
    view.apply(document.finish())
    assert normal(view.html()) == normal(Html(live=True).whole(*parse(whole)))
    assert list(view.slots) == [0]
    assert view.root.tail == ""


@given(TEXTS, st.lists(st.integers(0, 10**6), max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_view_that_comes_late_is_shown_the_same(whole, places):
    document, view = Document(), Patched()
    for piece in cut(whole, places):
        document.feed(piece)
        view.apply(document.patches())
        late = Patched()
        late.apply(json.loads(json.dumps(document.replay())))
        assert late.html() == view.html()


def test_one_character_at_a_time_is_the_same_as_at_once():
    for whole in GROWN[:40]:
        document, view = Document(), Patched()
        for character in whole:
            document.feed(character)
            view.apply(document.patches())
        assert view.html() == shown(whole)


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("a **bo", "<p>a <strong>bo</strong></p>"),
        ("a **bold*", "<p>a <strong>bold</strong></p>"),
        ("a **bold *and", "<p>a <strong>bold <em>and</em></strong></p>"),
        ("a **", "<p>a</p>"),
        ("a `co", "<p>a <code>co</code></p>"),
        ("a ~~st", "<p>a <s>st</s></p>"),
        ("see [the pa", "<p>see the pa</p>"),
        ("see [the page](https://exa", "<p>see the page</p>"),
        ("x &am", "<p>x</p>"),
    ],
)
def test_markup_that_is_still_open_is_shown_as_if_it_were_closed(typed, seen):
    assert normal(shown(typed)) == normal(seen)


@pytest.mark.parametrize(
    "typed", ["`", "``", "```", "#", "-", "1.", "1", "> ", "$$", "---", "| ", "| a | b", "| a |\n| -"]
)
def test_a_line_that_may_become_anything_is_not_shown_yet(typed):
    assert normal(shown(typed)) == []
    assert normal(shown("before\n\n" + typed)) == normal("<p>before</p>")


@pytest.mark.parametrize("underline", ["-", "--", "="])
def test_a_paragraph_does_not_become_a_heading_while_a_marker_is_typed(underline):
    assert normal(shown("before\n" + underline)) == normal("<p>before</p>")


@pytest.mark.parametrize(
    "typed", ["```", "```py", "```python", "```python\n", "```python\nx = 1\n`", "```python\nx = 1\n```"]
)
@pytest.mark.parametrize("before", ["", "> ", "- "])
def test_a_fence_is_a_code_block_and_its_language_is_a_label_once_its_line_is_whole(typed, before):
    html = shown(before + typed.replace("\n", "\n" + before.replace("-", " ")))
    assert html.count("py") == ("\n" in typed)
    assert html.count(' data-language="python"') == ("\n" in typed)
    assert "`" not in html
    assert ("<pre" in html) == (len(typed) > 3)


def test_a_table_is_a_table_from_its_delimiter_row_on():
    assert "<table" in shown("| a | b |\n|---|---|\n")
    assert normal(shown("| a | b |\n|---|---|\n| x | 2")) == normal(
        "<table><tr><th>a</th><th>b</th></tr><tr><td>x</td><td>2</td></tr></table>"
    )


def test_a_formula_is_shown_while_it_is_typed_but_given_to_no_typesetter():
    html = shown("$$\n\\frac{a}")
    assert "frac{a}" in html
    assert '"berlin-math"' not in html
    assert '"berlin-math"' in shown("$$\n\\frac{a}{b}\n$$\n")


def test_lines_of_an_open_code_block_are_sent_once_each():
    document, view = Document(), Patched()
    document.feed("```\nfirst\n")
    view.apply(document.patches())
    document.feed("second\n")
    patches = document.patches()
    assert patches == [["add", next(iter(set(view.slots) - {0})), "second\n"]]


def test_items_of_an_open_list_are_sent_once_each():
    document = Document()
    document.feed("- first\n- second\n- third\n")
    document.patches()
    document.feed("- fourth\n- fifth\n")
    sent = json.dumps(document.patches())
    assert "first" not in sent
    assert "second" not in sent


def test_rows_of_an_open_table_are_sent_once_each():
    document = Document()
    document.feed("| a |\n|---|\n| first |\n| second |\n")
    document.patches()
    document.feed("| third |\n")
    sent = json.dumps(document.patches())
    assert "third" in sent
    assert "second" not in sent


def test_a_definition_that_comes_first_makes_links_while_the_text_grows():
    assert '<a href="https://e.example/"' in shown("[r]: https://e.example/\n\nsee [r] there")


def test_a_list_that_turns_loose_says_so_once():
    document = Document()
    document.feed("- a\n- b")
    document.patches()
    document.feed("\n\n- c\n\n- d\n")
    assert [patch[0] for patch in document.patches()].count("loose") == 1


KINDS = {
    "words": "Berlin is a city, and *this* is a sentence about it with `code` and a [link](https://e.example/).\n\n",
    "code": "    return frobnicate(argument, other=1)  # and why\n",
    "items": "- an item of this list with **bold** text\n",
    "nested": "  - an item of this list with **bold** text\n",
    "rows": "| some cell | another one | 12.5 |\n",
    "quote": "> words that somebody else said, *long* ago\n",
    "one line": "words without any line end, only *more* and more of them. ",
    "one word": "x" * 50,
    "lines": "words with line ends but with no empty line between\n",
    "tasks": "- [ ] a thing to do\n\n",
}
FIRST = {"code": "```python\n", "rows": "| a | b | c |\n|---|---|---|\n", "nested": "- outer\n"}


def traffic(kind: str, size: int) -> int:
    whole = (FIRST.get(kind, "") + KINDS[kind] * (size // len(KINDS[kind]) + 1))[:size]
    document, sent = Document(), 0
    for at in range(0, size, 100):
        document.feed(whole[at : at + 100])
        sent += len(json.dumps(document.patches()))
    return sent + len(json.dumps(document.finish()))


@pytest.mark.parametrize("kind", KINDS)
def test_traffic_grows_with_the_length_and_not_with_its_square(kind):
    small, large = traffic(kind, 10_000), traffic(kind, 100_000)
    assert large < 12 * small
    assert large < 8 * 100_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_work_of_each_draw_does_not_grow_with_the_length(kind, monkeypatch):
    from berlin_magic.display.markdown import html as html_module

    parsed = 0

    def counted(text, references, *, pending=False):
        nonlocal parsed
        parsed += len(text)
        return original(text, references, pending=pending)

    original = html_module.parse
    monkeypatch.setattr(html_module, "parse", counted)
    work = []
    for size in (20_000, 80_000):
        parsed = 0
        traffic(kind, size)
        work.append(parsed)
    assert work[1] <= 5 * work[0]
