"""Tables of pandas, polars or arrow, read in the same way.

Not through narwhals, which knows nothing of an index and refuses two columns of one name: both are everyday in pandas.
What is needed of each library is little.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from berlin_magic.prompts.description import families, type_name

__all__ = ["NUMBER", "Table", "schema_type", "table_of"]

NUMBER = re.compile(r"u?int|float|double|decimal|halffloat")
"""The types of numbers, as the libraries write them in small letters."""

_UNIT = re.compile(r"\w+\[(ns|us|ms|s|D)\]\Z")


class Table(ABC):
    """A table of one of the libraries."""

    library: str
    rows: int
    width: int
    is_column = False  # a Series, an array, an index: one column, with at most one name
    is_computed = True  # whether its rows can be read
    index: Sequence[tuple[Any, str]] = ()

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def kind(self) -> str:
        """The type and the size, without data."""
        name = f"{type_name(self.value)} ({self.library})"
        if self.is_column and self.width == 1:
            return f"{name} of {schema_type(self.dtype(0))}, {self.rows:,} rows"
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
        if "numpy" not in sys.modules or not NUMBER.match(str(series.dtype).lower()) or series.null_count():
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

    is_computed = False

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


def schema_type(dtype: str) -> str:
    """Return a type without the text in its brackets, which can be data: categories, fill values, time zones."""
    word = re.split(r"[\[(<{,]", dtype, maxsplit=1)[0].strip()
    return dtype if _UNIT.match(dtype) else word or "record"
