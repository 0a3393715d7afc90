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
_HALF = re.compile(
    r"""
      (?: (?:\x1b\[|\x9b) [0-?]* [ -/]*
        | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]) [^\x07\x1b\x9c\n]{0,4096} \x1b?
        | \x1b [ -/]*
      ) \Z
    """,
    re.VERBOSE,
)
_START = re.compile("[\x1b\x9b\x9d\x90\x98\x9e\x9f]")
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
        end = "\r" if text.endswith("\r") else ""  # a line feed may follow
        text = _LINE_END.sub("\n", text[: len(text) - len(end)])
        done = _complete(text)
        self._rest = text[done:] + end
        return to_plain(text[:done])

    def flush(self) -> str:
        """Return the rest: the text is complete."""
        rest, self._rest = self._rest, ""
        return to_plain(rest)


def _complete(text: str) -> int:
    """Return how much of `text` no further text can change: it ends before an escape sequence that may go on."""
    at = 0
    while found := _START.search(text, at):
        at = found.start()
        if _HALF.match(text, at):
            return at
        sequence = _SEQUENCE.match(text, at)
        at = sequence.end() if sequence else at + 1
    return len(text)
