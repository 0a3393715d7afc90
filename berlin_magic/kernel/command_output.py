"""The output of a `%berlin` command, as text for a terminal or HTML for a notebook."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.display.markdown import text_to_html
from berlin_magic.errors import clean

__all__ = ["CommandOutput", "date_and_time", "inline_html", "paragraph", "quantity", "table"]

_WRAP = "white-space:pre-wrap;overflow-wrap:break-word;word-break:normal"
_CELL = "text-align:left;vertical-align:top"
_SHORT = 45  # characters of a cell that is not wrapped
_LINE = 100  # characters
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """The output of one run of a command.

    Attributes
    ----------
    text : str
        For a terminal, and for readers of the notebook that show no HTML. Empty if nothing is shown.
    html : str
        For a notebook; empty for `text` as it is, wrapped between words.
    record : Mapping, optional
        What the run has done to a conversation, for the output's metadata.
    more : Mapping
        Further forms by their mime types.
    others : sequence of Mapping
        Further outputs that follow it, such as images: each by its mime types, of which one is ``text/plain``.
    """

    text: str
    html: str = ""
    record: Mapping[str, Any] | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[Mapping[str, str]] = ()

    def show(self, shell: Any) -> None:
        """Show it in the output of the running cell, or in the terminal."""
        if not self.text:
            return
        if shell is None or getattr(shell, "kernel", None) is None:
            print("\n".join([self.text, *(one["text/plain"] for one in self.others)]))  # noqa: T201 - what a line magic is for
            return
        data = {**self.more, "text/html": self.html or paragraph(self.text), "text/plain": self.text}
        shell.display_pub.publish(data, {} if self.record is None else {"berlin": self.record})
        for other in self.others:
            shell.display_pub.publish(dict(other))


def table(rows: Iterable[Sequence[str]], *, header: Sequence[str] = (), after: str = "") -> CommandOutput:
    """Return rows of short texts as a table, with a line of text after it.

    `code` in backquotes is set as code in HTML. The texts may be a server's: none of them becomes markup.
    """
    rows = [[clean(cell, 400) for cell in row] for row in rows]
    lines = [list(header), *rows] if header else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    shown = [_text_row(line, widths) for line in lines]
    head = f"<thead><tr>{''.join(_cell(cell, 'th') for cell in header)}</tr></thead>" if header else ""
    body = "".join(f"<tr>{''.join(_cell(cell, 'td') for cell in row)}</tr>" for row in rows)
    parts = [f'<table class="berlin-command">{head}<tbody>{body}</tbody></table>', paragraph(after)]
    return CommandOutput("\n".join(filter(None, [*shown, after])), "\n".join(filter(None, parts)))


def paragraph(text: str) -> str:
    """Return lines of text as HTML that is wrapped between words; empty if there is no text."""
    return f'<div class="berlin-command" style="{_WRAP}">{inline_html(text)}</div>' if text else ""


def inline_html(text: str) -> str:
    """Return text as HTML: nothing in it is markup, except that `code` in backquotes is set as code."""
    return _CODE.sub(r"<code>\2</code>", text_to_html(text))


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``2 replies``."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def date_and_time(seconds: float) -> str:
    """Return a time since the epoch as local date and time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return the cells of a row in columns; the last one is wrapped between words."""
    gaps = [" " if width == 1 else "  " for width in widths]  # one space after a mark such as `*`
    first = "".join(f"{cell:<{width}}{gap}" for cell, width, gap in zip(cells[:-1], widths, gaps, strict=True))
    room = max(_LINE - len(first), _LINE // 2)
    wrapped = textwrap.wrap(cells[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([f"{first}{wrapped[0]}".rstrip(), *(" " * len(first) + line for line in wrapped[1:])])


def _cell(text: str, tag: str) -> str:
    wrapped = "white-space:nowrap" if len(text) <= _SHORT else _WRAP
    return f'<{tag} style="{_CELL};{wrapped}">{inline_html(text)}</{tag}>'
