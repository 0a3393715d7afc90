"""The block structure against the parser alone, on texts that no specification has."""

from __future__ import annotations

import re

import pytest
from display.markdown.normal_html import normal
from display.markdown.plain_parser import ALONE, permissive
from display.markdown.texts import text
from markdown_it.rules_inline import StateInline

from berlin_magic.display.markdown import blocks, elements, inline
from berlin_magic.display.markdown.blocks import DEPTH, LONG_LINE, stretch
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.paragraph import MARKS, SEGMENT, split
from berlin_magic.display.markdown.tree import parse

# Where markdown-it leaves the specification: definitions end a paragraph at once, a lazy line with a deep indent ends
# nested quotes, the indent of a line within a code span stays, the head of a table comes before an item.
_KNOWN = re.compile(
    r"\[[^\]]*\]:|^[ >]*>.*\n(?:.+\n)*[ \t]{3,}\S|`[^`\n]*\n[ >]*[ \t]|^ *[-+*\d][.)]? .*\|.*\n[ |:-]+$",
    re.MULTILINE,
)


def events(html: str) -> list[tuple[str, ...]]:
    return [(e[0], e[1].rstrip()) if e[0] == "text" else e for e in normal(html) if e[1:] != (" ",)]


def test_generated_texts_have_the_blocks_that_the_parser_alone_finds(monkeypatch):
    monkeypatch.setattr(inline, "find", lambda *_place: None)
    monkeypatch.setattr(inline, "State", StateInline)
    for module, name in [(blocks, "_MATH_OPEN"), (blocks, "DETAILS"), (elements, "_TAG")]:
        monkeypatch.setattr(module, name, re.compile(r"(?!)"))
    compared = 0
    for seed in range(1500):
        whole = text(seed).replace("\r\n", "\n")
        if _KNOWN.search(whole):
            continue
        compared += 1
        assert events(permissive(whole, monkeypatch)) == events(ALONE.render(whole)), f"{seed}: {whole!r}"
    assert compared > 500


def test_what_nests_too_deep_is_shown_as_text():
    html = Html().whole(*parse("> " * 500 + "end"))
    assert html.count("<blockquote") < DEPTH
    assert "end" in html


@pytest.mark.parametrize("start", ["# ", "| a |\n|---|\n| "])
def test_a_line_of_absurd_length_is_a_paragraph(start):
    html = Html().whole(*parse(start + "x " * LONG_LINE))
    assert "<p" in html
    assert "<h1" not in html
    assert "<td>x" not in html
    assert html.count("x ") + html.count("x<") >= LONG_LINE - 1


def test_a_long_paragraph_is_cut_where_no_markup_is_open():
    words = "some **bold words** and `some code` and [a link](https://e.example/) "
    whole = words * 200
    assert normal(Html().whole(*parse(whole))) == normal(
        ALONE.render(whole).replace("<a ", '<a target="_blank" ').replace("e.example/)", "e.example/)")
    )


@pytest.mark.parametrize(
    "words", ["a **b c** d ", "*a b* c ", "see [the page](https://e.example/) ", "__a__ b ~~c d~~ "]
)
def test_a_paragraph_of_many_marks_is_cut_where_no_markup_is_open(words):
    whole = words * MARKS
    assert len(whole) < SEGMENT * 3
    assert normal(Html().whole(*parse(whole))) == normal(ALONE.render(whole).replace("<a ", '<a target="_blank" '))
    assert len(parse(whole)[0].children[0].texts) > 1


@pytest.mark.parametrize("line", ["| **a** " * MARKS, "x_1 " * MARKS, "$a_{1}$ and $b_2$ " * MARKS])
def test_rows_of_tables_and_formulas_are_not_taken_for_many_marks(line):
    assert stretch(line) == len(line)


def test_a_cut_loses_nothing():
    whole = "word " * SEGMENT
    segment, rest = split(whole)
    assert segment + rest == whole
    assert segment


def test_text_without_any_space_is_cut_too():
    assert split("x" * (SEGMENT + 5)) == ("x" * SEGMENT, "x" * 5)
