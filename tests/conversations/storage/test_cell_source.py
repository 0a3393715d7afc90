"""What the source of a cell shows: its question, in each form in which a cell can be written, and its commands."""

from __future__ import annotations

import pytest

from berlin_magic.conversations.storage.cell_source import commands_in, option_in, questions_in


@pytest.mark.parametrize(
    "source",
    [
        "%%berlin\nWhat is it?",
        "%%berlin -m gpt-4 -t 0.5\n\nWhat is it?\n",
        "# a comment\n\n%%time\n%%berlin --once\nWhat is it?",
        "  %%Berlin\nWhat is it?",
        "%%berlin What is it?",
        "%%berlin -m gpt-4 What is it?",
    ],
)
def test_the_question_of_a_cell_in_each_form(source: str) -> None:
    assert "What is it?" in questions_in(source)


def test_a_question_may_begin_on_the_line_of_the_magic() -> None:
    assert "What is\nit?" in questions_in("%%berlin --new What is\nit?")


@pytest.mark.parametrize(
    "source", ["", "1 + 1", "x = 1\n%%berlin\nWhat?", "%berlin history", "%%berlins\nWhat?", "# %%berlin"]
)
def test_other_cells_ask_nothing(source: str) -> None:
    assert questions_in(source) == []


def test_options_and_commands_are_read_where_they_stand() -> None:
    assert option_in("%%berlin --system 'Be brief' -t 1\nx", "--system") == "Be brief"
    assert option_in("%%berlin --system='Be brief'\nx", "--system") == "Be brief"
    assert option_in("%%berlin --new\nx", "--new") is not None
    assert option_in("%%berlin\n--new", "--new") is None
    assert commands_in("%berlin system Be brief\n x = 1\n  %berlin -c other undo 2;") == [
        ("system", "Be brief"),
        ("undo", "2"),
    ]
