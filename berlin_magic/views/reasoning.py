"""Reasoning, folded: what a model thought before it answered, out of the way and apart from the reply."""

from __future__ import annotations

import unicodedata

from berlin_magic.rendering import text_to_html

__all__ = ["folded"]

_MOST = 20_000  # characters: a model may think for longer than anybody reads, and notebooks are saved with it
_LOOKS = "opacity:.65;font-size:85%;margin-bottom:.6em"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.4em 0 0 1em;max-height:24em;overflow:auto"


def folded(reasoning: str) -> str:
    """Return `reasoning` as HTML that shows one line until it is opened; nothing for none.

    It is shown as plain text: whatever markup a model writes there is its own, and does nothing.
    """
    shown = "".join(char for char in reasoning[:_MOST].strip() if char in "\n\t" or _is_visible(char))
    if not shown:
        return ""
    more = f"\n… ({len(reasoning) - _MOST:,} more characters)" if len(reasoning) > _MOST else ""
    return (
        f'<details class="berlin-reasoning" style="{_LOOKS}"><summary>Reasoning</summary>'
        f'<div style="{_TEXT}">{text_to_html(shown)}{more}</div></details>\n'
    )


def _is_visible(char: str) -> bool:
    """Say whether `char` is one that shows, and does not, for instance, turn the direction of what follows."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"} or char == "\u200d"
