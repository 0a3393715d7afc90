"""Plain text that is safe in a terminal."""

from __future__ import annotations

import pytest

from berlin_magic.display.markdown.plain import to_plain


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
        ("user\u202enimda", "user\u27e8U+202E\u27e9nimda"),
        ("a\U000e0041b", "ab"),
        ("a\x1b]never closed", "anever closed"),
    ],
)
def test_what_commands_a_terminal_is_gone(said, printed):
    assert to_plain(said) == printed
