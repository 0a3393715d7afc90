"""Parser of reasoning that a server sends inside the text, between ``<think>`` tags.

Servers without such a parser send the text of a reasoning model unchanged: ``<think>…</think>`` at the beginning, or
the closing tag alone, if the opening one is part of their template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from berlin_magic.messages import Event, Reasoning, Text, TextWasReasoning

__all__ = ["ThinkingParser"]

_OPENING = ("<think>", "<thinking>")
_CLOSING = ("</think>", "</thinking>")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class ThinkingParser:
    """Divide the text of one reply into text and reasoning; `feed` what arrives, then `flush` once at the end.

    A block at the very beginning is reasoning. A closing tag alone on its line, outside of code and with no opening tag
    before it, makes everything before it reasoning, although it may have been shown: `TextWasReasoning` says so. Any
    other tag is text. Where the text is cut into pieces changes only where the events are cut.
    """

    def __init__(self) -> None:
        self._held = ""  # text that may be the beginning of a tag
        self._state = self._begin
        self._closing = ""
        self._line = ""  # the part of the current line that was yielded
        self._fence = ""  # the fence of the code that is open
        self._whole = True  # whether a closing tag may still come: no opening one was seen

    def feed(self, text: str) -> Iterator[Event]:
        """Yield the events of `text`."""
        self._held += text
        while self._held:
            before, state = self._held, self._state
            yield from state()
            if self._held == before and self._state == state:
                return

    def flush(self) -> Iterator[Event]:
        """Yield the events of the text that was held back, at the end of the reply."""
        if self._state == self._text and self._is_closing_line(self._held):
            yield TextWasReasoning()
        elif self._held:
            yield Reasoning(self._held) if self._state == self._reasoning else Text(self._held)
        self._held = ""

    def _begin(self) -> Iterator[Event]:
        """Look for an opening tag at the beginning."""
        start = self._held.lstrip()
        for tag, closing in zip(_OPENING, _CLOSING, strict=True):
            if start.lower().startswith(tag):
                self._held, self._closing, self._state = start[len(tag) :], closing, self._reasoning
                return
        if not any(tag.startswith(start.lower()) for tag in _OPENING):
            self._state = self._text
        yield from ()

    def _reasoning(self) -> Iterator[Event]:
        """Yield reasoning up to the closing tag."""
        end = self._held.lower().find(self._closing)
        if end >= 0:
            thought, self._held = self._held[:end], self._held[end + len(self._closing) :]
            self._state, self._whole = self._after, False
        else:
            keep = _overlap(self._held.lower(), self._closing)
            thought, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        if thought:
            yield Reasoning(thought)

    def _after(self) -> Iterator[Event]:
        """Leave out the blank lines between the reasoning and the reply."""
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._text
        yield from ()

    def _text(self) -> Iterator[Event]:
        """Yield text; a line that may be a closing tag is held back until it is known."""
        while self._held:
            line, newline, rest = self._held.partition("\n")
            if not self._line and self._whole and not self._fence and _may_close(line):
                if not newline:
                    return
                if self._is_closing_line(line):
                    self._held, self._state, self._whole = rest, self._after, False
                    yield TextWasReasoning()
                    return
            self._held = rest
            self._line += line
            yield Text(line + newline)
            if newline:
                self._end_line()

    def _end_line(self) -> None:
        line, self._line = self._line, ""
        if any(tag in line.lower() for tag in _OPENING):
            self._whole = False
        if fence := _FENCE.match(line):
            if not self._fence:
                self._fence = fence[1]
            elif fence[1].startswith(self._fence) and not line.strip().strip(self._fence[0]):
                self._fence = ""

    def _is_closing_line(self, line: str) -> bool:
        return self._whole and not self._line and not self._fence and line.strip().lower() in _CLOSING


def _may_close(line: str) -> bool:
    """Say whether `line` may become a line that holds a closing tag alone."""
    text = line.strip().lower()
    return (line.lstrip() == line.strip() or text in _CLOSING) and any(tag.startswith(text) for tag in _CLOSING)


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-size:])), 0)
