"""Awaiting a magic: the rewriting of a cell by which `%%berlin` runs on the notebook's own loop.

IPython has no magics that are awaited (its issues 11314 and 14157). But whether a cell is run by autoawait is decided
on its transformed text; so the last of the input transformers puts an ``await`` there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["Awaiting", "rewritten"]

_MAGIC = "berlin"
_TARGET = "get_ipython().magics_manager.registry['BerlinMagics']"
_REWRITTEN = {"run_cell_magic": "awaited_cell", "run_line_magic": "awaited_line"}


class Awaiting:
    """An input transformer for `shell.input_transformers_post` that has the `berlin` magics awaited.

    It leaves a cell alone where nothing can be awaited: with autoawait off or on another runner than asyncio, and in
    code that a running cell runs, as under ``%%time`` and ``%%capture``. The magic then takes its synchronous way.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the transformed cell, as lines."""
        if not any(_MAGIC in line for line in lines) or not self._can_await():
            return lines
        return rewritten("".join(lines)).splitlines(keepends=True)

    def _can_await(self) -> bool:
        from IPython.core.async_helpers import _asyncio_runner  # noqa: PLC0415 - the name that ipykernel uses

        return bool(self._shell.autoawait and self._shell.loop_runner is _asyncio_runner and not _in_running_cell())


def _in_running_cell() -> bool:
    """Say whether user code is on the stack: then a cell is being transformed on behalf of a running one."""
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415 - only ever called by it

    running = InteractiveShell.run_code.__code__
    frame = sys._getframe()  # noqa: SLF001 - the documented way to one's own stack
    while frame is not None:
        if frame.f_code is running:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def rewritten(source: str) -> str:
    """Return the code of a cell with every call of a `berlin` magic awaited, where an ``await`` may stand.

    Parameters
    ----------
    source : str
        Python, as IPython's own transformers leave it: ``get_ipython().run_cell_magic('berlin', …)``.

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
        arguments = ", ".join(ast.unparse(argument) for argument in call.args[1:])
        awaited = f"(await {_TARGET}.{_REWRITTEN[call.func.attr]}({arguments}))"  # type: ignore[attr-defined]
        encoded = encoded[:begin] + awaited.encode() + encoded[end:]
    return encoded.decode()


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
            return attr in _REWRITTEN and name == _MAGIC
    return False
