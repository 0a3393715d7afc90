"""The blocks of a text, as the parser passes them to a sink."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from berlin_magic.display.markdown.inline import References

__all__ = ["CLOSING", "CONTAINERS", "OPENED", "Block", "Kind", "Lines", "Sink"]

Kind = Literal[
    "root", "quote", "list", "item", "paragraph", "heading", "rule", "code", "table", "math", "details", "summary"
]

CONTAINERS = frozenset({"quote", "list", "item", "details"})
"""The kinds of blocks that hold other blocks."""

OPENED = CONTAINERS | {"code", "table"}
"""The kinds that are opened before their content is known, and closed after it."""

CLOSING = {"$$": "$$", "\\[": "\\]"}
"""How a display formula that began so ends; an environment ends with its own name."""

Lines = tuple[Any, str] | None
"""Lines as a linked list, the last one first: a copy costs nothing."""


@dataclass(slots=True)
class Block:
    """One block; which attributes mean something depends on its `kind`.

    Attributes
    ----------
    id, parent : int
        The block's number, and the number of its container; the root is 0.
    level : int
        Of a heading, 1 to 6.
    ordered, start, marker : bool, int, str
        Of a list: numbered or not, its first number, the bullet or the number's delimiter.
    tight : bool
        Of a list: no blank line between its items so far.
    inner : bool
        It is in a list or a quote, which has one direction of writing for all its content.
    first : bool
        Of a paragraph: it is the first child of an item, where ``[ ]`` is a task's box.
    filled : bool
        Of an item: it has had a child. Of details: they have had a child, maybe a summary. Of a paragraph: it has been
        opened, its first segment was given to the sink.
    offset : int
        Of an item: columns from its container's edge to its own content. Of a fence: the columns it is indented.
    fence, info : str
        Of a code block: the fence that opened it (empty if it is indented code), and the text after it. Of a formula:
        what opened it.
    columns : list of str
        Of a table: the alignment of each column, ``""``, ``"left"``, ``"center"`` or ``"right"``.
    head : list of str
        Of a table: the cells of the header row.
    text : str
        Of a leaf: its content so far, as far as it was not yet given to the sink.
    marks : int
        Of a paragraph: the most marks that its text can have, those of emphasis and the like.
    lines : tuple
        Of an open formula: its lines after the first, as they came, each with the one before: ``(lines, line)``.
    before : Block, optional
        Of an open formula: the paragraph that it interrupts, if it ever ends.
    """

    kind: Kind
    id: int = 0
    parent: int = 0
    level: int = 0
    ordered: bool = False
    start: int = 1
    marker: str = ""
    tight: bool = True
    inner: bool = False
    first: bool = False
    filled: bool = False
    offset: int = 0
    fence: str = ""
    info: str = ""
    columns: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    text: str = ""
    marks: int = 0
    lines: Lines = None
    before: Block | None = None

    def source(self) -> str:
        """Return a formula as it was written."""
        return f"{self.fence}{self.text}{CLOSING.get(self.fence) or self.fence.replace('begin', 'end')}"

    def tex(self) -> str:
        """Return a formula without its delimiters; those of an environment belong to it."""
        return self.text if self.fence in CLOSING else self.source()


class Sink(Protocol):
    """Receives blocks as they are found, in the order of the text.

    Attributes
    ----------
    references : mapping
        The link reference definitions so far; the parser adds those that it finds.
    """

    references: References

    def open(self, block: Block) -> None:
        """Begin a container, a code block, a table or a paragraph that comes in segments."""

    def text(self, block: Block, text: str) -> None:
        """Take the next piece of an open code block or the next segment of an open paragraph."""

    def row(self, block: Block, row: list[str]) -> None:
        """Take the next row of an open table: exactly one text for each of its columns."""

    def leaf(self, block: Block) -> None:
        """Take a whole paragraph, heading, rule or formula."""

    def loose(self, block: Block) -> None:
        """Note that an open list, tight so far, has a blank line between its items or their children."""

    def close(self, block: Block) -> None:
        """End what was opened last."""
