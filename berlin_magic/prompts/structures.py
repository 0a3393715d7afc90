"""Describe values of Python's own types: numbers, texts, bytes, paths, lists, dicts, dataclasses."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path, PurePath
from types import MappingProxyType, SimpleNamespace
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import on_one_line, without_addresses
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name

__all__ = ["Outline", "describe_structure", "kind_of_bytes"]

Nested = Callable[[Any], str | None]
"""Says in a few words what a value inside of a structure is; None if its repr may be shown."""

_BYTES = (bytes, bytearray, memoryview)
_BUILT_IN = (list, tuple, set, frozenset, dict, deque, MappingProxyType)
_SHOWN = 40  # bytes
_LOOKED_AT = 1000  # items of a list whose types are named
_SORTED = 10_000  # items of a set that are put in order: that of a set of texts is another in every process
_WIDTH = 100
_LONG_NUMBER = 2000  # bits; Python makes no text of a number of more than 4300 digits

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
}


def describe_structure(value: Any, level: Limit, bounds: Bounds, nested: Nested) -> Description | None:
    """Return the description of `value` if its type is one of Python's own, or a dataclass.

    Parameters
    ----------
    value : object
        Not changed or consumed.
    level : {"schema", "sample", "full"}
        At ``schema`` the texts are sizes and types alone; the keys of a dict are data, the fields of a dataclass not.
    bounds : Bounds
        How large it may be.
    nested : callable
        Returns the kind of a value inside, such as a table.
    """
    kind = _kind(value)
    if not kind:
        return None
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    limit = bounds.characters(level)
    if isinstance(value, str):
        return Description.of_text(kind, str.__str__(value), level, limit)
    if isinstance(value, _BYTES):
        shown = bytes(memoryview(value)[:_SHOWN])
        cut = f"{_size(value) - _SHOWN:,} bytes" if _size(value) > _SHOWN else ""
        return Description(kind, (TextPart(f"{kind}, beginning with {shown!r}" if cut else repr(value)),), level, cut)
    if isinstance(value, PurePath):
        return Description(kind, (TextPart(_path(value)),), level)
    outline = Outline(bounds, nested, full=level == "full")
    text = outline.of(value)
    return Description.of_text(kind, text, level, limit, outline.cut)


class Outline:
    """Write values as Python does, with what is too long cut in the middle.

    Parameters
    ----------
    bounds : Bounds
        How many items, and how deep.
    nested : callable
        Names what is not written out.
    full : bool
        Whether as many items are written as fit.
    """

    def __init__(self, bounds: Bounds, nested: Nested, *, full: bool = False) -> None:
        self.cut = ""
        self._items = bounds.full // 10 if full else bounds.items
        self._halved = 0 if full else 1
        self._depth = bounds.depth
        self._text = bounds.text if full else 200
        self._left = bounds.full if full else 2 * bounds.text
        self._nested = nested

    def of(self, value: Any, *, depth: int = 0, inside: tuple[int, ...] = ()) -> str:
        """Return `value` as text; short ones on one line."""
        if id(value) in inside:
            return "<recursion>"
        if _has_items(value):
            if depth >= self._depth or self._left < 0:
                self.cut = self.cut or f"what lies deeper than {self._depth}"
                return f"<{_kind(value)}>"
            return self._with_items(value, depth, (*inside, id(value)))
        text = self._leaf(value)
        self._left -= len(text)
        return text

    def _with_items(self, value: Any, depth: int, inside: tuple[int, ...]) -> str:
        most = max(2, self._items >> (depth * self._halved))
        first, missing, last = _ends(value, most)
        if missing:
            self.cut = self.cut or f"{missing:,} of {missing + most:,} items"

        def written(items: list[Any]) -> list[str]:
            if not _is_keyed(value):
                return [self.of(item, depth=depth + 1, inside=inside) for item in items]
            return [
                (f"{key}=" if isinstance(key, _Field) else f"{self._leaf(key)}: ")
                + self.of(item, depth=depth + 1, inside=inside)
                for key, item in items
            ]

        parts = written(first) + ([f"… {missing:,} more …"] if missing else []) + written(last)
        opening, closing = _brackets(value)
        if type(value) is tuple and len(parts) == 1:
            parts[0] += ","
        if not parts and type(value) in {set, frozenset}:
            return f"{type_name(value)}()"
        line = f"{opening}{', '.join(parts)}{closing}"
        if len(line) <= _WIDTH and "\n" not in line:
            return line
        rows = parts if _is_keyed(value) else _packed(parts)
        inner = ",\n".join(rows).replace("\n", "\n  ")
        return f"{opening}\n  {inner}\n{closing}"

    def _leaf(self, value: Any) -> str:  # noqa: PLR0911 - one for each kind
        if isinstance(value, str):
            text = str.__str__(value)
            if len(text) <= self._text:
                return str.__repr__(text)
            self.cut = self.cut or "long texts"
            return f"{text[: self._text * 2 // 3]!r} … {len(text):,} characters"
        if isinstance(value, _BYTES) and _size(value) > _SHOWN:
            self.cut = self.cut or "bytes"
            return f"<{_kind(value)}>"
        if type(value) is int and value.bit_length() > _LONG_NUMBER:
            self.cut = self.cut or "long numbers"
            return f"<int, {value.bit_length():,} bits>"
        if _has_items(value):  # a tuple that is a key
            return self.of(value, depth=self._depth - 1)
        try:
            named = self._nested(value)
            return f"<{named}>" if named else on_one_line(without_addresses(repr(value)), max(self._text, _WIDTH))
        except BaseException as error:  # noqa: BLE001 - an item's own code can fail in any way; this is a thread
            return f"<{type_name(value)}: its repr raised {type_name(error)}>"


class _Field(str):
    """The name of a field, which is written as in a call."""

    __slots__ = ()


def _packed(parts: list[str]) -> list[str]:
    """Return short items as lines of several; long ones keep a line each."""
    rows: list[str] = []
    for part in parts:
        if rows and len(rows[-1]) + len(part) < _WIDTH and "\n" not in rows[-1] + part:
            rows[-1] += f", {part}"
        else:
            rows.append(part)
    return rows


def _has_items(value: Any) -> bool:
    return (isinstance(value, _BUILT_IN) and not _has_own_repr(value)) or _fields(value) is not None


def _has_own_repr(value: Any) -> bool:
    """Say whether the class of `value`, made by subclassing, says itself how it is written."""
    written: Any = type(value).__repr__
    ours: set[Any] = {cls.__repr__ for cls in _BUILT_IN}
    return written not in ours and type(value).__module__ != "collections" and _fields(value) is None


def _is_keyed(value: Any) -> bool:
    return isinstance(value, dict | MappingProxyType) or _fields(value) is not None


def _fields(value: Any) -> tuple[str, ...] | None:
    """Return the names of the fields of a namedtuple, a namespace, or a dataclass with no repr of its own."""
    cls = type(value)
    if issubclass(cls, tuple) and isinstance(names := getattr(cls, "_fields", None), tuple):
        return names
    if cls is SimpleNamespace:
        return tuple(vars(value))
    code = getattr(getattr(cls.__repr__, "__wrapped__", None), "__code__", None)
    if dataclasses.is_dataclass(cls) and code is not None and code.co_filename == "<string>":
        return tuple(field.name for field in dataclasses.fields(cls) if field.repr)
    return None


def _ends(value: Any, most: int) -> tuple[list[Any], int, list[Any]]:
    """Return the first items of `value`, how many are missing, and the last ones; of a subclass as of its base."""
    names = _fields(value)
    if names is not None:
        return [(_Field(name), getattr(value, name, None)) for name in names], 0, []
    size = _length(value)
    head, tail = (size, 0) if size <= most else (most - most // 3, most // 3)
    if isinstance(value, set | frozenset):
        items = list(islice(_base(value).__iter__(value), _SORTED))
        if size <= _SORTED:
            items.sort(key=_safe_repr)
        return items[:head], size - head - tail, items[len(items) - tail :]
    if isinstance(value, list | tuple):
        at = _base(value).__getitem__
        return list(at(value, slice(head))), size - head - tail, list(at(value, slice(size - tail, size)))
    entries = value if isinstance(value, deque) else _pairs(value)
    last = list(islice(reversed(entries), tail))
    return list(islice(entries, head)), size - head - tail, last[::-1]


def _pairs(value: Any) -> Any:
    """Return the items of a mapping; of a subclass of `dict` as of its base."""
    return dict.items(value) if isinstance(value, dict) else value.items()


def _safe_repr(value: Any) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001 - as above
        return type_name(value)


def _brackets(value: Any) -> tuple[str, str]:
    cls, name = type(value), type_name(value)
    if _fields(value) is not None:
        return f"{name}(", ")"
    opening, closing = next(marks for base, marks in _BRACKETS.items() if isinstance(value, base))
    if cls in _BRACKETS:
        return opening, closing
    return f"{name}({opening}", f"{closing})"


_BRACKETS: Mapping[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
    object: ("[", "]"),
}


def _base(value: Any) -> Any:
    return next(cls for cls in _BUILT_IN if isinstance(value, cls))


def _length(value: Any) -> int:
    return int(_base(value).__len__(value))


def _size(value: bytes | bytearray | memoryview) -> int:
    return memoryview(value).nbytes


def _kind(value: Any) -> str:  # noqa: PLR0911 - one for each kind
    """Return what `value` is, without data; "" if it is not one of Python's own."""
    name = type_name(value)
    if value is None or type(value) in {bool, int, float, complex}:
        return name
    if isinstance(value, str):
        return f"{name}, {str.__len__(value):,} characters"
    if isinstance(value, _BYTES):
        return f"{name}, {kind_of_bytes(memoryview(value))}"
    if isinstance(value, PurePath):
        return name
    if not _has_items(value):
        return ""
    if (names := _fields(value)) is not None:
        if type(value) is SimpleNamespace:
            return f"{name}, {len(names)} attributes"
        return f"{name}({', '.join(f'{one}: {type_name(getattr(value, one, None))}' for one in names)})"
    return f"{name}, {_length(value):,} {'item' if _length(value) == 1 else 'items'}{_types(value)}"


def _types(value: Any) -> str:
    """Return the types of the items."""
    if isinstance(value, dict | MappingProxyType):
        looked_at = list(islice(_pairs(value), _LOOKED_AT))
        keys, values = (_names(pair[i] for pair in looked_at) for i in (0, 1))
        return f": {keys} → {values}" if looked_at else ""
    names = _names(islice(_base(value).__iter__(value), _LOOKED_AT))
    return f": {names}" if names else ""


def _names(items: Iterator[Any]) -> str:
    names = sorted({type_name(item) for item in items})
    return ", ".join(chain(names[:4], ["…"] if len(names) > 4 else []))  # noqa: PLR2004 - a few words


def kind_of_bytes(data: memoryview) -> str:
    """Return how many bytes `data` has, and what they are by their first ones."""
    start = bytes(data.cast("B")[:32]) if data.contiguous else b""
    size: float = data.nbytes
    unit = "bytes"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - a thousand
            break
        size, unit = size / 1000, larger
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
    return f"{size:.3g} {unit}" + (f", {kind}" if kind else "")


def _path(path: PurePath) -> str:
    """Return a path, and the kind of file there, which is not read."""
    shown = f"{type_name(path)}({str(path)!r})"
    if not isinstance(path, Path):
        return shown
    try:
        if path.is_dir():
            return f"{shown}, a folder"
        return f"{shown}, a file of {path.stat().st_size:,} bytes"
    except FileNotFoundError:
        return f"{shown}, not there"
    except OSError:
        return shown
