"""Colours for code: the pieces of a grammar as few short spans.

The code is untrusted, and the kernel's loop waits for it. So the work is bounded by how much code there is, and by
nothing else: a grammar is linear whatever the code (see `berlin_magic.display.markdown.grammar`), and a fence, and a
reply, get colours up to a number of characters. No clock decides: the same reply has the same colours, live and saved,
however it arrives and however busy the machine is.

Pygments in the kernel can't do that. Its regular expressions can need minutes for 20,000 characters, a thread does not
help as one expression holds the whole interpreter, and importing the lexer for a single line of Julia already holds it
for 0.1 s. In a process of its own it would need one more Python for each kernel, and the clock would decide.
"""

from __future__ import annotations

from html import escape
from itertools import islice

from berlin_magic.display.markdown.languages import GRAMMARS

__all__ = ["LIMIT", "Highlighter", "language"]

LIMIT = 20_000
"""Characters of one code block that get colours; a longer one is plain."""

_CHARACTERS = 100_000  # of all the code in a reply
_PIECES = 10_000  # of all the code in a reply; in what people write, a piece has 5 to 10 characters
_PIECES_OF_A_BLOCK = 5_000
_LANGUAGES = 20  # in a reply: a grammar takes a millisecond when it is first used


def language(info: str) -> str:
    """Return the language that a fence's info string names, empty if it is not one that is known here."""
    word = info.split(maxsplit=1)[0].lower().strip("{}.") if info.strip() else ""
    return word if word in GRAMMARS else ""


class Highlighter:
    """Colours the code blocks of one reply, in their order, until a bounded amount of work is done.

    Parameters
    ----------
    characters, pieces, languages : int
        How much code gets colours. A block for which it is not enough is plain.
    """

    def __init__(self, *, characters: int = _CHARACTERS, pieces: int = _PIECES, languages: int = _LANGUAGES) -> None:
        self._characters = characters
        self._pieces = pieces
        self._languages = languages
        self._used: set[str] = set()

    def html(self, code: str, info: str) -> str:
        """Return `code` as HTML: its exact text, with spans of the classes that the style sheet knows.

        Parameters
        ----------
        code : str
            The content of a code block.
        info : str
            The info string of its fence, whose first word may name a language.
        """
        name = language(info)
        if not name or not self._admits(name, len(code)):
            return escape(code, quote=False)
        self._used.add(name)
        most = min(_PIECES_OF_A_BLOCK, self._pieces)
        pieces = list(islice(GRAMMARS[name].pieces(code), most + 1))
        self._characters -= len(code)
        self._pieces -= min(len(pieces), most)
        if len(pieces) > most:
            return escape(code, quote=False)
        runs: list[tuple[str, list[str]]] = []
        for mark, text in pieces:
            if runs and (runs[-1][0] == mark or text.isspace()):
                runs[-1][1].append(text)
            else:
                runs.append((mark, [text]))
        return "".join(_span(mark, "".join(texts)) for mark, texts in runs)

    def _admits(self, name: str, length: int) -> bool:
        is_new = name not in self._used
        return length <= min(LIMIT, self._characters) and not (is_new and len(self._used) >= self._languages)


def _span(mark: str, text: str) -> str:
    shown = escape(text, quote=False)
    return f'<span class="{mark}">{shown}</span>' if mark else shown
