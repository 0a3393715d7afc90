"""Colours for code: Pygments' tokens as few short spans.

Only common languages are known, and only code of up to `LIMIT` characters is coloured: both because what is lexed
is a stranger's text, and a lexer's regular expressions can be made to run for ever.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer

__all__ = ["CLASSES", "LIMIT", "highlight", "language"]

LIMIT = 20_000  # characters

CLASSES = {
    "Comment": "c",
    "Comment.Preproc": "cp",
    "Keyword": "k",
    "Operator.Word": "k",
    "Literal.String": "s",
    "Literal.Number": "m",
    "Name.Builtin": "nb",
    "Name.Class": "nc",
    "Name.Decorator": "nd",
    "Name.Function": "nf",
    "Name.Tag": "nt",
    "Name.Attribute": "na",
    "Generic.Deleted": "gd",
    "Generic.Inserted": "gi",
    "Generic.Heading": "gh",
    "Generic.Subheading": "gh",
    "Generic.Prompt": "gp",
}
"""The token types that get a colour, and the class of each, as Pygments' own style sheets name it."""

_LANGUAGES = """
    awk bash bat batch c c# c++ cfg clj clojure cmake cmd console cpp cs csharp css cuda cython d dart diff docker
    dockerfile elixir elm erlang ex f# fish fortran fs fsharp gherkin glsl go golang graphql groovy haskell hcl hs
    html http ini ipython java javascript jinja jinja2 jl js json jsonc json5 jsx julia kotlin kt latex lisp lua make
    makefile matlab md markdown mysql nginx nim nix objc objective-c ocaml octave pascal perl php pl plpgsql
    postgresql powershell prolog proto protobuf ps1 py py3 pycon pytb python python3 pyx r racket rb rs rst ruby rust
    sass scala scheme scss sh shell solidity sql sqlite3 svelte svg swift systemverilog tcl terraform tex toml ts
    tsx typescript vb vbnet verilog vhdl vim vue wast xml yaml yml zig zsh
"""
_KNOWN = frozenset(_LANGUAGES.split())


def language(info: str) -> str:
    """Return the language that a fence's info string names, empty if it is none that is known here."""
    word = info.split(maxsplit=1)[0].lower().strip("{}.") if info.strip() else ""
    return word if word in _KNOWN else ""


def highlight(code: str, info: str) -> str:
    """Return `code` as HTML: its exact text, with spans of the classes in `CLASSES`.

    Parameters
    ----------
    code : str
        The content of a code block.
    info : str
        The info string of its fence, whose first word may name a language.
    """
    name = language(info)
    lexer = _lexer(name) if name and len(code) <= LIMIT else None
    if lexer is None:
        return escape(code, quote=False)
    runs: list[tuple[str, list[str]]] = []
    for _, token, text in lexer.get_tokens_unprocessed(code):
        mark = _mark(token)
        if runs and (not text.strip() or runs[-1][0] == mark):
            runs[-1][1].append(text)
        else:
            runs.append((mark, [text]))
    if "".join("".join(texts) for _, texts in runs) != code:
        return escape(code, quote=False)  # a lexer that loses text may not decide what is copied
    return "".join(_span(mark, "".join(texts)) for mark, texts in runs)


def _span(mark: str, text: str) -> str:
    shown = escape(text, quote=False)
    return f'<span class="{mark}">{shown}</span>' if mark else shown


@lru_cache(maxsize=256)
def _mark(token: object) -> str:
    name = str(token).removeprefix("Token.").removeprefix("Token")
    while name:
        if name in CLASSES:
            return CLASSES[name]
        name = name.rpartition(".")[0]
    return ""


@lru_cache(maxsize=64)
def _lexer(name: str) -> Lexer | None:
    # Imported at first use: loading the extension must cost nothing that a user notices.
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None  # an older Pygments
