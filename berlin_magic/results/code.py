"""The code blocks of a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from berlin_magic.results.blocks import block_tokens

__all__ = ["CodeBlock", "code_blocks", "python_code"]

_PYTHON = {"python", "python3", "py", "ipython", "ipython3"}


class CodeBlock(NamedTuple):
    """One code block.

    Attributes
    ----------
    language : str
        The word after the opening fence, in lower case; empty without one, and for indented code.
    text : str
        The code, without the line break at its end.
    """

    language: str
    text: str


def code_blocks(text: str) -> list[CodeBlock]:
    """Return the code blocks of a Markdown text, in order, also those in lists and quotes.

    Parameters
    ----------
    text : str
        A reply. A fence that is still open at its end counts: a reply may have been stopped there.

    Returns
    -------
    list of CodeBlock
        Each is a pair of language and text.
    """
    tokens = block_tokens(text)
    return [
        CodeBlock(_language(token.info), token.content.removesuffix("\n"))
        for token in tokens
        if token.type in {"fence", "code_block"}
    ]


def python_code(blocks: Iterable[CodeBlock]) -> str:
    """Return the Python code blocks as one text; if there is none, those without a language."""
    found = list(blocks)
    named = [block.text for block in found if block.language in _PYTHON]
    return "\n\n".join(named or [block.text for block in found if not block.language])


def _language(info: str) -> str:
    """Return the language of a fence: ``python`` also for ``python title="a.py"``, ``{python}`` and ``python:a.py``."""
    word = re.match(r"\{?\.?([\w+#-]*)", info.strip())
    return word[1].lower() if word else ""
