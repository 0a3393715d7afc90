"""The line of a magic, taken apart: options as declared, and clear words for what is wrong with them."""

from __future__ import annotations

import difflib
import keyword
import shlex
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from IPython.core.error import UsageError

from berlin_magic.errors import clean

__all__ = ["nearest", "parsed", "variable_name", "words"]

_SHOWN = 80  # characters of what the user wrote, in a message about it


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
        raise UsageError(f"A quote is not closed in: {clean(line, _SHOWN)}") from None


def parsed(parser: Any, line: str, magic: str) -> Namespace:
    """Return the options in `line`, as `parser` (of `magic_arguments`) declares them.

    Raises
    ------
    UsageError
        For a word that it does not know, with the nearest that it does.
    """
    if line.strip() and not line.lstrip().startswith("-"):  # before any quote is looked at: questions hold apostrophes
        shown = clean(line.split(maxsplit=1)[0], _SHOWN)
        raise UsageError(f"{magic} takes options only, not {shown!r}: the question goes on the next line.")
    options, rest = parser.parse_known_args(words(line))
    if rest:
        shown = clean(rest[0], _SHOWN)
        if not rest[0].startswith("-"):
            raise UsageError(f"{magic} takes options only, not {shown!r}: the question goes on the next line.")
        known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - argparse has no other way
        near = "" if rest[0] in {"-h", "--help"} else nearest(rest[0], known)
        raise UsageError(f"{magic} has no option {shown}.{near} `{magic}?` shows them all.")
    result: Namespace = options
    return result


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean …?"`` with the nearest of the `known` words; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def variable_name(text: str) -> str:
    """Return `text` where a reply can be put into a variable of that name.

    Raises
    ------
    UsageError
        Where it can't; that includes the names that a shell cannot do without, such as ``__builtins__``.
    """
    needed = text == "get_ipython" or (text.startswith("__") and text.endswith("__"))
    if not text.isidentifier() or keyword.iskeyword(text) or needed:
        raise UsageError(f"{clean(text, _SHOWN)!r} can't be the name of a variable.")
    return text
