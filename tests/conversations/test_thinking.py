"""Reasoning that a server sends inside the text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.conversations.thinking import ThinkingParser
from berlin_magic.conversations.turn import Turn
from berlin_magic.messages import ReasoningPart, TextPart


def parsed(*pieces: str) -> Turn:
    """Return a turn that was answered with these pieces of text."""
    parser, turn = ThinkingParser(), Turn("?")
    for piece in pieces:
        for event in parser.feed(piece):
            turn.take(event)
    for event in parser.flush():
        turn.take(event)
    return turn


def divided(text: str) -> tuple[str, str]:
    turn = parsed(text)
    return turn.reasoning, turn.reply


CASES: dict[str, tuple[str, str, str]] = {
    "whole": ("<think>\nHm.\n</think>\n\nYes.", "\nHm.\n", "Yes."),
    "blank before": ("\n  <think>Hm.</think>Yes.", "Hm.", "Yes."),
    "thinking": ("<thinking>Hm.</thinking>\nYes.", "Hm.", "Yes."),
    "capitals": ("<THINK>Hm.</Think>\nYes.", "Hm.", "Yes."),
    "empty": ("<think></think>\n\nYes.", "", "Yes."),
    "blank": ("<think>\n\n</think>\n\nYes.", "\n\n", "Yes."),
    "code inside": ("<think>```\n</thinks\n```</think>Yes.", "```\n</thinks\n```", "Yes."),
    "another tag inside": ("<think>a </thinking> b</think>Yes.", "a </thinking> b", "Yes."),
    "cut within": ("<think>Hm, let me", "Hm, let me", ""),
    "cut within the tag": ("<think>Hm</thi", "Hm</thi", ""),
    "nothing after": ("<think>Hm</think>", "Hm", ""),
    "twice": ("<think>Hm</think>Yes. <think>no</think>", "Hm", "Yes. <think>no</think>"),
    "closing tag alone": ("Hm, let me see.\n</think>\n\nYes.", "Hm, let me see.\n", "Yes."),
    "closing tag alone, indented": ("Hm.\n  </think>  \nYes.", "Hm.\n", "Yes."),
    "closing tag alone, at the end": ("Hm.\n</thinking>", "Hm.\n", ""),
    "closing tag at the beginning": ("</think>\nYes.", "", "Yes."),
    "closing tag after code": ("```\nx\n```\n</think>\nYes.", "```\nx\n```\n", "Yes."),
    "closing tag in a line": ("Write </think> to end it.", "", "Write </think> to end it."),
    "closing tag in code": ("```\n</think>\n```\nYes.", "", "```\n</think>\n```\nYes."),
    "closing tag in longer code": ("````\n```\n</think>\n````\n", "", "````\n```\n</think>\n````\n"),
    "closing tag after an opening one": ("Tags: <think>\n</think>\nYes.", "", "Tags: <think>\n</think>\nYes."),
    "opening tag in the middle": ("Yes. <think>no</think>", "", "Yes. <think>no</think>"),
    "no tag": ("Yes, 1 < 2.\n\n<thin> air", "", "Yes, 1 < 2.\n\n<thin> air"),
    "almost a tag": ("<think", "", "<think"),
    "another word": ("<thinker>x", "", "<thinker>x"),
    "nothing": ("", "", ""),
    "blanks": (" \n ", "", " \n "),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_reasoning_is_none_of_the_reply(case: str) -> None:
    text, reasoning, reply = CASES[case]
    assert divided(text) == (reasoning, reply)


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_same_wherever_the_text_is_cut(case: str) -> None:
    text, reasoning, reply = CASES[case]
    for size in (1, 2, 3, 7):
        turn = parsed(*(text[start : start + size] for start in range(0, len(text), size)))
        assert (turn.reasoning, turn.reply) == (reasoning, reply)
    for cut in range(len(text)):
        turn = parsed(text[:cut], "", text[cut:])
        assert (turn.reasoning, turn.reply) == (reasoning, reply), cut


PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<thinking>", "</thinking>", "```", "\n", " ", "a", "<", "/", "think", "~~~"]
    ),
    max_size=14,
)


@given(PIECES, st.data())
@settings(deadline=None)
def test_any_text_is_divided_the_same_however_it_is_cut(pieces: list[str], data: Any) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    ends = [0, *cuts, len(text)]
    turn = parsed(*(text[start:end] for start, end in pairwise(ends)))
    assert (turn.reasoning, turn.reply) == divided(text)


def test_text_is_not_held_back_without_need() -> None:
    parser = ThinkingParser()
    assert [event.text for event in parser.feed("Hello")] == ["Hello"]  # type: ignore[union-attr]
    assert [event.text for event in parser.feed(" 1 <")] == [" 1 <"]  # type: ignore[union-attr]
    assert list(parser.feed("\n</th")) != [] and [event.text for event in parser.feed("ree>")] == ["</three>"]  # type: ignore[union-attr]


def test_the_parts_of_the_turn_tell_them_apart() -> None:
    assert parsed("<think>Hm</think>Yes").parts == (ReasoningPart("Hm"), TextPart("Yes"))
    assert parsed("Hm\n</think>\nYes").parts == (ReasoningPart("Hm\n"), TextPart("Yes"))
