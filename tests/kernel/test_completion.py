"""The Tab key after the magics."""

from __future__ import annotations

import pytest

from berlin_magic.kernel.completion import Vocabulary, completions

KNOWN = Vocabulary(
    options=["--model", "--max-tokens", "--new"],
    commands={"": [], "history": [], "help": [], "use": [], "versions": ["show", "diff", "use"]},
    models=["gpt-4", "gpt-3.5-turbo"],
    providers=["ollama", "openai"],
)


@pytest.mark.parametrize(
    ("before", "word", "words"),
    [
        ("%%berlin --m", "--m", ["--max-tokens", "--model"]),
        ("%%berlin ", "", ["--max-tokens", "--model", "--new"]),
        ("%%berlin -m gp", "gp", ["gpt-3.5-turbo", "gpt-4"]),
        ("%%berlin --once --model o", "o", ["ollama:", "openai:"]),
        ("%berlin h", "h", ["help", "history"]),
        ("  %berlin use gpt-4", "gpt-4", ["gpt-4"]),
        ("%berlin history ", "", []),
        ("%berlin ", "", ["help", "history", "use", "versions"]),
        ("%berlin versions 2 s", "s", ["show"]),
        ("%Berlin h", "h", ["help", "history"]),
        ("%%berlin what", "what", []),
    ],
)
def test_what_can_stand_there_is_completions(before: str, word: str, words: list[str]) -> None:
    assert completions(before, KNOWN) == (word, words)


@pytest.mark.parametrize("before", ["", "%%berlin", "print(", "%%berliner --m", "x = 1 # %berlin h"])
def test_other_lines_are_none_of_ours(before: str) -> None:
    assert completions(before, KNOWN) is None


def test_below_the_first_line_stands_the_question() -> None:
    assert completions("%%berlin --m", KNOWN, first_line=False) is None
