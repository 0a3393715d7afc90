"""The line of a magic, taken apart: options as declared, and clear words for what is wrong with them."""

from __future__ import annotations

import difflib
import keyword
import shlex
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from IPython.core.error import UsageError

__all__ = ["nearest", "parsed", "variable_name", "words"]


def words(line: str) -> list[str]:
    r"""Return the words of `line`: quotes hold words together and are taken off, a backslash is a plain character.

    Raises
    ------
    UsageError
        Where a quote is not closed.
    """
    reader = shlex.shlex(line, posix=True, punctuation_chars=False)
    reader.whitespace_split = True
    reader.commenters = ""
    reader.escape = ""  # Windows' paths hold backslashes
    try:
        return list(reader)
    except ValueError:
        raise UsageError(f"A quote is not closed in: {line.strip()}") from None


def parsed(parser: Any, line: str, magic: str) -> Namespace:
    """Return the options in `line`, as `parser` (of `magic_arguments`) declares them.

    Raises
    ------
    UsageError
        For a word that it does not know, with the nearest that it does.
    """
    options, rest = parser.parse_known_args(words(line))
    if rest:
        known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - argparse has no other way
        if not rest[0].startswith("-"):
            raise UsageError(f"{magic} takes options only, not {rest[0]!r}: the question goes on the next line.")
        raise UsageError(f"{magic} has no option {rest[0]}.{nearest(rest[0], known)} `{magic}?` shows them all.")
    result: Namespace = options
    return result


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean …?"`` with the nearest of the `known` words; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def variable_name(text: str) -> str:
    """Return `text` where a variable can have that name.

    Raises
    ------
    UsageError
        Where it can't.
    """
    if not text.isidentifier() or keyword.iskeyword(text):
        raise UsageError(f"{text!r} can't be the name of a variable.")
    return text
