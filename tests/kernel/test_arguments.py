"""A magic's line taken apart."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from berlin_magic.kernel.arguments import nearest, parsed, variable_name, words


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


@pytest.fixture
def parser() -> MagicArgumentParser:
    parser = MagicArgumentParser()
    parser.add_argument("-m", "--model", default="")
    return parser


def test_a_line_gives_the_options_that_were_declared(parser: MagicArgumentParser) -> None:
    assert parsed(parser, "-m 'a b'", "%%berlin").model == "a b"
    assert parsed(parser, "  ", "%%berlin").model == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--modle x", "has no option --modle. Did you mean --model? `%%berlin?` shows them all."),
        ("--help", "has no option --help. `%%berlin?` shows them all."),
        ("-h", "has no option -h. `%%berlin?` shows them all."),
        ("What is a list?", "takes options only, not 'What': the question goes on the next line."),
        ("What's a list?", 'takes options only, not "What\'s": the question goes on the next line.'),
        ("-m x and now", "takes options only, not 'and': the question goes on the next line."),
    ],
)
def test_what_is_wrong_with_a_line_is_told(parser: MagicArgumentParser, line: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(parser, line, "%%berlin")
    assert str(raised.value) == f"%%berlin {told}"


@pytest.mark.parametrize("line", ["--" + "x" * 9999, "x" * 9999, "-m '" + "x" * 9999, "--a\x1b[31mb"])
def test_a_message_about_a_line_is_short_and_holds_no_control_character(parser: MagicArgumentParser, line: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(parser, line, "%%berlin")
    assert len(str(raised.value)) < 250
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("name", ["1a", "a-b", "class", "", "a b", "get_ipython", "__builtins__", "__name__"])
def test_what_is_no_name_of_a_variable_is_told(name: str) -> None:
    with pytest.raises(UsageError):
        variable_name(name)
