"""The blocks of a reply's Markdown, read by markdown-it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["block_tokens"]


def block_tokens(text: str) -> list[Token]:
    """Return the tokens of the blocks of a text; what is in a paragraph or cell is not parsed, and costs nothing."""
    return _parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - loading the extension does not wait for it

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.disable(["reference", "html_block"])
