"""Complete options, commands and models after the magics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Matcher", "Vocabulary", "completions"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that can be completed.

    Attributes
    ----------
    options : collection of str
        The options of ``%%berlin``.
    commands : mapping
        The commands of `%berlin`, each with the words that may follow it.
    models, providers : collection of str
        The models that have been listed, and the names of the providers.
    """

    options: Collection[str] = ()
    commands: Mapping[str, Collection[str]] = field(default_factory=dict)
    models: Collection[str] = ()
    providers: Collection[str] = ()


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
    if last in {"-m", "--model"} or (magic == "%berlin" and earlier == ["use"]):
        candidates: Iterable[str] = [*known.models, *(f"{name}:" for name in known.providers)]
    elif magic == "%%berlin":
        candidates = known.options if not word or word.startswith("-") else ()
    else:
        candidates = known.commands.get(earlier[0], ()) if earlier else known.commands
    return word, sorted({entry for entry in candidates if entry and entry.startswith(word)})


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

        found = completions(context.text_until_cursor, self._known(), first_line=context.cursor_line == 0)
        if found is None:
            return {"completions": []}
        word, words = found
        return {
            "completions": [SimpleCompletion(entry, type="magic") for entry in words],
            "matched_fragment": word,
            "suppress": bool(words),
        }
