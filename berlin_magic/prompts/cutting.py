"""Cutting: a text that is too long loses its middle."""

from __future__ import annotations

__all__ = ["cut_middle", "on_one_line"]


def cut_middle(text: str, limit: int) -> tuple[str, str]:
    """Return `text` with at most about `limit` characters of it, and what was left out, "" for nothing.

    What is left out is named in its place, so that a model does not take the two ends for neighbours.
    """
    missing = len(text) - limit
    if missing <= 0:
        return text, ""
    head = -(-limit * 2 // 3)
    note = f"{missing:,} of {len(text):,} characters"
    return f"{text[:head]}\n[… {note} left out …]\n{text[len(text) - (limit - head) :]}", note


def on_one_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` characters; a longer one loses its middle."""
    line = " ".join(text[: limit * 4].split()) if len(text) > limit * 4 else " ".join(text.split())
    if len(line) <= limit and len(text) <= limit * 4:
        return line
    if len(text) > limit * 4:
        line += "…" + " ".join(text[-limit:].split())
    head = limit * 2 // 3
    return f"{line[:head]}…{line[len(line) - (limit - head - 1) :]}"
