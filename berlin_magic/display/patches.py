"""Shorten patches of a growing document by the text that the page shows already."""

from __future__ import annotations

from itertools import takewhile
from operator import eq

from berlin_magic.display.markdown import Patch

__all__ = ["ShortPatches", "utf16_prefix"]

_LEAST = 24  # characters: fewer do not pay for the longer form


class ShortPatches:
    """Replace ``["add", slot, html]`` by ``["keep", slot, units, rest]`` if the slot's tail begins like `html`.

    While a paragraph grows it is the tail of its slot; once it is finished, it is added, mostly with the same HTML.
    """

    def __init__(self) -> None:
        self._tails: dict[int, str] = {}

    def of(self, patches: list[Patch]) -> list[Patch]:
        """Return the document's next `patches` in their short form."""
        return [self._short(patch) for patch in patches]

    def _short(self, patch: Patch) -> Patch:
        kind, slot = patch[0], int(patch[1])
        tail = self._tails.pop(slot, "")
        if kind == "tail":
            self._tails[slot] = utf16_prefix(tail, int(patch[2])) + str(patch[3])
        elif kind == "add" and tail:
            html = str(patch[2])
            same = sum(takewhile(bool, map(eq, tail, html)))
            if same >= _LEAST:
                return ["keep", slot, len(html[:same].encode("utf-16-le")) // 2, html[same:]]
        return patch


def utf16_prefix(text: str, units: int) -> str:
    """Return the first `units` UTF-16 code units of `text`, as JavaScript's ``slice`` counts them."""
    if text.isascii() or units == 0:
        return text[:units]
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "replace")
