r"""Where a very long paragraph may be cut, so that what was shown of it need not be parsed again.

Markup (emphasis, code, links, math) does not reach across a cut. A cut is made where no markup is open, if there is
such a place; as only a paragraph of more than `SEGMENT` characters is cut at all, hardly any reply has one.
"""

from __future__ import annotations

import re

__all__ = ["SEGMENT", "split"]

SEGMENT = 2000  # characters: most of a page
_SPACE = re.compile(r"\s")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_TRIES = 100


def split(text: str) -> tuple[str, str]:
    """Cut a paragraph in two, before white space if there is any.

    Parameters
    ----------
    text : str
        More than `SEGMENT` characters.

    Returns
    -------
    tuple of str
        The segment, not empty and without white space at its end, and the rest.
    """
    places = [found.start() for found in _SPACE.finditer(text, SEGMENT // 2) if not text[found.start() - 1].isspace()]
    for place in places[: -_TRIES - 1 : -1]:
        if _closed(text[:place]):
            return text[:place], text[place:]
    place = places[-1] if places else SEGMENT
    return text[:place], text[place:]


def _closed(text: str) -> bool:
    """Whether no markup seems to be open at the end of `text`; right for all that is not contrived."""
    if "\\(" in text or "\\[" in text:
        return False
    text = _ESCAPED.sub("", text)
    return (
        text.count("[") == text.count("]")
        and text.count("(") == text.count(")")
        and text.count("<") == text.count(">")
        and not any(text.count(mark) % 2 for mark in "*_`$~")
    )
