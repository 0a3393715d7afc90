"""Whether a mark can begin or end emphasis, by the characters beside it.

CommonMark decides by white space and punctuation, and so assumes spaces between words. Chinese, Japanese and Korean
text has no such spaces: beside such a character a mark may both begin and end emphasis.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned

__all__ = ["State", "can_begin"]


class State(StateInline):
    """The state of markdown-it's inline parser, which asks this method of its own about each run of marks."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 - markdown-it's names
        """Return whether the marks from `start` can begin and end emphasis, and how many there are."""
        source, most = self.src, self.posMax
        end = start + 1
        while end < most and source[end] == source[start]:
            end += 1
        begins, ends = _flanking(source[start - 1 : start], source[end : min(end + 1, most)], canSplitWord)
        return Scanned(begins, ends, end - start)


@lru_cache(4096)  # there are few pairs of neighbours, and markdown-it classifies both for each mark
def _flanking(before: str, after: str, can_split_word: bool) -> tuple[bool, bool]:
    """Return whether marks between these characters (empty at an end) can begin and can end emphasis."""
    if can_split_word and (_is_cjk(before) or _is_cjk(after)):
        return bool(after.strip()), bool(before.strip())
    begins, ends = can_begin(before, after), can_begin(after, before)
    if can_split_word:
        return begins, ends
    return begins and (not ends or _is_punctuation(before)), ends and (not begins or _is_punctuation(after))


def can_begin(before: str, after: str) -> bool:
    """Return whether ``*`` between these characters (empty at an end) begins emphasis by CommonMark's own rules.

    Whether it ends emphasis is the same question with the two exchanged.
    """
    if _is_space(after):
        return False
    return not _is_punctuation(after) or _is_space(before) or _is_punctuation(before)


def _is_punctuation(char: str) -> bool:
    return bool(char) and (isMdAsciiPunct(ord(char)) or isPunctChar(char))


def _is_space(char: str) -> bool:
    return not char or isWhiteSpace(ord(char))


def _is_cjk(char: str) -> bool:
    return bool(char) and unicodedata.east_asian_width(char) in "WFH" and unicodedata.category(char) != "So"
