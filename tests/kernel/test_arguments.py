"""A magic's line taken apart."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from berlin_magic.kernel.arguments import (
    CommandParser,
    argument,
    nearest,
    number,
    parse_question,
    require_encodable,
    split_words,
    variable_name,
)


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
    assert split_words(line) == expected


def test_an_open_quote_is_told() -> None:
    with pytest.raises(UsageError, match="A quote is not closed"):
        split_words("--system 'Be")


@given(st.text())
def test_any_line_gives_words_or_a_usage_error(line: str) -> None:
    with suppress(UsageError):
        assert all(isinstance(word, str) for word in split_words(line))


def test_the_nearest_word_is_proposed_if_one_is_near() -> None:
    assert nearest("histroy", ["history", "reset"]) == " Did you mean history?"
    assert nearest("xyz", ["history", "reset"]) == ""


@pytest.fixture(scope="module")
def parser() -> MagicArgumentParser:
    parser = MagicArgumentParser()
    parser.add_argument("-m", "--model", default="")
    parser.add_argument("-t", "--temperature", type=float)
    parser.add_argument("--once", action="store_true")
    return parser


@pytest.mark.parametrize(
    ("line", "model", "question"),
    [
        ("-m 'a b'", "a b", ""),
        ("  ", "", ""),
        ("What is a list?", "", "What is a list?"),
        ("What's a list?", "", "What's a list?"),
        ('He said "hm', "", 'He said "hm'),
        ("-m x and now?", "x", "and now?"),
        ("--model=x  What  does -t mean?", "x", "What  does -t mean?"),
        ("--mod x What?", "x", "What?"),
        ("--once -m x 'quoted' question", "x", "'quoted' question"),
        ("-t -1 -m x what's -5 + 3?", "x", "what's -5 + 3?"),
        ("-mx -t0.5 why?", "x", "why?"),
        ("- one item", "", "- one item"),
        ("-m x --- a rule", "x", "--- a rule"),
    ],
)
def test_a_line_gives_its_options_and_the_question_after_them(
    parser: MagicArgumentParser, line: str, model: str, question: str
) -> None:
    options, rest = parse_question(parser, line)
    assert (options.model, rest) == (model, question)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--modle x", "%%berlin has no option --modle. Did you mean --model? `%%berlin?` shows them all."),
        ("--help", "%%berlin has no option --help. `%%berlin?` shows them all."),
        ("-h", "%%berlin has no option -h. `%%berlin?` shows them all."),
        ("-t warm Why?", "argument -t/--temperature: invalid float value: 'warm'"),
        ("-m 'x What is it?", "A quote is not closed in: -m 'x What is it?"),
    ],
)
def test_what_is_wrong_with_a_line_is_told(parser: MagicArgumentParser, line: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_question(parser, line)
    assert str(raised.value) == told


@pytest.mark.parametrize("line", ["--" + "x" * 9999, "-m '" + "x" * 9999, "--a\x1b[31mb"])
def test_a_message_about_a_line_is_short_and_holds_no_control_character(parser: MagicArgumentParser, line: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_question(parser, line)
    assert len(str(raised.value)) < 250
    assert "\x1b" not in str(raised.value)


@given(st.text(st.sampled_from(" -'\"mtx=?\\\n"), max_size=12))
def test_no_word_of_any_line_is_lost(parser: MagicArgumentParser, line: str) -> None:
    with suppress(UsageError):
        options, question = parse_question(parser, line)
        assert line.strip().endswith(question)
        given = {"-m", options.model, str(options.temperature)}
        assert question or len(line.split()) <= 1 or given - {"", "-m", "None"} or line.strip("- \n") == ""


@pytest.fixture
def undo() -> CommandParser:
    return CommandParser("undo", [argument("number", metavar="N", type=number, nargs="?"), argument("--all")])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["2", "please"], "%berlin undo [--all ALL] [N]: 'please' is one word too many. A question goes below"),
        (["x"], "%berlin undo [--all ALL] [N]: N is a number from 1 on, not 'x'."),
        (["0"], "%berlin undo [--all ALL] [N]: N is a number from 1 on, not '0'."),
        (["²"], "%berlin undo [--all ALL] [N]: N is a number from 1 on, not '²'."),
        (["--al"], "%berlin undo has no option --al. Did you mean --all?"),
        (["-h"], "%berlin undo has no option -h."),
    ],
)
def test_a_command_refuses_what_it_does_not_take(undo: CommandParser, words: list[str], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        undo.parse_words(words)
    assert str(raised.value).startswith(told)


@given(st.lists(st.text()))
def test_a_commands_parser_ends_no_process_whatever_it_is_given(words: list[str]) -> None:
    parser = CommandParser("drop", [argument("number", metavar="N", type=number)])
    with suppress(UsageError):
        assert parser.parse_words(words).number >= 1


@pytest.mark.parametrize("name", ["1a", "a-b", "class", "", "a b", "get_ipython", "__builtins__", "__name__"])
def test_what_is_no_name_of_a_variable_is_told(name: str) -> None:
    with pytest.raises(UsageError):
        variable_name(name)


@pytest.mark.parametrize("text", ["\ud83d", "half \udc00 of it", "\ude00\ud83d"])
def test_half_a_character_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="is half a character") as raised:
        require_encodable(text)
    assert "\n" not in str(raised.value)
    str(raised.value).encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_whole_text_can_be_sent(text: str) -> None:
    require_encodable(text)
