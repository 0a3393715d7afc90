"""The Tab key after the magics."""

from __future__ import annotations

import pytest

from berlin_magic.kernel.completion import Vocabulary, completions, expression_completions

KNOWN = Vocabulary(
    options=["--model", "--max-tokens", "--new"],
    choices={"-f": ["code", "json", "df"], "--format": ["code", "json", "df"]},
    commands={
        "": [],
        "history": [],
        "template": ["save", "list", "show", "delete"],
        "help": [],
        "use": [],
        "versions": ["show", "diff", "use"],
    },
    models=["gpt-4", "gpt-3.5-turbo"],
    providers=["ollama", "openai"],
    conversations=lambda: ["", "drafts", "review"],
    templates=lambda: ["review", "tone"],
    types=lambda: ["Invoice", "Mood"],
    names=lambda word: ["df.columns"] if "." in word else ["df", "data", "total"],
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
        ("%berlin ", "", ["help", "history", "template", "use", "versions"]),
        ("%berlin versions 2 s", "s", ["show"]),
        ("%Berlin h", "h", ["help", "history"]),
        ("%%berlin what", "what", []),
        ("%%berlin -c ", "", ["drafts", "review"]),
        ("%%berlin --once --conversation d", "d", ["drafts"]),
        ("%berlin -c re", "re", ["review"]),
        ("%%berlin -T t", "t", ["tone"]),
        ("%%berlin --template ", "", ["review", "tone"]),
        ("%%berlin -f ", "", ["code", "df", "json"]),
        ("%%berlin --once --format d", "d", ["df"]),
        ("%%berlin --as In", "In", ["Invoice"]),
        ("%berlin --as In", "In", []),
        ("%berlin template sh", "sh", ["show"]),
        ("%berlin template show r", "r", ["review"]),
    ],
)
def test_what_can_stand_there_is_completions(before: str, word: str, words: list[str]) -> None:
    assert completions(before, KNOWN) == (word, words)


@pytest.mark.parametrize("before", ["", "%%berlin", "print(", "%%berliner --m", "x = 1 # %berlin h"])
def test_other_lines_are_none_of_ours(before: str) -> None:
    assert completions(before, KNOWN) is None


def test_below_the_first_line_stands_the_question() -> None:
    assert completions("%%berlin --m", KNOWN, first_line=False) is None


@pytest.mark.parametrize(
    ("below", "word", "words"),
    [
        ("What is {{ d", "d", ["data", "df"]),
        ("What is {{", "", ["cells", "data", "df", "file", "last_error", "total"]),
        ("{{ df }} and {{ total + da", "da", ["data"]),
        ("two\nlines {{ df.c", "df.c", ["df.columns"]),
        ("{{ la", "la", ["last_error"]),
        ("{{ df | ", "", ["full", "sample", "schema", "repr", "json", "source"]),
        ("{{ df |s", "s", ["sample", "schema", "source"]),
        ("{{ df | da", "da", ["data"]),
    ],
)
def test_names_and_levels_are_offered_in_an_expression(below: str, word: str, words: list[str]) -> None:
    for above in ("%%berlin\n", "# a comment\n\n  %%Berlin -m x\n"):
        assert expression_completions(above + below, KNOWN) == (word, words)


@pytest.mark.parametrize(
    "cell",
    [
        "%%berlin\n{{ df }} d",
        "%%berlin\n\\{{ d",
        "%%berlin\n```\n{{ d",
        "print({{ d",
        "%%berliner\n{{ d",
        "%%berlin\n{ d",
    ],
)
def test_outside_of_an_expression_nothing_is_offered(cell: str) -> None:
    assert expression_completions(cell, KNOWN) is None
