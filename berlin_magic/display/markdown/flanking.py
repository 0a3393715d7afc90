"""Whether a mark of emphasis can begin or end it, by the characters beside it.

CommonMark decides by white space and punctuation, and so takes for granted that words are parted by spaces. Chinese,
Japanese and Korean text has none: beside such a character, whatever stands there, a mark may do both.
"""

from __future__ import annotations

import unicodedata

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned

__all__ = ["State", "can_begin"]


class State(StateInline):
    """The state of markdown-it's inline parser, which asks this method of its own about each run of marks."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 - markdown-it's names
        """Return whether the marks from `start` can begin and end emphasis, and how many there are."""
        scanned = super().scanDelims(start, canSplitWord)
        before = self.src[start - 1 : start]
        after = self.src[start + scanned.length : min(start + scanned.length + 1, self.posMax)]
        if not canSplitWord or not (_is_cjk(before) or _is_cjk(after)):
            return scanned
        return Scanned(bool(after.strip()), bool(before.strip()), scanned.length)


def can_begin(before: str, after: str) -> bool:
    """Return whether ``*`` between these characters (empty at an end) begins emphasis by CommonMark's own rules.

    Whether it ends emphasis is the same question with the two exchanged.
    """
    if not after.strip():
        return False
    return not _is_punctuation(after) or not before.strip() or _is_punctuation(before)


def _is_punctuation(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)


def _is_cjk(char: str) -> bool:
    return bool(char) and unicodedata.east_asian_width(char) in "WFH" and unicodedata.category(char) != "So"
