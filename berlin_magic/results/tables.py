"""The tables of a reply, as data."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from berlin_magic.errors import PromptError
from berlin_magic.results.blocks import block_tokens

__all__ = ["Table", "as_frame", "frame_library", "tables_in"]

_MARKS = "*_`"


class Table(NamedTuple):
    """A Markdown table: the names of its columns, and its rows, a dict each."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]


def tables_in(text: str) -> list[Table]:
    """Return the tables of a Markdown text, in order.

    A column whose cells are all numbers holds numbers, with None for an empty cell. Bold and code in a cell lose their
    marks.
    """
    tables: list[Table] = []
    lines: list[list[str]] = []
    for token in block_tokens(text):
        if token.type == "table_open":
            lines = []
        elif token.type == "tr_open":
            lines.append([])
        elif token.type == "inline" and lines:
            lines[-1].append(token.content.strip().strip(_MARKS).strip())
        elif token.type == "table_close" and lines:
            tables.append(_table(lines))
            lines = []
    return tables


def frame_library(*, needed: bool = False) -> str:
    """Return the library for DataFrames, pandas or polars, that is imported; empty for none.

    Parameters
    ----------
    needed : bool
        Whether one is required: then it is imported if it is installed.

    Raises
    ------
    PromptError
        If one is needed, and none is installed.
    """
    names = ("pandas", "polars")
    found = next((name for name in names if sys.modules.get(name) is not None), "")
    if found or not needed:
        return found
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    raise PromptError("A DataFrame needs pandas or polars; nothing was sent.\nInstall one: `pip install pandas`.")


def as_frame(rows: Iterable[Mapping[str, Any]], library: str, columns: Sequence[str] = ()) -> Any:
    """Return rows as a DataFrame of a library, ``"pandas"`` or ``"polars"``."""
    module: Any = importlib.import_module(library)
    listed = [dict(row) for row in rows]
    if library == "polars":
        return module.DataFrame(listed, schema=list(columns) or None, infer_schema_length=None)
    return module.DataFrame(listed, columns=list(columns) or None)


def _table(lines: Sequence[Sequence[str]]) -> Table:
    names: list[str] = []
    for number, name in enumerate(lines[0], 1):
        unique = name or f"column {number}"
        names.append(unique if unique not in names else f"{unique} {number}")
    columns = [_values([line[index] for line in lines[1:]]) for index in range(len(names))]
    return Table(tuple(names), [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])


def _values(cells: Sequence[str]) -> list[Any]:
    """Return the cells of a column: as numbers if all that is not empty are numbers, else as texts."""
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            numbers = [kind(cell) if cell else None for cell in cells]
        except ValueError:
            continue
        if any(cells):
            return numbers
    return list(cells)
