"""The tree of a whole text."""

from __future__ import annotations

from dataclasses import dataclass, field

from berlin_magic.display.markdown.block import Block
from berlin_magic.display.markdown.blocks import BlockParser
from berlin_magic.display.markdown.controls import tidy
from berlin_magic.display.markdown.inline import References

__all__ = ["Node", "parse"]


@dataclass(slots=True)
class Node:
    """A block with what is in it.

    Attributes
    ----------
    block : Block
        The block.
    children : list of Node
        Of a container.
    texts : list of str
        The pieces of a code block, the segments of a long paragraph.
    rows : list of list of str
        The rows of a table, without its head.
    """

    block: Block
    children: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


class _Builder:
    """Sink that keeps everything."""

    def __init__(self) -> None:
        self.root = Node(Block("root"))
        self.references: References = {}
        self._open = [self.root]

    def open(self, block: Block) -> None:
        node = Node(block)
        self._open[-1].children.append(node)
        self._open.append(node)

    def text(self, _block: Block, text: str) -> None:
        self._open[-1].texts.append(text)

    def row(self, _block: Block, row: list[str]) -> None:
        self._open[-1].rows.append(row)

    def leaf(self, block: Block) -> None:
        self._open[-1].children.append(Node(block))

    def loose(self, block: Block) -> None:
        """Nothing to do: the block itself says so."""

    def close(self, _block: Block) -> None:
        self._open.pop()


def parse(text: str) -> tuple[Node, References]:
    """Parse a whole text.

    Returns
    -------
    Node
        The root.
    mapping
        The link reference definitions, wherever they are in the text.
    """
    builder = _Builder()
    parser = BlockParser(builder)
    lines = tidy(text).split("\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        parser.line(line)
    parser.finish()
    return builder.root, builder.references
