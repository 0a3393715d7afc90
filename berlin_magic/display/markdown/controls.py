r"""Make invisible characters visible that change how a text is shown.

The controls of the direction of writing can show a text in another order than it has (CVE-2021-42574): what a reader
checks is then not what is copied or run. Those that embed or override are shown by their numbers, everywhere; the
weaker marks, which right-to-left prose needs, are shown so in code alone.
"""

from __future__ import annotations

import re

__all__ = ["show_controls", "show_marks", "tidy"]

_NOT_IN_HTML = re.compile("[\ud800-\udfff\0]")
_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARKS = re.compile("[\u061c\u200e\u200f]")


def tidy(text: str) -> str:
    r"""Return a reply as it is parsed.

    Without what HTML cannot hold: ``\0`` and lone surrogates are U+FFFD, lines end in ``\n``; and with its
    bidirectional controls shown.
    """
    return show_controls(_NOT_IN_HTML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")))


def show_controls(text: str) -> str:
    """Return `text` with each bidirectional control as its number."""
    return _CONTROLS.sub(_number, text)


def show_marks(code: str) -> str:
    """Return `code` with each mark of direction as its number."""
    return _MARKS.sub(_number, code)


def _number(found: re.Match[str]) -> str:
    return f"\u27e8U+{ord(found[0]):04X}\u27e9"  # brackets that mean nothing in Markdown, HTML or TeX
