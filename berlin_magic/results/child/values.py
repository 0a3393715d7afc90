"""Convert values to JSON and back, without running code when they are read.

Pickle must not read what the code of a reply has written: unpickling runs any code that the writer wants. Here only
values of known types are written and read. Numbers, texts, `None` and lists are JSON as they are; any other value is a
dict with its kind under ``$``.
"""

from __future__ import annotations

import datetime as dt
import importlib
import io
import re
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

__all__ = ["NotDataError", "decode", "encode"]

Other = Callable[[Any], Any]


class NotDataError(TypeError):
    """The value is not of a type that is copied as data."""


def refused(value: object) -> Any:
    """Raise the error for a value that is not data."""
    raise NotDataError(f"an object of the class {type(value).__qualname__} is not copied as data")


def encode(value: Any, other: Other = refused) -> Any:
    """Return a value in a form that `json.dumps` takes.

    Parameters
    ----------
    value : object
        The value. One of a subclass of a known type is not data: it can define its own comparison.
    other : callable
        Returns the record of a value that is not data, or raises.

    Raises
    ------
    NotDataError
        If it is not data, and there is no `other`.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [encode(item, other) for item in value]
    if kind in _PAIRS:
        return {"$": kind.__name__, "v": [[encode(key, other), encode(item, other)] for key, item in value.items()]}
    if kind in _ROWS:
        return {"$": kind.__name__, "v": [encode(item, other) for item in value]}
    if kind in _WRITTEN:
        return {"$": kind.__name__, "v": _WRITTEN[kind](value)}
    try:
        library = _library_value(value, kind.__module__.partition(".")[0], other)
    except (TypeError, ValueError, AttributeError, KeyError, ImportError):  # a table with a form that is not supported
        library = None
    return other(value) if library is None else library


def decode(record: Any, other: Other = refused) -> Any:  # noqa: PLR0911 - one for each kind
    """Return the value that `encode` has written; `other` returns the value of a record of an unknown kind."""
    if isinstance(record, list):
        return [decode(item, other) for item in record]
    if not isinstance(record, dict):
        return record
    kind, value = record.get("$"), record.get("v")
    for type_ in _PAIRS:
        if kind == type_.__name__ and isinstance(value, list):
            pairs = [(decode(key, other), decode(item, other)) for key, item in value]
            return type_(dict(pairs)) if type_ is Counter else type_(pairs)
    for type_ in _ROWS:
        if kind == type_.__name__ and isinstance(value, list):
            return type_([decode(item, other) for item in value])
    if isinstance(kind, str) and kind in _READ:
        return _READ[kind](value)
    if isinstance(kind, str) and kind in _TABLES:
        return _TABLES[kind](record, other)
    return other(record)


_PLAIN = {type(None), bool, int, float, str}
_PAIRS: tuple[Any, ...] = (dict, OrderedDict, Counter)
_ROWS: tuple[Any, ...] = (tuple, set, frozenset, deque)


def _base64(value: Any) -> str:
    return b64encode(bytes(value)).decode()


_WRITTEN: dict[type, Callable[[Any], Any]] = {
    bytes: _base64,
    bytearray: _base64,
    complex: lambda value: [value.real, value.imag],
    range: lambda value: [value.start, value.stop, value.step],
    Decimal: str,
    Fraction: lambda value: [value.numerator, value.denominator],  # "1e999999999" as text would take all memory
    dt.datetime: dt.datetime.isoformat,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: lambda value: [value.days, value.seconds, value.microseconds],
}
_READ: dict[str, Callable[[Any], Any]] = {
    "bytes": b64decode,
    "bytearray": lambda value: bytearray(b64decode(value)),
    "complex": lambda value: complex(*value),
    "range": lambda value: range(*value),
    "Decimal": Decimal,
    "Fraction": lambda value: Fraction(*value),
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda value: dt.timedelta(*value),
}

_DTYPE = re.compile(r"[<>|=]?[biufcSUMm?]\d*(\[\w+\])?")


def _library_value(value: Any, library: str, other: Other) -> Any:  # noqa: PLR0911 - one for each type
    """Return the record of a value of NumPy, pandas or polars; None if it is of another type."""
    name = type(value).__name__
    if library == "numpy":
        if name == "ndarray":
            return _array(value, other)
        if hasattr(value, "item") and hasattr(value, "dtype") and type(item := value.item()) in {*_PLAIN, *_WRITTEN}:
            return encode(item, other)
    elif library == "pandas":
        if name == "DataFrame":
            columns = [_column(value.iloc[:, number], other) for number in range(value.shape[1])]
            return {
                "$": "DataFrame",
                "columns": encode(list(value.columns), other),
                "v": columns,
                **_index(value, other),
            }
        if name == "Series":
            return {"$": "Series", "name": encode(value.name, other), **_column(value, other), **_index(value, other)}
        if name == "Timestamp":
            return encode(value.to_pydatetime(), other)
    elif library == "polars" and name == "DataFrame":
        value.write_ipc(stream := io.BytesIO())  # Arrow's format, which holds no code
        return {"$": "polars", "v": _base64(stream.getvalue())}
    return None


def _array(value: Any, other: Other) -> Any:
    if value.dtype.kind == "O":
        return {
            "$": "ndarray",
            "dtype": "O",
            "shape": list(value.shape),
            "v": [encode(one, other) for one in value.flat],
        }
    if not _DTYPE.fullmatch(value.dtype.str):
        return None
    return {"$": "ndarray", "dtype": value.dtype.str, "shape": list(value.shape), "v": _base64(value.tobytes())}


def _column(series: Any, other: Other) -> dict[str, Any]:
    if type(series.dtype).__module__.startswith("numpy") and series.dtype.kind != "O":
        return {"v": _array(series.to_numpy(), other)}
    missing = series.isna()
    cells = [
        None if is_missing else encode(one, other) for one, is_missing in zip(series.tolist(), missing, strict=True)
    ]
    return {"v": cells, "dtype": str(series.dtype)}


def _index(frame: Any, other: Other) -> dict[str, Any]:
    return {"index": encode(frame.index.tolist(), other), "names": encode(list(frame.index.names), other)}


def _array_of(record: Any, other: Other) -> Any:
    numpy: Any = importlib.import_module("numpy")
    shape = tuple(int(size) for size in record["shape"])
    if record["dtype"] == "O":
        array = numpy.empty(len(record["v"]), dtype=object)
        for number, one in enumerate(record["v"]):
            array[number] = decode(one, other)
        return array.reshape(shape)
    if not _DTYPE.fullmatch(record["dtype"]):
        raise ValueError("the dtype of the array is not one of plain data")
    return numpy.frombuffer(b64decode(record["v"]), dtype=record["dtype"]).reshape(shape).copy()


def _series_of(record: Any, other: Other) -> Any:
    pandas: Any = importlib.import_module("pandas")
    return pandas.Series(
        decode(record["v"], other),
        dtype=record.get("dtype"),
        index=_index_of(record, other),
        name=decode(record.get("name"), other),
    )


def _frame_of(record: Any, other: Other) -> Any:
    pandas: Any = importlib.import_module("pandas")
    index = _index_of(record, other)
    columns = [pandas.Series(decode(one["v"], other), dtype=one.get("dtype"), index=index) for one in record["v"]]
    frame = pandas.concat(columns, axis=1) if columns else pandas.DataFrame(index=index)
    frame.columns = decode(record["columns"], other)
    return frame


def _index_of(record: Any, other: Other) -> Any:
    pandas: Any = importlib.import_module("pandas")
    labels, names = decode(record["index"], other), decode(record["names"], other)
    if len(names) > 1:
        return pandas.MultiIndex.from_tuples(labels, names=names)
    if labels == list(range(len(labels))):
        return pandas.RangeIndex(len(labels), name=names[0])
    return pandas.Index(labels, name=names[0])


def _polars_of(record: Any, _other: Other) -> Any:
    polars: Any = importlib.import_module("polars")
    return polars.read_ipc(io.BytesIO(b64decode(record["v"])))


_TABLES: dict[str, Callable[[Any, Other], Any]] = {
    "ndarray": _array_of,
    "Series": _series_of,
    "DataFrame": _frame_of,
    "polars": _polars_of,
}
