"""Parse the line of a magic."""

from __future__ import annotations

import argparse
import difflib
import keyword
import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from IPython.core.error import UsageError

from berlin_magic.errors import PromptError, clean

__all__ = [
    "CommandParser",
    "argument",
    "evaluated",
    "nearest",
    "number",
    "parse_question",
    "require_encodable",
    "split_words",
    "variable_name",
]

_SHOWN = 80  # characters of what the user wrote, in a message about it
_QUESTION = " A question goes below `%%berlin`."
_WORD = re.compile(r"""\s*((?:[^\s'"]|'[^']*'|"[^"]*")+)""")


def split_words(line: str) -> list[str]:
    r"""Split `line` at white space; quotes hold words together and are removed, a backslash is a plain character.

    Raises
    ------
    UsageError
        If a quote is not closed.
    """
    reader = shlex.shlex(line, posix=True, punctuation_chars=False)
    reader.whitespace_split = True
    reader.commenters = ""
    reader.escape = ""  # Windows' paths hold backslashes
    try:
        return list(reader)
    except ValueError:
        raise UsageError(f"A quote is not closed in: {clean(line, _SHOWN)}") from None


def parse_question(parser: ArgumentParser, line: str) -> tuple[Namespace, str]:
    """Return the options on the line of ``%%berlin``, and what follows them there: the beginning of the question.

    Parameters
    ----------
    parser : ArgumentParser
        Declares the options; made by IPython's `magic_arguments`.
    line : str
        ``-m gpt-4 What's a list?`` is one option and a question. The question is not split: it may hold quotes.

    Raises
    ------
    UsageError
        For an unknown option, with the nearest known one; for a value that does not fit.
    """
    end = _end_of_options(parser, line)
    options, rest = parser.parse_known_args(split_words(line[:end]))
    if rest:
        near = "" if rest[0] in {"-h", "--help"} else nearest(rest[0], parser._option_string_actions)  # noqa: SLF001 - argparse has no public list of them
        raise UsageError(f"%%berlin has no option {clean(rest[0], _SHOWN)}.{near} `%%berlin?` shows them all.")
    return options, line[end:].strip()


def _end_of_options(parser: ArgumentParser, line: str) -> int:
    """Return the position of the first word that is neither an option nor the value of one."""
    end = 0
    value_follows = False
    while match := _WORD.match(line, end):
        word = match[1]
        if not value_follows and (not word.startswith("-") or word.strip("-") == ""):
            return match.start(1)
        value_follows = not value_follows and _takes_value(parser, word)
        end = match.end()
    return len(line)  # an open quote, if there is one, belongs to the options


def _takes_value(parser: ArgumentParser, word: str) -> bool:
    """Return whether the option `word`, which may be shortened, has its value in the next word."""
    known = parser._option_string_actions  # noqa: SLF001 - as above
    meant = [word] if word in known else [name for name in known if word.startswith("--") and name.startswith(word)]
    return len(meant) == 1 and known[meant[0]].nargs != 0


class CommandParser(ArgumentParser):
    """Parser for the words after one `%berlin` command; each error is a usage error in one line.

    Parameters
    ----------
    name : str
        The command.
    arguments : sequence
        Its arguments; each is made by `argument`.
    """

    def __init__(self, name: str, arguments: Sequence[tuple[tuple[str, ...], dict[str, Any]]]) -> None:
        super().__init__(prog=f"%berlin {name}".strip(), add_help=False, allow_abbrev=False)
        self._words: list[str] = []
        for names, options in arguments:
            self.add_argument(*names, **options)

    @property
    def usage_line(self) -> str:
        """The command with its arguments, such as ``%berlin undo [N]``."""
        return " ".join(self.format_usage().removeprefix("usage: ").split())

    def parse_words(self, words: list[str]) -> Namespace:
        """Return the arguments in `words`.

        Raises
        ------
        UsageError
            For a word too many, a missing one, an unknown option, or a value that does not fit.
        """
        self._words = words
        arguments, rest = self.parse_known_args(words)
        if not rest:
            return arguments
        word = clean(rest[0], _SHOWN)
        if rest[0].startswith("-"):
            raise UsageError(f"{self.prog} has no option {word}.{nearest(rest[0], self._option_string_actions)}")
        raise UsageError(f"{self.usage_line}: {word!r} is one word too many.{_QUESTION}")

    def error(self, message: str) -> NoReturn:
        """Raise `message` as a usage error, in place of ending the process."""
        message = message.removeprefix("argument ").replace(": a number", " is a number")
        message = message.replace("the following arguments are required", "missing")
        if message.startswith("missing") and (
            helps := [one.help for one in self._actions if one.help not in {None, argparse.SUPPRESS}]
        ):
            message = f"{message}; {helps[-1]}"
        hint = _QUESTION if len(self._words) > 1 else ""
        raise UsageError(f"{self.usage_line}: {clean(message, 2 * _SHOWN)}.{hint}")


def argument(*names: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Declare one argument of a command, with the parameters of `ArgumentParser.add_argument`."""
    return names, options


def number(text: str) -> int:
    """Return `text` as a number from 1 on, for `argument`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {clean(text, 40)!r}")
    return int(text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean …?"`` with the nearest of the `known` words; empty if none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def variable_name(text: str) -> str:
    """Return `text` if a reply can be put into a variable of that name.

    Raises
    ------
    UsageError
        If it can't; also for names that the shell needs, such as ``__builtins__``.
    """
    needed = text == "get_ipython" or (text.startswith("__") and text.endswith("__"))
    if not text.isidentifier() or keyword.iskeyword(text) or needed:
        raise UsageError(f"{clean(text, _SHOWN)!r} can't be the name of a variable.")
    return text


def evaluated(option: str, expression: str, names: Mapping[str, Any], advice: str) -> Any:
    """Return the value of the expression that an option has.

    Parameters
    ----------
    option : str
        The option, such as ``--as``.
    expression : str
        Python that the user has written on the line of the cell.
    names : mapping
        The variables that it may use; they are not changed.
    advice : str
        What the user can do if it can't be evaluated, a sentence.

    Raises
    ------
    PromptError
        If it can't be evaluated; nothing has been sent.
    """
    try:
        return eval(expression, dict(names))  # noqa: S307 - code of the user's own cell
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        reason = clean(f"{type(error).__name__}: {error}", 200)
        raise PromptError(
            f"{option} {clean(expression, 60)} can't be evaluated: {reason}; nothing was sent.\n{advice}"
        ) from None


def require_encodable(text: str) -> None:
    r"""Refuse half a character, such as ``"\ud83d"``: no server, database or front end can be sent one.

    Raises
    ------
    UsageError
        If `text` can't be encoded.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise UsageError(
            f"Character {error.start + 1} is half a character ({half}, a lone surrogate), which can't be sent. "
            "Remove it, or replace it: text.encode(errors='replace').decode()."
        ) from None
