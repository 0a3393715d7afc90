"""A cursor over one line of Markdown, which counts columns as CommonMark does: a tab stop every four."""

from __future__ import annotations

__all__ = ["CODE_INDENT", "Cursor"]

CODE_INDENT = 4  # columns from which on white space makes indented code; a mark is further left
_TAB = 4


class Cursor:
    """The rest of a line.

    Parameters
    ----------
    text : str
        The line, without its end.

    Attributes
    ----------
    rest : str
        What was not yet taken. What is left of a tab that was taken in part is spaces.
    content : str
        `rest` without the white space at its beginning.
    indent : int
        Columns of white space at the beginning of `rest`.
    blank : bool
        Whether there is nothing else in it.
    """

    __slots__ = ("blank", "column", "content", "indent", "rest")

    def __init__(self, text: str) -> None:
        self.rest = text
        self.column = 0
        self._measure()

    def _measure(self) -> None:
        self.content = self.rest.lstrip(" \t")
        self.blank = not self.content
        column = self.column
        for char in self.rest[: len(self.rest) - len(self.content)]:
            column += _TAB - column % _TAB if char == "\t" else 1
        self.indent = column - self.column

    def skip(self, columns: int) -> None:
        """Take that many columns of white space, at most `indent`."""
        left = columns
        taken = 0
        while left > 0 and taken < len(self.rest):
            width = _TAB - self.column % _TAB if self.rest[taken] == "\t" else 1
            taken += 1
            self.column += min(width, left)
            if width > left:
                self.rest = " " * (width - left) + self.rest[taken:]
                taken = 0
            left -= width
        self.rest = self.rest[taken:]
        self._measure()

    def cut(self, characters: int) -> None:
        """Keep only that many characters."""
        self.rest = self.rest[:characters]
        self._measure()

    def drop(self, characters: int) -> None:
        """Take that many characters, none of them a tab."""
        self.rest = self.rest[characters:]
        self.column += characters
        self._measure()
