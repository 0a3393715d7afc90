"""The fingerprints of the user's variables, as they are now."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.quoted_values import changed
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import clean
from berlin_magic.kernel.prompt_file import read_document
from berlin_magic.prompts.expressions import file_in, names_in
from berlin_magic.prompts.fingerprint import fingerprint
from berlin_magic.prompts.fingerprint_key import fingerprint_key, name_of_key

__all__ = ["CurrentValues", "changed_notes", "changed_since", "has_changed"]

_MOST_NAMES = 20  # of one expression
_OF_THE_SESSION = re.compile(r"In|Out|_+|_[ido]h|_i{1,3}|_i?\d+|get_ipython|exit|quit|open")
"""Names that every cell changes."""


class CurrentValues:
    """The fingerprints of variables, each computed once.

    Use it in a thread: a large value takes some hundredths of a second.

    Parameters
    ----------
    namespace : mapping
        The user's.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._key = fingerprint_key()
        self._name_of_key = name_of_key(self._key)
        self._known: dict[str, str] = {}

    def used_by(self, code: str) -> dict[str, str]:
        """Return the fingerprints of the variables that an expression uses, and of the file that it reads, by name.

        The expression is not evaluated.
        """
        names = [name for name in names_in(code) if not _OF_THE_SESSION.fullmatch(name)]
        if "file" not in self._namespace and file_in(code):
            names = [code]
        return {name: digest for name in names[:_MOST_NAMES] if (digest := self.of(name))}

    def of(self, name: str) -> str:
        """Return the fingerprint of a variable, or of what `file('…')` reads; empty for a module or no value."""
        if name not in self._known:
            self._known[name] = self._fingerprint(name)
        return self._known[name]

    def _fingerprint(self, name: str) -> str:
        if name.isidentifier():
            value = self._namespace.get(name, types)
        else:
            try:
                value = read_document(file_in(name))
            except (OSError, ValueError):
                value = types
        if isinstance(value, types.ModuleType):
            return ""
        return f"{self._name_of_key}:{fingerprint(value, key=self._key)}"


async def changed_since(namespace: Mapping[str, Any], turns: list[Turn]) -> dict[str, list[str]]:
    """Return the variables that have changed since turns have quoted them, by the turns' ids; the others have none."""
    if not any(turn.uses for turn in turns):
        return {}

    def compare() -> dict[str, list[str]]:
        now = CurrentValues(namespace)
        return {turn.id: names for turn in turns if (names := changed(turn.uses, now.of))}

    return await in_thread(compare)


def has_changed(names: Iterable[str]) -> str:
    """Return that variables have changed since, in a few words."""
    shown = [f"`{clean(name, 60)}`" for name in names]
    return f"{', '.join(shown)} {'has' if len(shown) == 1 else 'have'} changed since"


def changed_notes(turn: Turn) -> list[str]:
    """Return the remarks on a question that is sent with earlier ones whose data has changed."""
    names = turn.changed_before.split(", ") if turn.changed_before else []
    return [f"{has_changed(names)} an earlier turn quoted it"] if names else []
