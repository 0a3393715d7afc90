"""The blocks of a reply's Markdown, read by markdown-it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["block_tokens"]


def block_tokens(text: str) -> list[Token]:
    """Return the tokens of the blocks of a text. To save time, the text in paragraphs and cells is not parsed."""
    return _parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - a slow import

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.disable(["reference", "html_block"])
