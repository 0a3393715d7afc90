"""The question, options and commands in the source of a cell."""

from __future__ import annotations

import hashlib
import re
import shlex
from itertools import islice

__all__ = ["commands_in", "digest", "option_in", "questions_in"]

_MAGIC = "%%berlin"
_WORD = re.compile(r"\S+")
_MOST_OPTIONS = 30  # words of a line that can be options, and their values


def questions_in(source: str) -> list[str]:
    """Return what the question of a ``%%berlin`` cell can be; nothing for any other cell.

    First comes the text below the magic, then the same after an end of its line, which may begin the question.
    Comments, and other cell magics such as ``%%time``, may stand above the magic.
    """
    line, below = _parted(source)
    if below is None:
        return []
    endings = [
        line[match.start() :] for match in islice(_WORD.finditer(line), _MOST_OPTIONS) if not match[0].startswith("-")
    ]
    questions = ["\n".join(filter(None, [ending, below])) for ending in endings]
    return [below, *questions] if below.strip() else questions


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
    """Return a digest of a text, of 16 characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parted(source: str) -> tuple[str, str | None]:
    """Return the line of the magic, and the text below it; None for another cell."""
    rest = source
    while rest:
        line, _, rest = rest.partition("\n")
        stripped = line.strip()
        if stripped.split(maxsplit=1)[:1] and stripped.split(maxsplit=1)[0].lower() == _MAGIC:
            return stripped[len(_MAGIC) :].strip(), rest.strip("\n")
        if stripped and not stripped.startswith(("#", "%%")):
            break
    return "", None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote is not closed
        return line.split()
