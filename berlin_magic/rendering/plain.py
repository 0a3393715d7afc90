r"""Plain text that is safe in a terminal.

A terminal obeys escape sequences: they retitle the window, write to the clipboard, ask the terminal to type for the
user, or hide what was printed. The bidirectional controls show a text in another order than it has
(CVE-2021-42574); the tag characters of Unicode are not shown at all.
"""

from __future__ import annotations

import re

__all__ = ["PlainText", "to_plain"]

_SEQUENCE = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]                                   # CSI
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]) [^\x07\x1b\x9c\n]{0,4096} (?:\x07|\x1b\\|\x9c)  # OSC, DCS, SOS, PM, APC
    | \x1b [ -/]* [0-~]                                                     # the others
    """,
    re.VERBOSE,
)
_HALF = re.compile(r"(?:\x1b|\x9b|[\x9d\x90\x98\x9e\x9f])[^\n]{0,4200}\Z|\r\Z", re.DOTALL)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029]")


def to_plain(text: str) -> str:
    r"""Return `text` without terminal escape sequences, control characters and bidirectional controls.

    Parameters
    ----------
    text : str
        Anything a model or a server said.

    Returns
    -------
    str
        The text; of the control characters only tabs and line ends are left, and every line ends in ``\n``.
    """
    return _CONTROL.sub("", _SEQUENCE.sub("", _LINE_END.sub("\n", text)))


class PlainText:
    """Does what `to_plain` does, piece by piece, for a text that is printed while it arrives."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be printed: an escape sequence may go on in the next piece."""
        text = self._rest + text
        self._rest = _unfinished(text)
        return to_plain(text[: len(text) - len(self._rest)])

    def flush(self) -> str:
        """Return the rest: the text is complete."""
        rest, self._rest = self._rest, ""
        return to_plain(rest)


def _unfinished(text: str) -> str:
    """Return the escape sequence at the end of `text` that more text could complete."""
    at = max(text.rfind(char) for char in "\x1b\x9b\x9d\x90\x98\x9e\x9f\r")
    if at < 0:
        return ""
    if at > 0 and text[at] == "\x1b":
        # The terminator of a string is an escape itself: the sequence began before it.
        start = max(text.rfind("\x1b", 0, at), *(text.rfind(char, 0, at) for char in "\x9d\x90\x98\x9e\x9f"))
        if start >= 0 and not _SEQUENCE.match(text, start) and _HALF.match(text, start):
            return text[start:]
    sequence = _SEQUENCE.match(text, at)
    if sequence or not _HALF.match(text, at):
        return ""
    return text[at:]
