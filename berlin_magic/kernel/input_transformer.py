"""Rewrite cells so that `%%berlin` is recognised as it is written, and awaited.

IPython has no magics that are awaited (its issues 11314 and 14157). But whether a cell is run by autoawait is decided
on its transformed text; so the last of the input transformers puts an ``await`` there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["AwaitMagics", "normalize_cell", "rewritten"]

_MAGIC = "berlin"
_TARGET = "get_ipython().magics_manager.registry['BerlinMagics']"
_REWRITTEN = {"run_cell_magic": "awaited_cell", "run_line_magic": "awaited_line"}
_CELL = re.compile(r"([ \t]*)%%berlin(?=\s|$)", re.IGNORECASE)
_QUESTION = re.compile(r"([ \t]*)%berlin[ \t]+(\S.*\?)\s*$", re.IGNORECASE)


def normalize_cell(lines: list[str]) -> list[str]:
    """Rewrite a cell so that IPython finds our magic in it; for `shell.input_transformers_cleanup`.

    - ``%%berlin`` may be below comments and empty lines, be indented, and be written ``%%Berlin``.
    - A line ``%berlin … ?`` is a call of the magic. IPython would take it for a request for help on its last word. Only
      the first and the last line of a cell are looked at: these are never inside of a string.
    """
    filled = [index for index, line in enumerate(lines) if line.strip()]
    code = [index for index in filled if not lines[index].lstrip().startswith("#")]
    if not code:
        return lines
    first = code[0]
    if match := _CELL.match(lines[first]):
        body = [line.removeprefix(match[1]) for line in lines[first:]]
        return [f"%%{_MAGIC}{body[0][len('%%berlin') :]}", *body[1:]]
    if lines[first].lstrip().startswith("%%"):  # another magic's cell
        return lines
    for index in {first, filled[-1]}:
        if match := _QUESTION.match(lines[index]):
            call = f"{match[1]}get_ipython().run_line_magic({_MAGIC!r}, {match[2]!r})\n"
            lines = [*lines[:index], call, *lines[index + 1 :]]
    return lines


class AwaitMagics:
    """An input transformer for `shell.input_transformers_post` that has the `berlin` magics awaited.

    If nothing can be awaited (with autoawait off or on another runner than asyncio, and in code that a running cell
    runs, as under ``%%time`` and ``%%capture``), the magic is called, and runs its coroutine itself.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the transformed cell, as lines."""
        if not any(_MAGIC in line.lower() for line in lines):
            return lines
        return rewritten("".join(lines), awaited=self._can_await()).splitlines(keepends=True)

    def _can_await(self) -> bool:
        from IPython.core.async_helpers import _asyncio_runner  # noqa: PLC0415 - the name that ipykernel uses

        return bool(self._shell.autoawait and self._shell.loop_runner is _asyncio_runner and not _in_running_cell())


def _in_running_cell() -> bool:
    """Return whether user code is on the stack: then a cell is transformed on behalf of a running one."""
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415 - only ever called by it

    running = InteractiveShell.run_code.__code__
    frame = sys._getframe()  # noqa: SLF001 - the documented access to the stack
    while frame is not None:
        if frame.f_code is running:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def rewritten(source: str, *, awaited: bool = True) -> str:
    """Return the code of a cell with the calls of `berlin` magics awaited, where an ``await`` is allowed.

    Parameters
    ----------
    source : str
        Python, as IPython's own transformers leave it: ``get_ipython().run_cell_magic('berlin', …)``.
    awaited : bool
        Whether the cell can be awaited; if not, the calls are only brought into a form that IPython accepts.

    Returns
    -------
    str
        The same code elsewhere. A magic in a function, a lambda or a class body stays as it is.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    encoded = source.encode()
    starts = [0]
    for line in encoded.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    calls = sorted(_calls(tree), key=lambda call: (call.lineno, call.col_offset), reverse=True)
    for call in calls:
        begin = starts[call.lineno - 1] + call.col_offset
        end = starts[call.end_lineno - 1] + call.end_col_offset  # type: ignore[operator]
        encoded = encoded[:begin] + _call(call, awaited=awaited).encode() + encoded[end:]
    return encoded.decode()


def _call(call: ast.Call, *, awaited: bool) -> str:
    method: str = call.func.attr  # type: ignore[attr-defined]
    arguments = [ast.unparse(argument) for argument in call.args[1:]]
    if awaited:
        return f"(await {_TARGET}.{_REWRITTEN[method]}({', '.join(arguments)}))"
    if method == "run_cell_magic" and arguments[1:] == ["''"]:
        arguments[1] = repr("\n")  # IPython refuses an empty cell; the question may be on the magic's line
    return f"get_ipython().{method}({', '.join([repr(_MAGIC), *arguments])})"


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    no_await = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, no_await):
            continue
        if isinstance(child, ast.Call) and _is_magic(child):
            yield child
        else:
            yield from _calls(child)


def _is_magic(call: ast.Call) -> bool:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=attr),
            args=[ast.Constant(value=str(name)), *_],
            keywords=[],
        ):
            return attr in _REWRITTEN and name.lower() == _MAGIC
    return False
