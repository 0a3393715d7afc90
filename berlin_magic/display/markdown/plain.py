r"""Plain text that is safe in a terminal.

A terminal obeys escape sequences: they retitle the window, write to the clipboard, ask the terminal to type for the
user, or hide what was printed. The tag characters of Unicode are not shown at all.
"""

from __future__ import annotations

import re

from berlin_magic.display.markdown.controls import show_controls

__all__ = ["to_plain"]

# First CSI, then OSC, DCS, SOS, PM and APC, then all others. No sequence goes on over the beginning of another: each
# character is looked at a few times only.
_SEQUENCE = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]) [^\x07\x1b\x80-\x9f\n]{0,4096} (?:\x07|\x1b\\|\x9c)
    | \x1b [ -/]* [0-~]
    """,
    re.VERBOSE,
)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029]")


def to_plain(text: str) -> str:
    r"""Return `text` without terminal escape sequences and control characters, with bidirectional controls shown.

    Parameters
    ----------
    text : str
        Anything a model or a server said.

    Returns
    -------
    str
        The text; of the control characters only tabs and line ends are left, and every line ends in ``\n``.
    """
    return _CONTROL.sub("", show_controls(_SEQUENCE.sub("", _LINE_END.sub("\n", text))))
