"""The style sheet that the HTML of this package wants in the live view."""

from __future__ import annotations

__all__ = ["stylesheet"]


def stylesheet(scope: str = ".berlin-reply") -> str:
    """Return CSS for the elements and classes that the rendering writes, each rule under the selector `scope`."""
    return f"{scope} .berlin-tight > li > p {{ margin: 0; }}\n"
