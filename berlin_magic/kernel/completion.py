"""Complete words in the line of a magic or in an expression of a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from berlin_magic.prompts.expressions import LEVELS, open_expression

__all__ = ["Matcher", "Vocabulary", "completions", "expression_completions", "is_type"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that can be completed.

    Attributes
    ----------
    options : collection of str
        The options of ``%%berlin``.
    choices : mapping
        The values that an option takes, if it takes only some, by each of its names.
    commands : mapping
        The commands of `%berlin`, each with the words that may follow it.
    models, providers : collection of str
        The models that have been listed, and the names of the providers.
    conversations, templates, types : callable
        Return the names of the notebook's conversations, of the user's templates, and of the types in the notebook.
    names : callable
        Returns the user's names, or attributes of them, that a word such as ``df.col`` can become.
    """

    options: Collection[str] = ()
    choices: Mapping[str, Collection[str]] = field(default_factory=dict)
    commands: Mapping[str, Collection[str]] = field(default_factory=dict)
    models: Collection[str] = ()
    providers: Collection[str] = ()
    conversations: Callable[[], Iterable[str]] = tuple
    templates: Callable[[], Iterable[str]] = tuple
    types: Callable[[], Iterable[str]] = tuple
    names: Callable[[str], Iterable[str]] = lambda _word: ()


def completions(before: str, known: Vocabulary, *, first_line: bool = True) -> tuple[str, list[str]] | None:
    """Return the word before the cursor and what it can become; None if the line is not one of our magics.

    Parameters
    ----------
    before : str
        The line up to the cursor.
    known : Vocabulary
        The words.
    first_line : bool
        Whether it is the cell's first, the only one on which ``%%berlin`` is completed.
    """
    magic, *words = before.lstrip().split(" ")
    magic = magic.lower()
    if magic not in {"%berlin", "%%berlin"} or not words or (magic == "%%berlin" and not first_line):
        return None
    *earlier, word = words
    last = earlier[-1] if earlier else ""
    if last in {"-c", "--conversation"} and (magic == "%%berlin" or len(earlier) == 1):
        candidates: Iterable[str] = known.conversations()
    elif last in {"-T", "--template"} or (magic == "%berlin" and earlier in _NAMED_TEMPLATES):
        candidates = known.templates()
    elif last in {"-m", "--model"} or (magic == "%berlin" and earlier == ["use"]):
        candidates = [*known.models, *(f"{name}:" for name in known.providers)]
    elif magic == "%%berlin" and last in known.choices:
        candidates = known.choices[last]
    elif magic == "%%berlin" and last == "--as":
        candidates = known.types()
    elif magic == "%%berlin":
        candidates = known.options if not word or word.startswith("-") else ()
    else:
        candidates = known.commands.get(earlier[0], ()) if earlier else known.commands
    return word, sorted({entry for entry in candidates if entry and entry.startswith(word)})


def is_type(value: object) -> bool:
    """Say whether a value is a class, or a form such as ``Literal[…]``; no code of the value's runs for it."""
    kind = type(value)
    return issubclass(kind, type) or (kind.__module__ in {"typing", "types"} and get_origin(value) is not None)


_NAMED_TEMPLATES = (["template", "show"], ["template", "delete"])
_CELL = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*%%berlin(?!\S)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d][\w.]*\Z|\Z")
_BAR = re.compile(r"\|\s*(\w*)\Z")
_OURS = ("cells", "file", "last_error")


def expression_completions(before: str, known: Vocabulary) -> tuple[str, list[str]] | None:
    """Return the word before the cursor and what it can become, in an expression of a ``%%berlin`` cell; else None.

    Parameters
    ----------
    before : str
        The cell up to the cursor.
    known : Vocabulary
        The words.
    """
    code = open_expression(before) if _CELL.match(before) else None
    if code is None:
        return None
    if bar := _BAR.search(code):
        levels: list[str] = [level for level in LEVELS if level.startswith(bar[1])]
        if levels:
            return bar[1], levels
    found = _WORD.search(code)
    word = found[0] if found else ""
    if code[: len(code) - len(word)].endswith("."):
        return None  # an attribute of what is not a name: nothing is evaluated for a key press
    candidates = {*known.names(word), *(() if "." in word else _OURS)}
    return word, sorted(entry for entry in candidates if entry.startswith(word))


class Matcher:
    """A matcher for `shell.Completer.custom_matchers`: IPython itself completes no magic's options (9.18).

    Parameters
    ----------
    known : callable
        Returns the words as they are now; it asks no server, as no key press waits for one.
    """

    matcher_api_version = 2

    def __init__(self, known: Callable[[], Vocabulary]) -> None:
        self._known = known
        self.__qualname__ = "berlin_magic.Matcher"  # IPython expects a function, and calls it by this name

    def __repr__(self) -> str:
        return "<Matcher of berlin_magic>"

    def __call__(self, context: Any) -> dict[str, Any]:
        """Return IPython's `SimpleMatcherResult` for its `CompletionContext`."""
        from IPython.core.completer import SimpleCompletion  # noqa: PLC0415 - IPython has loaded it when a key is pressed

        known = self._known()
        line = context.text_until_cursor
        above = context.full_text.split("\n")[: context.cursor_line]
        found = expression_completions("\n".join([*above, line]), known)
        is_expression = found is not None
        if found is None:
            found = completions(line, known, first_line=context.cursor_line == 0)
        if found is None:
            return {"completions": []}
        word, words = found
        kind = "magic" if not is_expression else "level" if set(words) <= {*LEVELS} else "variable"
        return {
            "completions": [SimpleCompletion(entry, type=kind) for entry in words],
            "matched_fragment": word,
            "suppress": bool(words),
        }
