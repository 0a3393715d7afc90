r"""The content of a paragraph: markdown-it's inline parser with math, a few elements, no other raw HTML.

The module `formula` finds the formulas.

A paragraph that is still being typed is read with `pending`: markup that is open is shown as if it were closed at
the end, and what may yet become markup is held back, so that nothing flickers when the rest of it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import RuleFuncInlineType
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

from berlin_magic.display.markdown import elements
from berlin_magic.display.markdown.flanking import State
from berlin_magic.display.markdown.formula import find

__all__ = ["References", "define", "image_of", "parse", "words_and_tokens", "words_of"]

References = MutableMapping[str, Any]

_HALF_LINK = re.compile(r"(?<!\w)!?\[([^\[\]\n]*)(?:\](?:\([^()\n]*)?)?\Z")
_HALF_AUTOLINK = re.compile(r"<(?=[A-Za-z][A-Za-z0-9+.-]*(?::[^\s<>]*)?\Z)")
_LONE = frozenset("]#%+-:=>@^{}")
_TAIL = 40  # characters in which half a mark is looked for
_HALF_MARKUP = re.compile(r"(?:[*_~`$\\!<&]|&#?\w{1,31})+\Z")


def _math(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    formula = find(state.src, state.pos, state.posMax)
    if formula is None:
        return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content = formula.tex
        token.markup = "$$" if formula.display else "$"
    state.pos = formula.end
    return True


def _lone(state: StateInline, silent: bool) -> bool:
    """Take a character at which markdown-it stops, but which begins nothing here, before all rules are tried on it."""
    char = state.src[state.pos]
    if char not in _LONE and not (char == "!" and not state.src.startswith("[", state.pos + 1)):
        return False
    if not silent:
        state.append_pending(char)
    state.pos += 1
    return True


def _open_code(state: StateInline, silent: bool) -> bool:
    """Read a code span that is still open, in the last line of a pending text, as one that ends with the text."""
    if not state.env.get("pending") or state.src[state.pos] != "`":
        return False
    content = state.src[state.pos :].lstrip("`")
    marks = state.src[state.pos : len(state.src) - len(content)]
    if not content or "\n" in content or re.search(rf"(?<!`){marks}(?!`)", content):
        return False
    if not silent:
        token = state.push("code_inline", "code", 0)
        token.content = content.rstrip("`").lstrip(" ")
    state.pos = state.posMax
    return True


def _close_delimiters(state: StateInline) -> None:
    """Give each emphasis that a pending text leaves open a closing mark at its end."""
    if not state.env.get("pending"):
        return
    last_line = max((at for at, token in enumerate(state.tokens) if token.type == "softbreak"), default=-1)
    delimiters = state.delimiters
    reach = -1  # how far the pairs that begin further left extend: a mark inside one cannot be closed outside it
    outside = []
    for number, delimiter in enumerate(delimiters):
        if delimiter.open and delimiter.end < 0 and number > reach and delimiter.token > last_line:
            outside.append(delimiter)
        reach = max(reach, delimiter.end)
    for delimiter in reversed(outside):
        state.tokens.append(Token("text", "", 0))
        delimiter.end = len(delimiters)
        delimiters.append(
            Delimiter(delimiter.marker, delimiter.length, len(state.tokens) - 1, -1, open=False, close=True)
        )


def _at_once(rule: RuleFuncInlineType, mark: str) -> RuleFuncInlineType:
    """Return markdown-it's rule for links or images, which fails at once if nothing closes what it looks for.

    Without this each bracket reads the rest of the paragraph (markdown-it-py 4.3).
    """

    def read(state: StateInline, silent: bool) -> bool:
        source, at, end = state.src, state.pos, state.posMax
        if not source.startswith(mark, at) or (closing := source.find("]", at, end)) < 0:
            return False
        if not state.env["references"] and source.find(")", closing, end) < 0:
            return False
        return rule(state, silent)

    return read


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    parser.inline.ruler.after("newline", "lone", _lone)
    parser.inline.ruler.before("escape", "math", _math)
    parser.inline.ruler.before("backticks", "open_code", _open_code)
    parser.inline.ruler.at("link", _at_once(link, "["))
    parser.inline.ruler.at("image", _at_once(image, "!["))
    parser.inline.ruler.before("autolink", "element", elements.read)
    parser.inline.ruler2.after("balance_pairs", "close_delimiters", _close_delimiters)
    parser.inline.ruler2.before("fragments_join", "elements", elements.balance)
    return parser


_PARSER = _parser()
_DEFINITIONS = MarkdownIt("zero").enable(["reference", "paragraph"])


def parse(text: str, references: References, *, pending: bool = False) -> list[Token]:
    """Return the inline tokens of a paragraph's content.

    Parameters
    ----------
    text : str
        The content, without white space at either end.
    references : mapping
        The link reference definitions known so far, as markdown-it keeps them.
    pending : bool
        Whether more of this paragraph is to come.
    """
    if pending:
        text = elements.HALF_TAG.sub("", text)
        text = _HALF_LINK.sub(r"\1", text)
        text = _HALF_AUTOLINK.sub("", text)
        text = (text[:-_TAIL] + _HALF_MARKUP.sub("", text[-_TAIL:])).rstrip(" \t\n")
    if not text:
        return []
    state = State(text, _PARSER, {"references": references, "pending": pending}, [])
    _PARSER.inline.tokenize(state)
    for rule in _PARSER.inline.ruler2.getRules(""):
        rule(state)
    return state.tokens


def words_and_tokens(tokens: Iterable[Token]) -> Iterator[str | Token]:
    """Yield the texts among `tokens`, those that follow each other as one, and all other tokens as they are."""
    for is_text, group in groupby(tokens, key=lambda token: token.type in {"text", "text_special"}):
        if is_text:
            yield "".join(token.content for token in group)
        else:
            yield from group


def words_of(tokens: Iterable[Token]) -> str:
    """Return the plain text of `tokens`, such as those of an image's description."""
    return "".join(
        words_of(token.children) if token.children else "\n" if token.type == "softbreak" else token.content
        for token in tokens
    )


def image_of(token: Token) -> tuple[str, str]:
    """Return the address of an image, and what is shown in its place: its description, with the address."""
    address, words = str(token.attrs.get("src", "")), words_of(token.children or [])
    return address, f"{words} ({address})" if words.strip() else address


def define(text: str, references: References) -> str:
    """Take the link reference definitions off the beginning of a paragraph into `references`.

    Returns
    -------
    str
        What is left of the paragraph.
    """
    if not text.lstrip().startswith("["):
        return text
    lines = "\n".join(line.strip(" \t") for line in text.strip("\n").split("\n"))
    tokens = _DEFINITIONS.parse(lines, {"references": references})
    first = next((token.map[0] for token in tokens if token.map is not None), None)
    return "" if first is None else "\n".join(text.strip("\n").split("\n")[first:])
