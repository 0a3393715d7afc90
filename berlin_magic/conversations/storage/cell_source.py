"""What the source of a cell shows: the question that it asks, and the commands that it gives."""

from __future__ import annotations

import hashlib
import shlex

__all__ = ["commands_in", "digest", "option_in", "question_in"]

_MAGIC = "%%berlin"


def question_in(source: str) -> str | None:
    """Return the question in the source of a ``%%berlin`` cell; None for any other cell.

    Comments, and other cell magics such as ``%%time``, may stand above the magic.
    """
    return _parted(source)[1]


def option_in(source: str, name: str) -> str | None:
    """Return the value of an option, such as ``--system``, of a ``%%berlin`` cell; "" for a flag, None for none."""
    words = _words(_parted(source)[0])
    for number, word in enumerate(words):
        given, equals, value = word.partition("=")
        if given == name:
            return value if equals else next(iter(words[number + 1 :]), "")
    return None


def commands_in(source: str) -> list[tuple[str, str]]:
    """Return the commands of the ``%berlin`` lines in a cell, each with what follows its word."""
    found = []
    for line in source.splitlines():
        magic, _, rest = line.strip().partition(" ")
        if magic != "%berlin":
            continue
        word, _, argument = rest.strip().partition(" ")
        if word in {"-c", "--conversation"}:
            word, _, argument = argument.strip().partition(" ")[2].strip().partition(" ")
        found.append((word, argument.strip().removesuffix(";").strip()))
    return found


def digest(text: str) -> str:
    """Return what tells one text from others, 16 characters of it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parted(source: str) -> tuple[str, str | None]:
    """Return the line of the magic and the question below it, or on that line if there is nothing below."""
    rest = source
    while rest:
        line, _, rest = rest.partition("\n")
        stripped = line.strip()
        if stripped.split(maxsplit=1)[:1] and stripped.split(maxsplit=1)[0].lower() == _MAGIC:
            below = rest.strip("\n")
            after = stripped[len(_MAGIC) :].strip()
            if not below.strip() and after and not after.startswith("-"):
                return "", after
            return after, below
        if stripped and not stripped.startswith(("#", "%%")):
            break
    return "", None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote is not closed
        return line.split()
