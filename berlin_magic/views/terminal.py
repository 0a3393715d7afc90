"""The view in a terminal: the reply is written as it arrives, lightly styled."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from berlin_magic.view import Status, View
from berlin_magic.views import status_line
from berlin_magic.views.terminal_style import TerminalStyle

__all__ = ["TerminalView"]

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_ERASE_LINE = "\r\x1b[2K"


class TerminalView(View):
    """Writes a reply to the terminal; where the output is a file or a pipe, as plain text without a status line.

    Parameters
    ----------
    out : TextIO, optional
        Where to write; the current `sys.stdout` where absent.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._is_terminal = self._out.isatty()
        self._style = TerminalStyle(colour=self._is_terminal)
        self._pending: list[str] = []
        self._waiting_line = ""
        self._written = False

    def begin(self, status: Status) -> None:
        """Say that the question is on its way."""
        self._show_waiting(status)

    def feed(self, piece: str) -> None:
        """Take the next piece of the reply."""
        self._pending.append(piece)

    def draw(self, status: Status) -> None:
        """Write what has arrived; until then, keep the waiting line up to date."""
        if self._pending:
            self._hide_waiting()
            self._write(self._style.feed("".join(self._pending)))
            self._pending.clear()
        elif not self._written:
            self._show_waiting(status)

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:  # noqa: ARG002  # a terminal keeps no metadata
        """Write the rest, and one quiet line on how it ended."""
        self.draw(status)
        self._hide_waiting()
        self._write(self._style.flush())
        if self._written:
            self._out.write("\n")
        if self._is_terminal:
            self._out.write(f"{_DIM}{status_line.sentence(status)}{_PLAIN}\n")
        elif remark := status_line.as_markdown(status):
            self._out.write(f"{remark.strip('*')}\n")
        self._out.flush()

    def _write(self, text: str) -> None:
        if text:
            self._written = True
            self._out.write(text)
            self._out.flush()

    def _show_waiting(self, status: Status) -> None:
        # A line that wraps could not be erased again.
        line = status_line.sentence(status)[: shutil.get_terminal_size().columns - 1]
        if self._is_terminal and line != self._waiting_line:
            self._out.write(f"{_ERASE_LINE}{_DIM}{line}{_PLAIN}")
            self._out.flush()
            self._waiting_line = line

    def _hide_waiting(self) -> None:
        if self._waiting_line:
            self._out.write(_ERASE_LINE)
            self._waiting_line = ""
