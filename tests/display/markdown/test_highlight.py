"""Colours for code."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown.highlight import _KNOWN, LIMIT, highlight, language
from berlin_magic.display.markdown.stylesheet import CODE, stylesheet


@pytest.mark.parametrize("info", ["python", "Python", "py title=x", "{python}", "c++"])
def test_a_language_is_known_by_the_first_word(info):
    assert language(info) in {"python", "py", "c++"}


@pytest.mark.parametrize("info", ["", " ", "mermaid", "math", "no-such-language", '"><b>'])
def test_other_words_are_no_language(info):
    assert language(info) == ""


@given(st.text(max_size=200), st.sampled_from(sorted(_KNOWN)))
@settings(max_examples=200, deadline=None)
def test_the_text_of_the_code_is_never_changed(code, info):
    assert unescape(re.sub(r"</?span[^<>]*>", "", highlight(code, info))) == code


def test_large_code_is_plain():
    assert "<span" not in highlight("x = 1\n" * (LIMIT // 6 + 1), "python")


def test_every_class_that_is_written_has_a_colour_in_both_style_sheets():
    from berlin_magic.display.markdown.highlight import CLASSES

    for name in CLASSES.values():
        assert re.search(rf"\.highlight \.{name}[,{{]", CODE)
    assert CODE in stylesheet()
