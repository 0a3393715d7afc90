"""Shorten texts by leaving out their middle."""

from __future__ import annotations

import re

__all__ = ["cut_middle", "fenced", "on_one_line", "without_addresses"]

_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+")


def cut_middle(text: str, limit: int) -> tuple[str, str]:
    """Return `text` with about `limit` characters of it, and what was left out, "" for nothing.

    What is left out is named in its place, so that a model does not take the two ends for neighbours.
    """
    missing = len(text) - limit
    if missing <= 0:
        return text, ""
    head = limit * 2 // 3
    note = f"{missing:,} of {len(text):,} characters"
    return f"{text[:head]}\n[… {note} left out …]\n{text[head + missing :]}", note


def on_one_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` characters; a longer one loses its middle."""
    if len(text) > 4 * limit:
        text = f"{text[: 2 * limit]}…{text[-2 * limit :]}"
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head = limit * 2 // 3
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def without_addresses(text: str) -> str:
    """Return the repr of an object without its address in memory, which is another in every run of a notebook."""
    return _ADDRESS.sub("at 0x…", text)


def fenced(code: str, language: str = "") -> str:
    """Return `code` in a fence that nothing in it closes."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"
