"""The Tab key after the magics: which words can stand where the cursor is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Tab", "Vocabulary", "offered"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that there are: options of `%%berlin`, commands of `%berlin`, models that were listed, providers."""

    options: Collection[str] = ()
    commands: Collection[str] = ()
    models: Collection[str] = ()
    providers: Collection[str] = ()


def offered(before: str, known: Vocabulary, *, first_line: bool = True) -> tuple[str, list[str]] | None:
    """Return the word before the cursor and what can stand in its place; None where it is not our line.

    Parameters
    ----------
    before : str
        The line up to the cursor.
    known : Vocabulary
        The words.
    first_line : bool
        Whether it is the cell's first, the only one where ``%%berlin`` can stand.
    """
    magic, *words = before.lstrip().split(" ")
    if magic not in {"%berlin", "%%berlin"} or not words or (magic == "%%berlin" and not first_line):
        return None
    *earlier, word = words
    last = earlier[-1] if earlier else ""
    if last in {"-m", "--model"} or (magic == "%berlin" and earlier == ["use"]):
        candidates: Iterable[str] = [*known.models, *(f"{name}:" for name in known.providers)]
    elif magic == "%%berlin":
        candidates = known.options if not word or word.startswith("-") else ()
    else:
        candidates = () if earlier else known.commands
    return word, sorted({entry for entry in candidates if entry.startswith(word)})


class Tab:
    """A matcher for `shell.Completer.custom_matchers`: IPython itself completes no magic's options (platform page).

    Parameters
    ----------
    known : callable
        Gives the words as they are now; it asks nobody, as a key press waits for no server.
    """

    matcher_api_version = 2

    def __init__(self, known: Callable[[], Vocabulary]) -> None:
        self._known = known
        self.__qualname__ = "berlin_magic.Tab"  # what IPython calls a matcher by: it expects functions

    def __repr__(self) -> str:
        return "<Tab of berlin_magic>"

    def __call__(self, context: Any) -> dict[str, Any]:
        """Return IPython's `SimpleMatcherResult` for its `CompletionContext`."""
        from IPython.core.completer import SimpleCompletion  # noqa: PLC0415 - loaded by the time that Tab is pressed

        found = offered(context.text_until_cursor, self._known(), first_line=context.cursor_line == 0)
        if found is None:
            return {"completions": []}
        word, words = found
        return {
            "completions": [SimpleCompletion(entry, type="magic") for entry in words],
            "matched_fragment": word,
            "suppress": bool(words),
        }
