"""Describe tables: DataFrames and Series of pandas and polars, tables of arrow.

Not through narwhals, which knows nothing of an index and refuses two columns of one name: both are everyday in pandas.
What is needed of each library is little.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import cut_middle, on_one_line
from berlin_magic.prompts.description import Bounds, Description, Limit, families, type_name
from berlin_magic.prompts.structures import Outline

__all__ = ["describe_table", "table_of"]

_SAMPLE = 2400  # characters of a sample: about 600 tokens
_LOOKED_AT = 400_000  # cells that the summaries of columns are made of; of a larger table, blocks of rows
_LOOKED_AT_SLOWLY = 40_000  # the same, for cells that are not numbers
_FLAGS_LOOKED_AT = 2000  # the same, of each column whose name may be one of its values
_BLOCKS = 16
_FEW = 6  # so many distinct values are listed

_NUMBER = re.compile(r"u?int|float|double|decimal|halffloat")
_TIME = re.compile(r"date|time|duration")
_TEXT = re.compile(r"str|object|categor|enum|dictionary|utf8|large_string|bool")
_UNIT = re.compile(r"\w+\[(ns|us|ms|s|D)\]\Z")
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
    text, too_long = cut_middle("\n".join(parts).rstrip(), bounds.characters(level))
    return Description(table.kind, (TextPart(text),), level, "; ".join([*cut, too_long] if too_long else cut))


class Table(ABC):
    """A table of one of the libraries."""

    library: str
    rows: int
    width: int
    is_column = False  # a Series, an array, an index: what stands alone and has at most one name
    index: Sequence[tuple[Any, str]] = ()

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def kind(self) -> str:
        """What it is, without data."""
        name = f"{type_name(self.value)} ({self.library})"
        if self.is_column and self.width == 1:
            return f"{name} of {_schema_type(self.dtype(0))}, {self.rows:,} rows"
        return f"{name}, {self.rows:,} rows × {self.width:,} columns"

    @abstractmethod
    def label(self, column: int) -> Any:
        """Return the name of a column."""

    def withheld(self, _column: int) -> Sequence[bool]:
        """Say of each level of a column's name whether it may be data."""
        return (False,)

    @abstractmethod
    def dtype(self, column: int) -> str:
        """Return the type of a column, as the library writes it."""

    @abstractmethod
    def block(self, column: int, start: int, stop: int) -> Any:
        """Return the rows from `start` to `stop` of a column; cheap, however large the table is."""

    @abstractmethod
    def joined(self, blocks: list[Any]) -> Any:
        """Return several blocks of a column as one."""

    def cells(self, column: int, start: int, stop: int) -> list[Any]:
        """Return the cells from `start` to `stop` of a column."""
        cells: list[Any] = self.block(column, start, stop).to_list()
        return cells

    def index_cells(self, _start: int, _stop: int) -> list[tuple[Any, ...]]:
        """Return the cells of the index."""
        return []

    def numbers(self, _column: int) -> Any:
        """Return a column as an array of numpy if it is one already, None otherwise."""
        return None

    @abstractmethod
    def missing(self, block: Any) -> int:
        """Return how many cells of a block are missing."""

    def extremes(self, block: Any) -> tuple[Any, Any]:
        """Return the least and the largest cell of a block."""
        return block.min(), block.max()

    def mean(self, block: Any) -> Any:
        """Return the mean of a block."""
        return block.mean()

    @abstractmethod
    def distinct(self, block: Any) -> list[Any]:
        """Return the distinct cells of a block in the order in which they come, those that are missing left out."""


class _Pandas(Table):
    library = "pandas"

    def __init__(self, value: Any, names: set[str]) -> None:
        super().__init__(value)
        self.is_column = "DataFrame" not in names
        self._is_index = "Index" in names
        self.rows = len(value)
        index = value if self._is_index else value.index
        levels = list(zip(index.names, [level.dtype for level in getattr(index, "levels", [index])], strict=True))
        self.width = len(levels) if self._is_index else 1 if self.is_column else value.shape[1]
        self._levels = len(levels)
        self.index = () if self._is_index else [(name, str(dtype)) for name, dtype in levels]
        self._from_rows = False
        if not self.is_column:
            unnamed_texts = [name is None and not str(dtype).startswith(("int", "uint")) for name, dtype in levels]
            self._from_rows = any(unnamed_texts) and len({self.dtype(i) for i in range(min(self.width, 50))}) == 1

    def label(self, column: int) -> Any:
        if self.is_column:
            return self.value.names[column] if self._is_index else self.value.name
        return self.value.columns[column]

    def withheld(self, _column: int) -> Sequence[bool]:
        if self.is_column:
            return (not self._is_index,)  # a row's name is that of its place in the index
        # The columns of what was pivoted or unstacked have a name, those of what was transposed have it or are texts
        # beside an index of texts, all columns being of one type.
        return [self._from_rows or name is not None for name in self.value.columns.names]

    def dtype(self, column: int) -> str:
        if self._is_index:
            return str(getattr(self.value, "levels", [self.value])[column].dtype)
        return str(self.value.dtype if self.is_column else self.value.iloc[:0, column].dtype)

    def block(self, column: int, start: int, stop: int) -> Any:
        if self._is_index:
            return self.value[start:stop].get_level_values(column).to_series()
        series = self.value if self.is_column else self.value.iloc[:, column]
        return series.iloc[start:stop]

    def numbers(self, column: int) -> Any:
        if self._is_index and self._levels > 1:
            return None
        series = self.value if self.is_column else self.value.iloc[:, column]
        is_plain = type(series.dtype).__module__.partition(".")[0] == "numpy"
        return series.to_numpy() if is_plain and series.dtype.kind in "biufcmM" else None

    def joined(self, blocks: list[Any]) -> Any:
        return sys.modules["pandas"].concat(blocks, ignore_index=True)

    def index_cells(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        if self._is_index:
            return []
        rows = self.value.index[start:stop].tolist()
        return rows if self._levels > 1 else [(row,) for row in rows]

    def missing(self, block: Any) -> int:
        return int(block.isna().sum())

    def distinct(self, block: Any) -> list[Any]:
        return list(block.dropna().drop_duplicates().tolist())


class _Polars(Table):
    library = "polars"

    def __init__(self, value: Any, names: set[str]) -> None:
        super().__init__(value)
        self.is_column = "Series" in names
        self.rows, self.width = (len(value), 1) if self.is_column else value.shape

    def _column(self, column: int) -> Any:
        return self.value if self.is_column else self.value.to_series(column)

    def label(self, column: int) -> Any:
        return self._column(column).name

    def dtype(self, column: int) -> str:
        return str(self._column(column).dtype)

    def block(self, column: int, start: int, stop: int) -> Any:
        return self._column(column).slice(start, stop - start)

    def numbers(self, column: int) -> Any:
        series = self._column(column)
        if "numpy" not in sys.modules or not _NUMBER.match(str(series.dtype).lower()) or series.null_count():
            return None
        try:
            return series.to_numpy(allow_copy=False)
        except Exception:  # noqa: BLE001 - in several chunks, for instance
            return None

    def joined(self, blocks: list[Any]) -> Any:
        return sys.modules["polars"].concat(blocks)

    def missing(self, block: Any) -> int:
        return int(block.null_count())

    def distinct(self, block: Any) -> list[Any]:
        return list(block.drop_nulls().unique(maintain_order=True).to_list())


class _Lazy(_Polars):
    """A query of polars, which is not run for this."""

    def __init__(self, value: Any) -> None:
        Table.__init__(self, value)  # and not that of a DataFrame, which has rows
        self.rows = 0
        self._schema = list(value.collect_schema().items())
        self.width = len(self._schema)

    @property
    def kind(self) -> str:
        return f"{type_name(self.value)} (polars), {self.width:,} columns, not computed"

    def label(self, column: int) -> Any:
        return self._schema[column][0]

    def dtype(self, column: int) -> str:
        return str(self._schema[column][1])


class _Arrow(Table):
    library = "arrow"

    def __init__(self, value: Any, names: set[str]) -> None:
        super().__init__(value)
        self.is_column = not names & {"Table", "RecordBatch"}
        self.rows, self.width = (len(value), 1) if self.is_column else (value.num_rows, value.num_columns)

    def _column(self, column: int) -> Any:
        return self.value if self.is_column else self.value.column(column)

    def label(self, column: int) -> Any:
        return "" if self.is_column else self.value.schema.field(column).name

    def dtype(self, column: int) -> str:
        return str(self._column(column).type)

    def block(self, column: int, start: int, stop: int) -> Any:
        return self._column(column).slice(start, stop - start)

    def cells(self, column: int, start: int, stop: int) -> list[Any]:
        return list(self.block(column, start, stop).to_pylist())

    def joined(self, blocks: list[Any]) -> Any:
        chunks = [chunk for block in blocks for chunk in getattr(block, "chunks", [block])]
        return sys.modules["pyarrow"].chunked_array(chunks)

    def missing(self, block: Any) -> int:
        return int(block.null_count)

    def extremes(self, block: Any) -> tuple[Any, Any]:
        found = self._compute.min_max(block).as_py()
        return found["min"], found["max"]

    def mean(self, block: Any) -> Any:
        return self._compute.mean(block).as_py()

    def distinct(self, block: Any) -> list[Any]:
        return [value for value in block.unique().to_pylist() if value is not None]

    @property
    def _compute(self) -> Any:
        return import_module("pyarrow.compute")  # a part of the library that the user has imported


def table_of(value: Any) -> Table | None:
    """Return `value` as a table, None if it is not one."""
    classes = families(value)

    def names(library: str) -> set[str]:
        return {name for root, name in classes if root == library}

    if found := names("pandas") & {"DataFrame", "Series", "Index"}:
        return _Pandas(value, found)
    if found := names("polars") & {"DataFrame", "Series"}:
        return _Polars(value, found)
    if "LazyFrame" in names("polars"):
        return _Lazy(value)
    if found := names("pyarrow") & {"Table", "RecordBatch", "ChunkedArray", "Array"}:
        return _Arrow(value, found)
    return None


def _notes(table: Table, level: Limit, cut: list[str], looked_at: int) -> Iterable[str]:
    if table.index and table.index != [(None, "int64")]:
        named = [_label(name, schema=level == "schema") if name is not None else "unnamed" for name, _ in table.index]
        types = [_schema_type(dtype) for _, dtype in table.index]
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
        slow = not (_NUMBER.match(word) or word == "bool" or word.startswith("datetime"))
        most = max(_BLOCKS, (_LOOKED_AT_SLOWLY if slow else _LOOKED_AT) // len(columns))
        block = _looked_at(table, column, most)
        fewest = max(fewest, most) if table.rows > most else fewest
        cells = [
            of_values.get(column) or _label_of(table, column, level),
            _schema_type(dtype) if level == "schema" else on_one_line(dtype, 60),
        ]
        if "object" in word:
            cells[1] += _inner(table, column)
        if not isinstance(table, _Lazy):
            cells.append(f"{table.missing(block):,}")
            if level != "schema":
                cells.append(_values(table, block, word))
        lines.append(_line(cells))
    head = ["column", "type", "missing", "values"][: 2 if isinstance(table, _Lazy) else 3 if level == "schema" else 4]
    return ([_line(head), _line(["---"] * len(head)), *lines] if lines else []), fewest


def _looked_at(table: Table, column: int, most: int) -> Any:
    """Return a column, or evenly spaced blocks of it with `most` rows together."""
    if isinstance(table, _Lazy):
        return None
    if table.rows <= most:
        return table.block(column, 0, table.rows)
    size = most // _BLOCKS
    starts = [(table.rows - size) * i // (_BLOCKS - 1) for i in range(_BLOCKS)]
    return table.joined([table.block(column, start, start + size) for start in starts])


def _values(table: Table, block: Any, dtype: str) -> str:
    """Return what is in a column, in a few words."""
    try:
        if _NUMBER.match(dtype) or _TIME.match(dtype):
            least, largest = table.extremes(block)
            if least is None or least != least:  # noqa: PLR0124 - NaN and NaT
                return ""
            mean = f", mean {_cell(table.mean(block), 20)}" if _NUMBER.match(dtype) else ""
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
    if word.startswith("bool") or not _NUMBER.match(word) or isinstance(table, _Lazy):
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


def _schema_type(dtype: str) -> str:
    """Return a type without what stands in its brackets, which can be data: categories, fill values, time zones."""
    word = re.split(r"[\[(<{,]", dtype, maxsplit=1)[0].strip()
    return dtype if _UNIT.match(dtype) else word or "record"
