"""The rows of a table, with their replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from berlin_magic.errors import BerlinError

__all__ = ["Row", "Rows", "reply_columns", "rows_in"]


class Rows(list[Any]):
    """The replies to many rows, in the order of the rows; None for a row without one.

    Attributes
    ----------
    errors : dict
        The errors of the rows without a reply, by the number of the row, from 0 on.
    stopped : BerlinError or None
        The error after which no other row was asked, such as that of a budget. It is the error of the rows that were
        not asked, too.
    """

    def __init__(
        self,
        replies: Iterable[Any],
        errors: Mapping[int, BaseException] | None = None,
        stopped: BerlinError | None = None,
        *,
        source: Any = None,
    ) -> None:
        super().__init__(replies)
        self.errors = dict(errors or {})
        self.stopped = stopped
        self._source = source

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} without: see .errors" if self.errors else ""
        return f"<Rows: {len(self) - len(self.errors)} of {len(self)} replies{failed}>"

    def to_frame(self) -> Any:
        """Return a table with the rows as they were asked, the replies in ``reply``, and ``error`` if there are any.

        It is a polars table if the rows were one, else a pandas one. Replies that are mappings with the same keys, or
        dataclasses, are a column for each key in place of ``reply``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        columns = reply_columns(self)
        if self.errors:
            errors = [self.errors.get(number) for number in range(len(self))]
            columns["error"] = [None if error is None else f"{type(error).__name__}: {error}" for error in errors]
        if _is_of("polars", self._source):
            series = import_module("polars").Series
            named = _with_free_names(columns, self._source.columns)
            return self._source.with_columns(**{name: series(values, strict=False) for name, values in named})
        pd = import_module("pandas")

        frame = self._source if _is_of("pandas", self._source) else pd.DataFrame(_columns_of(self._source))
        new = dict(_with_free_names(columns, frame.columns))
        return frame.assign(**{name: pd.Series(values, index=frame.index, dtype=None) for name, values in new.items()})


def reply_columns(values: Sequence[Any]) -> dict[str, list[Any]]:
    """Return replies as columns: one for each field, if all are records with the same fields, else ``reply``."""
    records = [None if value is None else _record(value) for value in values]
    present = [record for record, value in zip(records, values, strict=True) if value is not None]
    names = next(iter(present), None)
    if names and all(record is not None and record.keys() == names.keys() for record in present):
        return {name: [record and record[name] for record in records] for name in names}
    return {"reply": list(values)}


def _record(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return {str(name): one for name, one in value.items()}
    if hasattr(value, "model_dump"):  # pydantic's
        return dict(value.model_dump())
    fields = getattr(type(value), "__dataclass_fields__", None)
    return None if fields is None else {name: getattr(value, name) for name in fields}


def _with_free_names(columns: Mapping[str, list[Any]], taken: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield columns under names that are not `taken`: ``reply``, else ``reply_2``."""
    names = {str(name) for name in taken}
    for name, values in columns.items():
        free = next(one for one in (name, *(f"{name}_{number}" for number in range(2, 1000))) if one not in names)
        names.add(free)
        yield free, values


class Row:
    """One row of a table: ``row.text`` and ``row["text"]`` are its value in the column ``text``."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(map(str, self._values))
            raise AttributeError(f"the row has no column {name!r}; it has {known}") from None

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._values.items())

    def _ai_repr_(self, **_kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self)}


def rows_in(source: Any) -> list[Any]:
    """Return the rows of a table or another iterable: those of a pandas or polars table, and dicts, as `Row`.

    Raises
    ------
    ValueError
        If it holds no rows.
    """
    if _is_of("pandas", source) and hasattr(source, "columns"):
        columns = [list(source.iloc[:, number]) for number in range(len(source.columns))]
        names = [str(name) for name in source.columns]
        return [Row(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]
    if _is_of("polars", source) and hasattr(source, "iter_rows"):
        return [Row(values) for values in source.iter_rows(named=True)]
    if isinstance(source, str | bytes | Mapping) or not hasattr(source, "__iter__"):
        raise ValueError(f"rows must be a table or a list, not {type(source).__name__}")
    return [Row(one) if isinstance(one, Mapping) else one for one in source]


def _columns_of(source: Any) -> dict[str, list[Any]]:
    """Return the rows that are neither a pandas nor a polars table as columns."""
    rows = list(source)
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        return {name: [row.get(name) for row in rows] for name in names}
    return {"row": rows}


def _is_of(library: str, value: Any) -> bool:
    """Return whether the class of a value is from that library, without importing it."""
    return type(value).__module__.partition(".")[0] == library
