"""Write a reply to a terminal as it arrives."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, TextIO

from berlin_magic.display import status_line
from berlin_magic.display.view import Status, View

__all__ = ["TerminalStyle", "TerminalView"]

_RESET = "\x1b[0m"
_BOLD, _DIM, _CYAN = "\x1b[1m", "\x1b[2m", "\x1b[36m"
_MOST_INDENT = 3  # more spaces than this are indented code in CommonMark


class TerminalStyle:
    """Style the pieces of a reply for a terminal.

    The text is written as it is, with its Markdown marks; styling only adds to it. A control character of the
    reply (an escape sequence, a backspace, a bidirectional override) is shown as a visible symbol or left out, so that
    a reply can neither move the cursor nor set a window title.

    Parameters
    ----------
    colour : bool
        Whether to style at all; if not, the text only loses its control characters.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._held = ""  # the start of a line, or backquotes and asterisks, that may still continue
        self._at_line_start = True
        self._fence = ""
        self._line_style = ""
        self._code = False
        self._bold = False

    def feed(self, piece: str) -> str:
        """Return what to write now for `piece`; a mark that may continue is held back until the next."""
        if not self._colour:
            return _visible(piece)
        written: list[str] = []
        for char in _visible(piece):
            self._take(char, written)
        return "".join(written)

    def flush(self) -> str:
        """Return the text that was held back, and end all styling."""
        if not self._colour:
            return ""
        written: list[str] = []
        self._release(written)
        if self._line_style or self._bold or self._code or self._fence:
            written.append(_RESET)
        self._line_style, self._bold, self._code, self._fence = "", False, False, ""
        return "".join(written)

    def _take(self, char: str, written: list[str]) -> None:
        if char == "\n":
            self._release(written)
            if self._styled():
                written.append(_RESET)
            written.append("\n")
            self._line_style, self._code, self._bold = "", False, False
            self._at_line_start = True
        elif self._at_line_start:
            if self._may_open_a_line(self._held + char):
                self._held += char
            else:
                self._release(written, char)
                self._take(char, written)
        elif char in "`*" and not self._fence:
            if self._held and self._held[-1] != char:
                self._release(written, char)
            self._held += char
        else:
            self._release(written, char)
            written.append(char)

    def _styled(self) -> bool:
        return bool(self._line_style or self._code or self._bold or self._fence)

    @staticmethod
    def _may_open_a_line(start: str) -> bool:
        marks = start.lstrip(" ")
        if len(start) - len(marks) > _MOST_INDENT:
            return False
        return not marks or set(marks) in ({"#"}, {"`"}, {"~"})

    def _release(self, written: list[str], before: str = " ") -> None:
        """Write the mark that was held back, now that the next character is known."""
        held, self._held = self._held, ""
        if self._at_line_start:
            self._at_line_start = False
            self._open_line(held, written, before)
        elif held and set(held) == {"`"}:
            self._code = not self._code
            written.append(held + self._current_style() if not self._code else self._current_style() + held)
        elif held == "**" and not self._code and (self._bold or not before.isspace()):
            self._bold = not self._bold
            written.append(held + self._current_style() if not self._bold else self._current_style() + held)
        else:
            written.append(held)

    def _open_line(self, held: str, written: list[str], before: str) -> None:
        marks = held.strip(" ")
        if self._fence:
            closes = marks.startswith(self._fence)
            written.append(f"{_DIM if closes else _CYAN}{held}")
            if closes:
                self._fence, self._line_style = "", _DIM
        elif marks.startswith(("```", "~~~")):
            self._fence, self._line_style = marks, _DIM
            written.append(f"{_DIM}{held}")
        elif marks.startswith("#"):
            self._line_style = _BOLD
            written.append(f"{_BOLD}{held}")
        elif marks:
            # one or two backquotes: code that opens the line
            written.append(held[: len(held) - len(held.lstrip(" "))])
            self._held = marks
            self._release(written, before)
        else:
            written.append(held)

    def _current_style(self) -> str:
        """Return the escape sequence that sets the current style."""
        return _RESET + self._line_style + (_BOLD if self._bold else "") + (_CYAN if self._code else "")


def _visible(text: str) -> str:
    """Return `text` without characters that control the terminal; controls become symbols (␛)."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(char if char in "\n\t" else _picture(char) for char in text.replace("\r\n", "\n"))


def _picture(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cc":
        return chr(0x2400 + ord(char)) if ord(char) < 0x20 else "\N{SYMBOL FOR DELETE}"  # noqa: PLR2004  # C0 and the rest
    if category == "Cf" and char not in "\u200c\u200d":  # joiners only shape letters and emoji
        return ""
    return " " if category in {"Zl", "Zp"} else char


_ERASE_LINE = "\r\x1b[2K"


class TerminalView(View):
    """Write a reply to the terminal; if the output is a file or a pipe, as plain text without a status line.

    Parameters
    ----------
    out : TextIO, optional
        The stream to write to; `sys.stdout` if absent.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._is_terminal = self._out.isatty()
        self._style = TerminalStyle(colour=self._is_terminal)
        self._pending: list[str] = []
        self._waiting_line = ""
        self._written = False

    def begin(self, status: Status) -> None:
        """Show that the question has been sent."""
        self._show_waiting(status)

    def feed(self, piece: str) -> None:
        """Take the next piece of the reply."""
        self._pending.append(piece)

    def restart(self) -> None:
        """Say that what was written was reasoning; it can't be removed."""
        self._pending.clear()
        if self._written:
            self._write(self._style.flush())
            self._style = TerminalStyle(colour=self._is_terminal)
            self._write(f"\n{_DIM}(so far the model was thinking){_RESET}\n\n" if self._is_terminal else "\n")

    def draw(self, status: Status) -> None:
        """Write the text that has arrived; before the first, update the waiting line."""
        if self._pending:
            self._hide_waiting()
            self._write(self._style.feed("".join(self._pending)))
            self._pending.clear()
        elif not self._written:
            self._show_waiting(status)

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:  # noqa: ARG002  # a terminal keeps no metadata
        """Write the rest, and one line on how the reply ended."""
        self.draw(status)
        self._hide_waiting()
        self._write(self._style.flush())
        if self._written:
            self._out.write("\n")
        if self._is_terminal:
            self._out.write(f"{_DIM}{status_line.sentence(status)}{_RESET}\n")
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
            self._out.write(f"{_ERASE_LINE}{_DIM}{line}{_RESET}")
            self._out.flush()
            self._waiting_line = line

    def _hide_waiting(self) -> None:
        if self._waiting_line:
            self._out.write(_ERASE_LINE)
            self._waiting_line = ""
