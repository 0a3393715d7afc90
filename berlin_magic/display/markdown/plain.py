r"""Plain text that is safe in a terminal.

A terminal obeys escape sequences: they retitle the window, write to the clipboard, ask the terminal to type for the
user, or hide what was printed. The bidirectional controls show a text in another order than it has
(CVE-2021-42574); the tag characters of Unicode are not shown at all.
"""

from __future__ import annotations

import re

__all__ = ["to_plain"]

_SEQUENCE = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]                                   # CSI
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]) [^\x07\x1b\x9c\n]{0,4096} (?:\x07|\x1b\\|\x9c)  # OSC, DCS, SOS, PM, APC
    | \x1b [ -/]* [0-~]                                                     # the others
    """,
    re.VERBOSE,
)
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
