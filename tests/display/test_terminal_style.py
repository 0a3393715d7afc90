from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.display.terminal import TerminalStyle

TEXT = st.text(alphabet="ab#`*~ \n-x", max_size=60)


def written(*pieces, colour=True):
    style = TerminalStyle(colour=colour)
    return "".join([*map(style.feed, pieces), style.flush()])


def without_style(text):
    return re.sub(r"\x1b\[\d*m", "", text)


@given(TEXT)
def test_styling_only_adds_to_the_text(text):
    assert without_style(written(text)) == text


@given(TEXT, st.lists(st.integers(0, 60)))
def test_styling_does_not_depend_on_the_cuts(text, cuts):
    points = [0, *sorted(cuts), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(points)]
    assert written(*pieces) == written("".join(pieces))


@given(TEXT)
def test_all_styling_ends_with_the_reply(text):
    codes = re.findall(r"\x1b\[\d*m", written(text + "\n"))
    assert not codes or codes[-1] == "\x1b[0m"


def test_headings_and_bold_are_bold_and_code_is_coloured():
    assert written("# Title\n").startswith("\x1b[1m# Title\x1b[0m")
    assert "\x1b[1m**bold" in written("a **bold** word\n")
    assert "\x1b[36m`code" in written("some `code` here\n")


def test_asterisks_in_a_fenced_block_mean_nothing():
    assert "\x1b[1m" not in written("```\na ** b\n```\n")


def test_a_power_in_a_sentence_is_not_bold():
    assert "\x1b[1m" not in written("so 2 ** 3 is 8\n")


def test_text_appears_at_once_and_not_only_at_the_end_of_its_line():
    assert without_style(TerminalStyle(colour=True).feed("Hello wor")) == "Hello wor"


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("escape", ["\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", "\b\b", "\r", "\u202e", "\x00"])
def test_nothing_in_a_reply_steers_the_terminal(colour, escape):
    shown = without_style(written(f"a{escape}b", colour=colour))
    assert all(char.isprintable() for char in shown), repr(shown)
    assert shown.startswith("a")
    assert shown.endswith("b")


def test_other_scripts_and_joined_emoji_are_left_alone():
    text = "нет 日本語 \N{MAN}\u200d\N{MICROSCOPE} e\u0301"
    assert written(text) == text
