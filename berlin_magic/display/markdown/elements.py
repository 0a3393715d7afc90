"""The few HTML elements of a reply that are shown as elements.

They are harmless without attributes, and only without attributes are they read: ``<br>``, ``<sub>``, ``<sup>`` and
``<kbd>`` in a paragraph; ``<details>`` at the beginning of a line, with ``<summary>`` right after it. What is not
closed is closed at the end of its block; a closing tag without a beginning is text, as is all other HTML.
"""

from __future__ import annotations

import re

from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["DETAILS", "DETAILS_END", "HALF_TAG", "INLINE", "SUMMARY", "SUMMARY_END", "balance", "read"]

INLINE = frozenset({"sub", "sup", "kbd"})
DETAILS = re.compile(r"<details>[ \t]*(?=\Z|<summary>)", re.IGNORECASE | re.ASCII)
SUMMARY = re.compile(r"<summary>", re.IGNORECASE | re.ASCII)
SUMMARY_END = re.compile(r"</summary>", re.IGNORECASE | re.ASCII)
DETAILS_END = "</details>"
HALF_TAG = re.compile(
    r"</?(?:b|br|br ?/?|s|su|su[bp]|k|kb|kbd|(?:d|de|det|deta|detai|detail|details))?\Z", re.IGNORECASE | re.ASCII
)
"""The beginning of a tag at the end of a text that grows."""

_TAG = re.compile(r"<(?:br[ \t]?/?|/?(?:sub|sup|kbd))>", re.IGNORECASE | re.ASCII)
_DEEPEST = 8  # elements in each other


def read(state: StateInline, silent: bool) -> bool:
    """Read one tag: an inline rule of markdown-it."""
    found = _TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        name = found[0].strip("</> \t").lower()
        token = state.push("hardbreak" if name == "br" else "tag", name, 0)
        token.markup = found[0]
    state.pos = found.end()
    return True


def balance(state: StateInline) -> None:
    """Make elements of the tags: a rule of markdown-it that runs when emphasis has been found."""
    if any(token.type == "tag" for token in state.tokens):
        nest = _Nest()
        for token in state.tokens:
            nest.take(token)
        nest.end()
        state.tokens[:] = nest.tokens


class _Nest:
    """Tokens that are nested correctly: each element ends inside the one in which it began."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self._begun: list[Token] = []  # elements, emphasis and links that are open

    def take(self, token: Token) -> None:
        """Take the next token."""
        if token.type == "tag":
            self._tag(token)
            return
        if token.nesting < 0:
            self._end_elements(self._innermost())
            self._begun.pop()
        elif token.nesting > 0:
            self._begun.append(token)
        self.tokens.append(token)

    def end(self) -> None:
        """End what is still open."""
        self._end_elements(len(self._begun))

    def _tag(self, tag: Token) -> None:
        inner = self._innermost()
        if tag.markup[1] == "/":
            names = [token.tag for token in reversed(self._begun[len(self._begun) - inner :])]
            if tag.tag in names:
                self._end_elements(names.index(tag.tag) + 1)
                return
        elif sum(token.type == "element_open" for token in self._begun) < _DEEPEST:
            self._begun.append(Token("element_open", tag.tag, 1))
            self.tokens.append(self._begun[-1])
            return
        self.tokens.append(Token("text", "", 0, content=tag.markup))

    def _innermost(self) -> int:
        """Return the number of elements inside the innermost emphasis or link: those that a tag may end."""
        number = 0
        while number < len(self._begun) and self._begun[-1 - number].type == "element_open":
            number += 1
        return number

    def _end_elements(self, number: int) -> None:
        for _ in range(number):
            begun = self._begun.pop()
            while self.tokens[-1].type == "text" and not self.tokens[-1].content:
                self.tokens.pop()
            if self.tokens[-1] is begun:
                self.tokens.pop()  # as ``<sub />``, which is no HTML, it would reach nbconvert's headings
            else:
                self.tokens.append(Token("element_close", begun.tag, -1))
