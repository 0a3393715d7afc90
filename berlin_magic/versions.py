"""Versions of a place, as text to read: listed, shown, compared; pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from berlin_magic.errors import clean
from berlin_magic.places import Place, Version

__all__ = ["compared", "listed", "shown"]


def listed(place: Place, when: Callable[[float], str]) -> str:
    """Return the versions of a place, a line each; `when` makes a text of a time."""
    lines = []
    for number, version in enumerate(place.versions, 1):
        mark = "*" if version is place.current else " "
        first = version.turns[0] if version.turns else None
        if first is None:
            lines.append(f"{mark} version {number}: a command")
            continue
        asked = when(first.begun) if first.begun is not None else ""
        about = ", ".join(part for part in (asked, clean(first.model, 40), first.finish) if part)
        lines.append(f"{mark} version {number} ({about}): {clean(first.prompt, 80)} → {clean(first.reply, 80)}")
    return "\n".join(lines)


def shown(version: Version) -> str:
    """Return what was asked and answered in a version, whole."""
    return "\n\n".join(
        f"you:\n{printable(turn.prompt)}\n\n{clean(turn.model, 40) or 'assistant'}:\n{printable(turn.reply)}"
        for turn in version.turns
    )


def compared(one: Version, other: Version, names: tuple[str, str]) -> str:
    """Return what differs, line by line: ``-`` is only in `one`, ``+`` only in `other`."""
    lines = difflib.unified_diff(
        shown(one).splitlines(), shown(other).splitlines(), names[0], names[1], n=1, lineterm=""
    )
    return "\n".join(lines) or "They are the same."


def printable(text: str) -> str:
    """Return untrusted text with its lines, and no terminal escape or other control character in them."""
    return "\n".join("".join(char for char in line if char.isprintable() or char == "\t") for line in text.split("\n"))
