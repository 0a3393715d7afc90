"""Plain text that is safe in a terminal."""

from __future__ import annotations

__all__ = ["to_plain"]


def to_plain(text: str) -> str:
    """Return `text` without terminal escapes, control characters and bidirectional overrides."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())
