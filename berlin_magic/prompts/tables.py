"""Describe tables: DataFrames and Series of pandas and polars, tables of arrow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import on_one_line
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name
from berlin_magic.prompts.structures import Outline
from berlin_magic.prompts.table_libraries import NUMBER, Table, schema_type, table_of

__all__ = ["describe_table"]

_SAMPLE = 2400  # characters of a sample: about 600 tokens
_LOOKED_AT = 400_000  # cells that the summaries of columns are made of; of a larger table, blocks of rows
_LOOKED_AT_SLOWLY = 40_000  # the same, for cells that are not numbers
_FLAGS_LOOKED_AT = 2000  # the same, of each column whose name may be one of its values
_BLOCKS = 16
_FEW = 6  # distinct values that are listed

_TIME = re.compile(r"date|time|duration")
_TEXT = re.compile(r"str|object|categor|enum|dictionary|utf8|large_string|bool")
_WITHHELD = "(name withheld)"


def describe_table(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value` if it is a table, or a column or an index of one.

    At the level ``schema`` it holds the names and the types of the columns, and counts. The names of columns that were
    made of values (by pivoting, transposing, one-hot encoding) are left out as far as that can be seen.
    """
    table = table_of(value)
    if table is None:
        return None
    most = bounds.table_columns * (10 if level == "full" else 1)
    columns = list(range(table.width))
    if len(columns) > most:
        columns[most - most // 3 : -(most // 3) or None] = []
    cut = [f"{table.width - len(columns):,} of {table.width:,} columns"] if len(columns) < table.width else []
    summary, looked_at = _summary(table, columns, level)
    parts = [table.kind, *_notes(table, level, cut, looked_at), "", *summary]
    if level == "schema":
        return Description(table.kind, (TextPart("\n".join(parts).rstrip()),), level, "; ".join(cut))
    limit = bounds.full if level == "full" else min(_SAMPLE, bounds.text)
    width = 200 if level == "full" else max(8, min(40, 160 // max(1, len(columns))))
    most_rows = table.rows if level == "full" else bounds.table_rows
    shown, missing = _rows(table, columns, most_rows, width, limit - sum(map(len, parts)))
    if missing:
        cut.append(f"{missing:,} of {table.rows:,} rows")
    parts += ["", *shown] if shown else []
    return Description.of_text(table.kind, "\n".join(parts).rstrip(), level, bounds.characters(level), *cut)


def _notes(table: Table, level: Limit, cut: list[str], looked_at: int) -> Iterable[str]:
    if table.index and table.index != [(None, "int64")]:
        named = [_label(name, schema=level == "schema") if name is not None else "unnamed" for name, _ in table.index]
        types = [schema_type(dtype) for _, dtype in table.index]
        yield "Index: " + ", ".join(f"{name} ({dtype})" for name, dtype in zip(named, types, strict=True))
    if cut:
        yield f"Not shown: {', '.join(cut)}."
    if looked_at:
        yield f"For each column {looked_at:,} rows or fewer, in {_BLOCKS} blocks, were looked at."


def _summary(table: Table, columns: list[int], level: Limit) -> tuple[list[str], int]:
    """Return a table of the columns, and in how many rows was looked if not in all."""
    lines, fewest = [], 0
    of_values = _names_of_values(table, columns) if level == "schema" else {}
    for column in columns:
        dtype = table.dtype(column)
        word = dtype.lower()
        slow = not (NUMBER.match(word) or word == "bool" or word.startswith("datetime"))
        most = max(_BLOCKS, (_LOOKED_AT_SLOWLY if slow else _LOOKED_AT) // len(columns))
        block = _looked_at(table, column, most)
        fewest = max(fewest, most) if table.rows > most else fewest
        cells = [
            of_values.get(column) or _label_of(table, column, level),
            schema_type(dtype) if level == "schema" else on_one_line(dtype, 60),
        ]
        if "object" in word:
            cells[1] += _inner(table, column)
        if table.is_computed:
            cells.append(f"{table.missing(block):,}")
            if level != "schema":
                cells.append(_values(table, block, word))
        lines.append(_line(cells))
    head = ["column", "type", "missing", "values"][: 2 if not table.is_computed else 3 if level == "schema" else 4]
    return ([_line(head), _line(["---"] * len(head)), *lines] if lines else []), fewest


def _looked_at(table: Table, column: int, most: int) -> Any:
    """Return a column, or evenly spaced blocks of it with `most` rows together."""
    if not table.is_computed:
        return None
    if table.rows <= most:
        return table.block(column, 0, table.rows)
    size = most // _BLOCKS
    starts = [(table.rows - size) * i // (_BLOCKS - 1) for i in range(_BLOCKS)]
    return table.joined([table.block(column, start, start + size) for start in starts])


def _values(table: Table, block: Any, dtype: str) -> str:
    """Return what is in a column, in a few words."""
    try:
        if NUMBER.match(dtype) or _TIME.match(dtype):
            least, largest = table.extremes(block)
            if least is None or least != least:  # noqa: PLR0124 - NaN and NaT
                return ""
            mean = f", mean {_cell(table.mean(block), 20)}" if NUMBER.match(dtype) else ""
            return f"{_cell(least, 30)} … {_cell(largest, 30)}{mean}"
        if _TEXT.match(dtype):
            distinct = table.distinct(block)
            shown = ", ".join(_cell(value, 20) for value in distinct[:_FEW])
            return f"{len(distinct):,} distinct" + (f": {shown}" if 0 < len(distinct) <= _FEW else "")
    except Exception:  # noqa: BLE001 - cells that are lists or of several types; their own code can fail in any way
        return ""
    return ""


def _inner(table: Table, column: int) -> str:
    """Return of what types the first cells of a column are, in brackets."""
    names = sorted({type_name(cell) for cell in table.cells(column, 0, min(table.rows, 20))} - {"NoneType", "NAType"})
    return f" ({', '.join(names[:3])})" if names else ""


def _rows(table: Table, columns: list[int], most: int, width: int, limit: int) -> tuple[list[str], int]:
    """Return the first and the last rows as a table of about `limit` characters, and how many rows it lacks."""
    if not table.rows or not columns:
        return [], table.rows
    most = min(most, table.rows)
    probe = _cells(table, columns, 0, min(table.rows, 20), width)
    average = sum(len(_line(cells)) + 1 for cells in probe) / len(probe)
    most = min(most, max(2, int(limit / average) - 3))
    names = ["" if name is None else _label(name, schema=False) for name, _ in table.index]
    names += [on_one_line(_label_of(table, column, "full"), max(width, 20)) for column in columns]
    while True:
        head = most if most == table.rows else most - most // 3
        lines = [_line(names), _line(["---"] * len(names))]
        lines += [_line(cells) for cells in _cells(table, columns, 0, head, width)]
        lines += [_line(["…"] * len(names))] if most < table.rows else []
        last = table.rows - (most - head)
        lines += [_line(cells) for cells in _cells(table, columns, last, table.rows, width)]
        size = sum(len(line) + 1 for line in lines)
        if size <= limit or most <= 2:  # noqa: PLR2004 - the first and the last row
            return lines, table.rows - most
        most = max(2, min(most - 1, most * limit // size))


def _cells(table: Table, columns: list[int], start: int, stop: int, width: int) -> list[list[str]]:
    by_column = [table.cells(column, start, stop) for column in columns]
    index = table.index_cells(start, stop) or [()] * (stop - start)
    return [
        [_cell(cell, width) for cell in (*before, *cells)] for before, *cells in zip(index, *by_column, strict=True)
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(cell: Any, width: int) -> str:
    """Return a cell as text on one line."""
    if isinstance(cell, float):
        return "NaN" if cell != cell else f"{cell:.6g}"  # noqa: PLR0124 - it is not itself
    if isinstance(cell, str):
        return on_one_line(cell, width)
    try:
        if isinstance(cell, dict | list | tuple | set | frozenset | bytes):
            return on_one_line(Outline(Bounds(items=8, depth=2), lambda _: None).of(cell), width)
        return on_one_line(str(cell), width)
    except BaseException as error:  # noqa: BLE001 - a cell's own code can fail in any way; this is a thread
        return f"<{type_name(cell)}: {type_name(error)}>"


def _label_of(table: Table, column: int, level: Limit) -> str:
    label = table.label(column)
    if level != "schema":
        return "" if label is None else _label(label, schema=False)
    levels = label if isinstance(label, tuple) else (label,)
    parts = [
        _WITHHELD if withheld else _label(one, schema=True)
        for one, withheld in zip(levels, table.withheld(column), strict=True)
    ]
    return " / ".join(parts)


def _names_of_values(table: Table, columns: list[int]) -> dict[int, str]:
    """Return what is shown at level ``schema`` in the place of names that encoders make of values.

    One-hot encoding (`get_dummies`, `to_dummies`) makes columns of zeros and ones that are named ``city_Berlin``, or
    ``Berlin``. So of two such columns with one beginning this alone is shown, and of a table of nothing else nothing.
    """
    flags = {column: str(table.label(column)) for column in columns if _is_flag(table, column)}
    if len(flags) > 1 and len(flags) == len(columns):
        return dict.fromkeys(flags, _WITHHELD)
    beginnings = Counter(name.partition("_")[0] for name in flags.values() if "_" in name)
    shared = {column: name.partition("_")[0] for column, name in flags.items() if "_" in name}
    return {
        column: f"{_label(beginning, schema=True)}_{_WITHHELD}"
        for column, beginning in shared.items()
        if beginnings[beginning] > 1
    }


def _is_flag(table: Table, column: int) -> bool:
    """Say whether a column with a name is of nothing but zeros and ones, as far as it is looked at."""
    word = table.dtype(column).lower()
    if not isinstance(table.label(column), str):
        return False
    if word.startswith("bool") or not NUMBER.match(word) or not table.is_computed:
        return word.startswith("bool")
    try:
        distinct = set(table.distinct(_looked_at(table, column, _FLAGS_LOOKED_AT)))
    except Exception:  # noqa: BLE001 - a library's own numbers can fail in any way
        return True
    return bool(distinct) and distinct <= {0, 1}


def _label(label: Any, *, schema: bool) -> str:
    """Return the name of a column; at level ``schema`` only if it is a text, or a small number: others are data."""
    if isinstance(label, tuple):
        return " / ".join(_label(one, schema=schema) for one in label)
    if isinstance(label, str) or not schema or (type(label) is int and 0 <= label < 1000):  # noqa: PLR2004 - counted
        return _cell(label, 60)
    return f"({type_name(label)})"
