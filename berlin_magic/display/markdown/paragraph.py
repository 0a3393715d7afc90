r"""Cut a very long paragraph, so that what was shown of it need not be parsed again.

Markup (emphasis, code, links, math) does not reach across a cut. A cut is made where no markup is open, if there is
such a place; as only a paragraph of more than `SEGMENT` characters, or `MARKS` marks, is cut at all, hardly any reply
has a cut. The marks are counted because they are what costs: a kilobyte of ``*a **b`` takes as long as ten of prose.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from itertools import islice

__all__ = ["MARKS", "SEGMENT", "most_marks", "reach", "split"]

SEGMENT = 2000  # characters: most of a page
MARKS = 100  # that may begin emphasis, a link or an element; formulas, which must not be cut, have few of them
_MARK = re.compile(r"[*\[<~]|!(?=\[)|(?<!\S)_")
_SPACE = re.compile(r"\s")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_RUN = re.compile(r"\*+|_+|`+|\$+|~+")
_TRIES = 100


def reach(text: str, most: int, start: int = 0, *, marks: int = MARKS) -> int:
    """Return how far a part of `text` from `start` on may reach with `most` characters and `marks` marks."""
    end = min(len(text), start + most)
    if end - start <= marks or most_marks(text, start, end) <= marks:  # as in nearly every line of any reply
        return end
    found = next(islice(_MARK.finditer(text, start, end), marks, None), None)
    return end if found is None else found.start()


def most_marks(text: str, start: int = 0, end: int = sys.maxsize) -> int:
    """Return a number that the marks in a part of `text` do not exceed; `_MARK` would take longer to count them."""
    count = text.count
    emphasis = count("*", start, end) + count("_", start, end) + count("~", start, end)
    return emphasis + count("[", start, end) + count("<", start, end) + count("!", start, end)


def split(text: str) -> tuple[str, str]:
    """Cut a paragraph in two, before white space if there is any.

    Parameters
    ----------
    text : str
        More than `reach(text, SEGMENT)` characters.

    Returns
    -------
    tuple of str
        The segment, not empty and without white space at its end, and the rest.
    """
    half = reach(text, SEGMENT // 2, marks=MARKS // 2)
    places = [
        found.start()
        for found in _SPACE.finditer(text, half)
        if found.start() and not text[found.start() - 1].isspace()
    ]
    for place in places[: -_TRIES - 1 : -1]:
        if _closed(text[:place]):
            return text[:place], text[place:]
    place = places[-1] if places else max(1, reach(text, SEGMENT))
    return text[:place], text[place:]


def _closed(text: str) -> bool:
    """Whether no markup seems to be open at the end of `text`; right for all texts but contrived ones."""
    if "\\(" in text or "\\[" in text:
        return False
    text = _ESCAPED.sub("", text)
    return (
        text.count("[") == text.count("]")
        and text.count("(") == text.count(")")
        and text.count("<") == text.count(">")
        and not any(text.count(mark) % 2 for mark in "*_`$~")
        and not any(runs % 2 for runs in Counter(run[0] for run in _RUN.findall(text)).values())
    )
