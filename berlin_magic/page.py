"""The words of an error page: a gateway says in HTML what is wrong, and a person reads no tags."""

from __future__ import annotations

import html
import re

__all__ = ["page_words"]

_UNSEEN = re.compile(r"<!--.*?(-->|\Z)|<(script|style)\b.*?(</\2\s*>|\Z)|<[^>]*(>|\Z)", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title\b.*?(</title\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_LOOKED_AT = 100_000


def page_words(text: str) -> str:
    """Return `text` without the tags, styles and scripts of a page; as it is, where it is none or nothing is left.

    What comes out is a server's words, and no safer than before.
    """
    if not text.lstrip().startswith("<"):
        return text
    page = text[:_LOOKED_AT]
    return _words(_TITLE.sub(" ", page)) or _words(page) or text  # a title mostly says the same as the page


def _words(page: str) -> str:
    return " ".join(html.unescape(_UNSEEN.sub(" ", page)).split())
