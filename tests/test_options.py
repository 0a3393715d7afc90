"""A magic's line taken apart."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from berlin_magic.options import nearest, variable_name, words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("-m gpt-4  -t 0.5", ["-m", "gpt-4", "-t", "0.5"]),
        ("--system 'Be terse'", ["--system", "Be terse"]),
        ('--system "It\'s fine"', ["--system", "It's fine"]),
        ("--system=x#y", ["--system=x#y"]),
        (r"-o C:\new\table", ["-o", r"C:\new\table"]),
        ("--system ''", ["--system", ""]),
    ],
)
def test_words(line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_an_open_quote_is_told() -> None:
    with pytest.raises(UsageError, match="A quote is not closed"):
        words("--system 'Be")


@given(st.text())
def test_any_line_gives_words_or_a_usage_error(line: str) -> None:
    with suppress(UsageError):
        assert all(isinstance(word, str) for word in words(line))


def test_the_nearest_word_is_proposed_where_one_is_near() -> None:
    assert nearest("histroy", ["history", "reset"]) == " Did you mean history?"
    assert nearest("xyz", ["history", "reset"]) == ""


@pytest.mark.parametrize("name", ["1a", "a-b", "class", "", "a b"])
def test_what_is_no_name_of_a_variable_is_told(name: str) -> None:
    with pytest.raises(UsageError):
        variable_name(name)
