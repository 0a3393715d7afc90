"""Colours for code: exact text, bounded work, the same however it arrives."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest
from display.markdown.patched import Patched
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document, to_html
from berlin_magic.display.markdown.highlight import LIMIT, Highlighter, language
from berlin_magic.display.markdown.languages import GRAMMARS
from berlin_magic.display.markdown.stylesheet import CODE, stylesheet

PLENTY = 0.3  # seconds of CPU for 20 kB; they take a tenth of it, and took minutes once
INFLATION = 15  # characters of HTML for one of code, at most

NASTY = {
    "blank lines": "\n" * LIMIT,
    "short lines": "a\n" * (LIMIT // 2),
    "substitutions": "s{s{" * (LIMIT // 4),
    "open quotes": "\"'" * (LIMIT // 2),
    "escaped quotes": '\\"' * (LIMIT // 2),
    "open comments": "/*(*{-<!--" * (LIMIT // 10),
    "open brackets": "(/[<{" * (LIMIT // 5),
    "numbers": "1," * (LIMIT // 2),
    "half numbers": " 1e-" * (LIMIT // 4),
    "names and dashes": "a-" * (LIMIT // 2),
    "half tags": "<a b='" * (LIMIT // 6),
    "here documents": "<<A\n" * (LIMIT // 4),
    "scripts": "<script>" * (LIMIT // 8),
    "one word": "a" * LIMIT,
    "indented": (" " * 99 + "\n") * (LIMIT // 100),
    "prompts": ">>> $ " * (LIMIT // 6),
}


def cpu(action) -> float:
    """Return the seconds that it takes; if they are too many, those of a second run, without others' garbage."""
    taken = 0.0
    for _ in range(2):
        start = time.process_time()
        action()
        taken = time.process_time() - start
        if taken < PLENTY:
            break
    return taken


def fence(code: str, info: str) -> str:
    return f"```{info}\n{code}\n```\n\n"


@pytest.mark.parametrize("info", ["python", "Python", "py title=x", "{python}", "c++"])
def test_a_language_is_known_by_the_first_word(info):
    assert language(info) in {"python", "py", "c++"}


@pytest.mark.parametrize("info", ["", " ", "mermaid", "math", "no-such-language", '"><b>'])
def test_other_words_are_no_language(info):
    assert language(info) == ""


@given(st.text(max_size=200), st.sampled_from(sorted(GRAMMARS)))
@settings(max_examples=200, deadline=None)
def test_the_text_of_the_code_is_never_changed(code, info):
    assert unescape(re.sub(r"</?span[^<>]*>", "", Highlighter().html(code, info))) == code


def test_every_class_that_is_written_has_a_colour_in_both_style_sheets():
    marks = {mark for grammar in GRAMMARS.values() for mark, _ in grammar.rules if isinstance(mark, str) and mark}
    for name in marks | {"k", "nb", "nf", "nc", "nt"}:
        assert re.search(rf"\.highlight \.{name}[,{{]", CODE)
    assert CODE in stylesheet()


@pytest.mark.parametrize("body", NASTY)
@pytest.mark.parametrize(
    "info", ["python", "ipython", "java", "c#", "perl", "objective-c", "gherkin", "c++", "html", "yaml"]
)
def test_no_code_takes_long_or_becomes_much_larger(info, body):
    code = NASTY[body]
    assert cpu(lambda: Highlighter().html(code, info)) < PLENTY
    assert len(Highlighter().html(code, info)) <= INFLATION * len(code)


@pytest.mark.slow
@pytest.mark.parametrize("info", sorted({id(grammar): name for name, grammar in GRAMMARS.items()}.values()))
def test_no_language_takes_long(info):
    assert max(cpu(lambda code=code: Highlighter().html(code, info)) for code in NASTY.values()) < PLENTY


def test_large_code_is_plain():
    line = "# a line.\n"
    assert "<span" in Highlighter().html(line * (LIMIT // 10), "python")
    assert "<span" not in Highlighter().html(line * (LIMIT // 10) + "\n", "python")


def test_a_reply_gets_colours_up_to_a_number_of_characters():
    highlighter = Highlighter(characters=10)
    assert [highlighter.html(code, "python") for code in ("x = 1", "x + 12", "x + 3", "4")] == [
        'x = <span class="m">1</span>',
        "x + 12",  # too much for what is left
        'x + <span class="m">3</span>',
        "4",
    ]


def test_a_reply_gets_colours_up_to_a_number_of_pieces():
    highlighter = Highlighter(pieces=5)
    assert [highlighter.html(code, "python") for code in ("x = 1", "1, 2, 3", "4")] == [
        'x = <span class="m">1</span>',
        "1, 2, 3",  # too many for what is left, which is spent on finding that out
        "4",
    ]


def test_a_reply_gets_colours_in_a_number_of_languages():
    highlighter = Highlighter(languages=2)
    shown = [highlighter.html("1", name) for name in ("python", "c", "go", "c")]
    assert ["<span" in html for html in shown] == [True, True, False, True]


def test_one_block_of_many_pieces_is_plain_and_leaves_something_for_the_others():
    highlighter = Highlighter()
    assert "<span" not in highlighter.html(NASTY["numbers"], "python")
    assert "<span" in highlighter.html("x = 1", "python")


def test_a_block_without_a_language_takes_nothing_from_what_is_left():
    highlighter = Highlighter(characters=5)
    highlighter.html("words" * 10, "")
    assert "<span" in highlighter.html("x = 1", "python")


@pytest.mark.parametrize(("info", "body"), [("python", "numbers"), ("html", "half tags"), ("yaml", "half numbers")])
def test_fences_do_not_add_up(info, body):
    one = Highlighter()
    costly = cpu(lambda: [one.html(NASTY[body], info) for _ in range(200)])
    assert costly < PLENTY


def test_a_reply_of_nasty_fences_is_bounded_when_it_is_saved():
    assert 0 < len(spans(to_html(fence(NASTY["numbers"][:4000], "python") * 20))) <= 10_000


CODES = st.sampled_from(["x = 1\n", "def f(): pass\n", "'a", "/* b", "\n", "1, " * 40, "# c\n", "``", "\t"])
FENCES = st.tuples(
    st.lists(CODES, max_size=4).map("".join), st.sampled_from(["python", "c++", "html", "yaml", "", "x"])
)


@given(st.lists(FENCES, min_size=1, max_size=5), st.lists(st.integers(1, 40), max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_colours_are_the_same_live_and_saved_and_wherever_it_was_cut(fences, lengths):
    text = "".join(fence(code, info) for code, info in fences)
    document, view, at = Document(), Patched(), 0
    for length in lengths:
        document.feed(text[at : at + length])
        view.apply(document.patches())
        at += length
    document.feed(text[at:])
    view.apply(document.patches())
    view.apply(document.finish())
    assert spans(view.html()) == spans(to_html(text))


def spans(html: str) -> list[str]:
    return re.findall(r'<span class="[a-z]{1,2}">[^<]*</span>', html)


def test_the_budget_holds_over_all_cuts():
    text = fence(NASTY["numbers"][:4000], "python") * 12
    document, view = Document(), Patched()
    for at in range(0, len(text), 997):
        document.feed(text[at : at + 997])
        view.apply(document.patches())
    view.apply(document.finish())
    assert 0 < len(spans(view.html())) <= 10_000
    assert spans(view.html()) == spans(to_html(text))
