"""Undo the escapes of URLs, HTML, JSON, Python and JavaScript."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

__all__ = ["unescaped"]

_BACKSLASH = re.compile(
    r"\\++(?:u\{0*([0-9a-f]{1,6})\}|u([0-9a-f]{4})|U([0-9a-f]{8})|x([0-9a-f]{2})|[abfnrtv])?", re.IGNORECASE
)
_HIGHEST = 0x10FFFF


def unescaped(text: str) -> str:
    """Return `text` with its escapes undone, also nested ones, and without other backslashes.

    It is for comparing texts: two that differ only in their escapes have the same result.
    """
    text = unquote(re.sub("%(?:25)+", "%", text))
    text = html.unescape(re.sub("&(?:amp;)+", "&", text))
    return _BACKSLASH.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    code = int(escape[escape.lastindex], 16) if escape.lastindex else _HIGHEST + 1
    return chr(code) if code <= _HIGHEST else ""
