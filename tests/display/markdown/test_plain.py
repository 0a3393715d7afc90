"""Plain text that is safe in a terminal."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown.plain import PlainText, to_plain


def test_ordinary_text_is_left_alone():
    text = "Grüße, 語, 😀 👩‍🔬\n\ttab `$x$` <b>\n"
    assert to_plain(text) == text


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("a\x1b[31mb\x1b[0m", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;https://x\x1b\\b", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1bP+q\x1b\\b", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1b", "a"),
        ("100%\rfake", "100%\nfake"),
        ("a\x08\x08b\x07", "ab"),
        ("user\u202enimda", "usernimda"),
        ("a\U000e0041b", "ab"),
        ("a\x1b]never closed", "anever closed"),
    ],
)
def test_what_commands_a_terminal_is_gone(said, printed):
    assert to_plain(said) == printed


@given(
    st.text(alphabet="ab\n\r\x1b[]\\;0m\x07\x9b\x9d\x9cPX\x90\u202e", max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
)
@settings(max_examples=500, deadline=None)
@example("\x900\x9b\x07", [1])
def test_no_cut_lets_a_sequence_through(text, places):
    edges = [0, *sorted({min(place, len(text)) for place in places}), len(text)]
    stream = PlainText()
    printed = "".join(stream.feed(text[a:b]) for a, b in pairwise(edges)) + stream.flush()
    assert not set(printed) & set("\x1b\x07\x9b\x9d\x9c\x90\r\u202e")
    assert printed == to_plain(text)


def test_text_is_not_held_back_for_ever():
    stream = PlainText()
    assert stream.feed("\x1b]0;" + "x" * 10_000) != ""
