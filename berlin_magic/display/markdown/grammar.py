r"""Split the code of one language into coloured pieces, in linear time.

Not a parser: it knows what the comments, strings, numbers and words of a language look like. All of them are one
regular expression, and each of its alternatives keeps one rule, which `tests/display/markdown/test_grammar.py` checks
in the compiled form: **what comes after a repetition without an upper bound cannot fail**. A string that is never
closed ends with the code (or the line); it is not read, given up and read again. So no code, however odd, takes more
than a fixed time for each of its characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

__all__ = ["NAME", "Grammar", "Piece", "Rule", "until"]

Piece = tuple[str, str]
"""A class of `berlin_magic.display.markdown.stylesheet`, or an empty string, and the text that has it."""

Rule = tuple["str | Grammar", str]
"""A class, or the grammar that splits the text again, and a regular expression of the text."""

NAME = r"[^\W\d]\w*"
_NUMBER = r"[0-9]\w*(?:\.[0-9]\w*)?(?:(?<=[eE])[-+][0-9]+)?"
_NEAR = 8  # characters after a name in which a colon makes it a key


def until(end: str, *, escape: bool = False, lines: bool = False) -> str:
    r"""Return a regular expression for everything up to and with `end`, or to where the code ends.

    Parameters
    ----------
    end : str
        The text, not a regular expression, that ends it.
    escape : bool
        Whether the character after a backslash is never a part of `end`.
    lines : bool
        Whether it may go on over several lines; if not, it also ends before the end of its line.
    """
    first, rest = re.escape(end[0]), re.escape(end[1:])
    special = first + (r"\\" if escape else "") + ("" if lines else r"\n")
    choices = [f"[^{special}]+"]
    if escape:
        choices.append(r"\\[\s\S]")
    if rest:
        choices.append(f"{first}(?!{rest})")
    return f"(?:{'|'.join(choices)})*(?:{first}{rest})?"


class Grammar:
    r"""Tokens of one language; lists are words with blanks between them.

    Parameters
    ----------
    *rules : tuple
        What is looked for before all others.
    comments : str
        What begins a comment that ends with its line.
    blocks : str
        What begins and what ends a comment, in turn.
    strings : str
        The quotes of strings that end in their line, and in which a backslash escapes.
    texts : str
        The quotes of strings that may have several lines, and in which a backslash escapes.
    raw : str
        The quotes of strings that may have several lines, and in which a backslash is nothing special.
    keywords, builtins : str
        Words that get a colour.
    functions, classes : str
        Keywords that are followed by the name of what is defined.
    keys : str
        The characters that make the name or string before them a key.
    prefix : str
        A regular expression of what may be before a quote as part of the string.
    names : str
        A regular expression of a word.
    fold : bool
        Whether capital letters mean the same as small ones.
    """

    def __init__(
        self,
        *rules: Rule,
        comments: str = "",
        blocks: str = "",
        strings: str = "",
        texts: str = "",
        raw: str = "",
        keywords: str = "",
        builtins: str = "",
        functions: str = "",
        classes: str = "",
        keys: str = "",
        prefix: str = "",
        names: str = NAME,
        fold: bool = False,
    ) -> None:
        begins, ends = blocks.split()[::2], blocks.split()[1::2]
        self.rules: list[Rule] = [
            *rules,
            *(("c", re.escape(begin) + until(end, lines=True)) for begin, end in zip(begins, ends, strict=True)),
            *(("c", re.escape(begin) + r"[^\n]*") for begin in comments.split()),
            *(("s", prefix + re.escape(quote) + until(quote, escape=True, lines=True)) for quote in texts.split()),
            *(("s", prefix + re.escape(quote) + until(quote, lines=True)) for quote in raw.split()),
            *(("s", prefix + re.escape(quote) + until(quote, escape=True)) for quote in strings.split()),
            ("m", _NUMBER),
        ]
        self._keywords = f"{keywords} {functions} {classes}"
        self._builtins = builtins
        self._defined = dict.fromkeys(functions.split(), "nf") | dict.fromkeys(classes.split(), "nc")
        self._keys = keys
        self._names = names
        self._fold = fold

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The regular expression of everything that is looked for; a group for each rule, and one for words."""
        groups = [f"(?P<r{at}>{rule})" for at, (_, rule) in enumerate(self.rules)]
        flags = re.MULTILINE | (re.IGNORECASE if self._fold else 0)
        return re.compile("|".join([*groups, f"(?P<word>{self._names})"]), flags)

    @cached_property
    def _marks(self) -> dict[str | None, str | Grammar]:
        return {f"r{at}": mark for at, (mark, _) in enumerate(self.rules)}

    @cached_property
    def _words(self) -> dict[str, str]:
        return dict.fromkeys(self._builtins.split(), "nb") | dict.fromkeys(self._keywords.split(), "k")

    def pieces(self, code: str) -> Iterator[Piece]:
        """Split `code`; the texts of all pieces, one after the other, are `code`."""
        at = 0
        announced = ""  # the class of a name that comes next
        for match in self.pattern.finditer(code):
            start, end = match.span()
            if at < start:
                between = code[at:start]
                yield "", between
                if announced and not between.isspace():
                    announced = ""
            at = end
            text = match[0]
            mark: str | Grammar
            if match.lastgroup == "word":
                word = text.lower() if self._fold else text
                mark = announced or self._word(word, code, start)
                announced = self._defined.get(word, "") if mark == "k" else ""
            else:
                mark = self._marks[match.lastgroup]
                announced = "" if mark else announced
            if isinstance(mark, Grammar):
                yield from mark.pieces(text)
            else:
                yield "nt" if self._keys and mark in {"", "nb", "s"} and self._is_key(code, end) else mark, text
        if at < len(code):
            yield "", code[at:]

    def _is_key(self, code: str, end: int) -> bool:
        after = code[end : end + _NEAR].lstrip(" \t")
        return bool(after) and after[0] in self._keys

    def _word(self, word: str, code: str, start: int) -> str:
        mark = self._words.get(word, "")
        # An attribute may be called like a keyword; what follows two dots is not an attribute.
        return "" if mark and code[start - 1 : start] == "." and code[start - 2 : start] != ".." else mark
