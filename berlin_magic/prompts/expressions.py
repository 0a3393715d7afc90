r"""Expressions in a prompt: ``{{ expression | level }}``, found in the text of a cell.

Pure: nothing is evaluated here.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from berlin_magic.errors import PromptError, clean

__all__ = ["LEVELS", "Expression", "Level", "expressions_in", "file_in", "names_in", "open_expression", "written"]

Level = Literal["full", "sample", "schema", "repr", "json", "source"]
"""How much of a value goes into a prompt, or in which form."""

LEVELS: tuple[Level, ...] = get_args(Level)

_LEVEL = re.compile(rf"\|\s*({'|'.join(LEVELS)})\s*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MARK = re.compile(r"\\?\{\{")
_MOST_ENDS = 100  # `}}` that are tried for one expression: a text of braces has to stay cheap
_AS_IT_IS = "To send it as it is, put a backslash before it (\\{{) or the text into a ``` fence, or use --no-expand."


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a prompt.

    Attributes
    ----------
    code : str
        Python, without the level.
    level : Level or None
        The level that the user has named.
    line : int
        The line of the prompt that it begins in, from 1.
    """

    code: str
    level: Level | None
    line: int


def expressions_in(prompt: str) -> list[str | Expression]:
    r"""Divide a prompt into its text and its expressions, in order.

    An expression ends at the first ``}}`` that leaves valid Python. In code fences there are none. ``\{{`` is two
    braces.

    Parameters
    ----------
    prompt : str
        The body of a cell.

    Returns
    -------
    list of str or Expression
        No empty text, and no two texts in a row.

    Raises
    ------
    PromptError
        For double braces that hold no expression; the message names the line.
    """
    parts: list[str | Expression] = []
    text, position = "", 0
    for mark in _marks(prompt):
        if mark.start() < position:  # inside of the expression before
            continue
        text += prompt[position : mark.start()]
        if mark[0].startswith("\\"):
            text, position = text + "{{", mark.end()
            continue
        expression, position = _expression(prompt, mark.end())
        if text:
            parts.append(text)
            text = ""
        parts.append(expression)
    text += prompt[position:]
    return [*parts, text] if text else parts


def written(pieces: Iterable[str | Expression]) -> str:
    """Return the prompt that `expressions_in` would divide into `pieces`, for whoever reads it."""
    return "".join(
        piece if isinstance(piece, str) else f"{{{{ {piece.code}{f' | {piece.level}' if piece.level else ''} }}}}"
        for piece in pieces
    )


def names_in(code: str) -> list[str]:
    """Return the names that an expression looks up outside of itself, in the order of the alphabet; no built-in ones.

    Parameters
    ----------
    code : str
        Python, as `expressions_in` has found it.
    """
    try:
        table = symtable.symtable(f"async def expression():\n return (\n{code}\n)", "<prompt>", "exec")
    except SyntaxError:  # of what can't be evaluated, such as `yield`
        return []
    found: set[str] = set()
    inner = [*table.get_children()]
    while inner:
        one = inner.pop()
        inner += one.get_children()
        found.update(symbol.get_name() for symbol in one.get_symbols() if symbol.is_global())
    return sorted(found - vars(builtins).keys())


def open_expression(text: str) -> str | None:
    """Return the text of an open expression at the end of `text`; None if there is none."""
    *_, last = [None, *_marks(text)]
    if last is None or last[0].startswith("\\") or "}}" in text[last.end() :]:
        return None
    return text[last.end() :]


def file_in(code: str) -> str:
    """Return the path in ``file('…')``, if the expression is nothing but that; else an empty string."""
    try:
        call = ast.parse(code, mode="eval").body
    except SyntaxError:
        return ""
    match call:
        case ast.Call(ast.Name("file"), [ast.Constant(str(path))], []):
            return path
    return ""


def _marks(prompt: str) -> Iterator[re.Match[str]]:
    """Yield where expressions may begin: every ``{{`` outside of fences."""
    fence, start = "", 0
    for line in prompt.splitlines(keepends=True):
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not opening[2].strip():
                fence = ""
        elif opening and not (opening[1].startswith("`") and "`" in opening[2]):
            fence = opening[1]
        else:
            yield from _MARK.finditer(prompt, start, start + len(line))
        start += len(line)


def _expression(prompt: str, start: int) -> tuple[Expression, int]:
    """Return the expression that begins at `start`, behind its braces, and where the text goes on."""
    line = prompt.count("\n", 0, start) + 1
    end = start
    for _ in range(_MOST_ENDS):
        end = prompt.find("}}", end)
        if end < 0:
            break
        inside = prompt[start:end].strip()
        level = _LEVEL.search(inside)
        code = inside[: level.start()].strip() if level else inside
        if _is_expression(code):
            chosen = next((name for name in LEVELS if level and name == level[1]), None)
            return Expression(code, chosen, line), end + 2
        end += 1
    shown = clean(prompt[start - 2 :].partition("\n")[0], 60)
    raise PromptError(f"Line {line} has no expression in its double braces: {shown}\n{_AS_IT_IS}")


def _is_expression(code: str) -> bool:
    try:
        ast.parse(f"({code}\n)" if "\n" in code else code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(code)
