"""Fingerprints of values, which show later whether a value has changed."""

from __future__ import annotations

import hashlib
import secrets
import struct
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any

from berlin_magic.prompts.arrays import thinned
from berlin_magic.prompts.description import families
from berlin_magic.prompts.table_libraries import Table, table_of

__all__ = ["fingerprint"]

_OF_THIS_PROCESS = secrets.token_bytes(32)

_MOST_BYTES = 8_000_000  # of one text or array; of a larger one, evenly spaced pieces
_MOST_BYTES_OF_ALL = 32_000_000
_LEAST_BYTES = 4096  # that are read of each in any case
_PIECES = 64
_MOST_ITEMS = 20_000  # of lists, dicts, cells, attributes, all together
_MOST_IN_COLUMN = 2000  # cells of a column of a table with more than `_MOST_ITEMS` of them
_DEEPEST = 50
_BY_REPR = {"datetime", "decimal", "fractions", "ipaddress", "pathlib", "re", "uuid", "zoneinfo"}
"""Modules of Python whose values are known by what they are written as."""

_DATA_OF_ARTISTS = ("get_xydata", "get_array", "get_offsets", "get_xy", "get_width", "get_height", "get_text")
_NOT_OF_CLASS = {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "_abc_impl"}


def fingerprint(value: object, *, key: bytes = _OF_THIS_PROCESS) -> str:
    """Return a short text that stays the same while `value` does, and reveals nothing about it without the key.

    Nothing of the value is kept, nothing is imported, and nothing is raised. It takes a few hundredths of a second at
    most, except for what a library's own attributes take.

    Parameters
    ----------
    value : object
        Anything. Its repr is not asked for.
    key : bytes
        A secret of the user's, 16 to 64 random bytes. Fingerprints stand in notebooks that others read: without a key,
        whoever guesses a short value could check the guess. By default one of this process, whose fingerprints can't be
        compared with those of another.

    Returns
    -------
    str
        ``exact:…`` if all of the value went in; ``sampled:…`` if it is large, or not all of it can be read, so that a
        change can be missed; ``unknown:…`` if its type alone is known.
    """
    seen = _Reader(key)
    try:
        seen.value(value)
    except Exception:  # noqa: BLE001 - what a value's own code raises is nobody's concern here
        seen = _Reader(key)
        seen.type_of(value)
        seen.is_known = False
    return f"{seen.precision}:{seen.digest.hexdigest()}"


class _Reader:
    """Read values into a digest.

    Parameters
    ----------
    key : bytes
        The digest's key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]
        self.digest = hashlib.blake2b(key=self._key, digest_size=16)
        self.is_known = True
        self._is_whole = True
        self._left = _MOST_ITEMS
        self._bytes_left = _MOST_BYTES_OF_ALL
        self._inside: list[int] = []

    @property
    def precision(self) -> str:
        """How much of the value has been read."""
        return "unknown" if not self.is_known else "exact" if self._is_whole else "sampled"

    def value(self, value: Any) -> None:
        """Read a value."""
        self.type_of(value)
        self._left -= 1
        if self._left < 0 or len(self._inside) > _DEEPEST:
            self._is_whole = False
        elif id(value) in self._inside:
            self._bytes(b"%d" % self._inside.index(id(value)))
        else:
            self._inside.append(id(value))
            self._content(value)
            self._inside.pop()

    def type_of(self, value: Any) -> None:
        """Read the type of a value."""
        cls = type(value)
        self._bytes(f"{type.__dict__['__module__'].__get__(cls)}.{type.__dict__['__qualname__'].__get__(cls)}".encode())

    def _bytes(self, data: bytes | memoryview) -> None:
        """Read bytes, and their number: two texts must not run into one."""
        self._bytes_left -= len(data)
        self.digest.update(struct.pack("<q", len(data)))
        self.digest.update(data)

    def _buffer(self, data: memoryview) -> None:
        """Read a buffer, or the beginning, the end and evenly spaced pieces of a large one."""
        data = data.cast("B")
        for start, stop in self._pieces(data.nbytes):
            self._bytes(data[start:stop])

    def _most(self) -> int:
        """Return how many bytes may be read of the next text or array."""
        return max(_LEAST_BYTES, min(_MOST_BYTES, self._bytes_left))

    def _pieces(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the pieces of `size` bytes that are read: all, or evenly spaced ones, the two ends among them."""
        self._bytes(b"%d" % size)
        most = self._most()
        if size <= most:
            yield 0, size
            return
        self._is_whole = False
        step = most // _PIECES
        for i in range(_PIECES):
            start = (size - step) * i // (_PIECES - 1)
            yield start, start + step

    def _items(self, values: Iterable[Any]) -> None:
        for value in values:
            self.value(value)
            if self._left < 0:
                self._is_whole = False
                return

    def _content(self, value: Any) -> None:
        for read in (self._scalar, self._container, self._of_library, self._code, self._object):
            if read(value):
                return
        if len(self._inside) == 1:
            self.is_known = False
        self._is_whole = False

    def _scalar(self, value: Any) -> bool:
        match value:
            case None | types.NotImplementedType() | types.EllipsisType():
                pass
            case int():
                number = int.__index__(value)
                self._buffer(memoryview(number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)))
            case float():
                self._bytes(struct.pack("<d", float.__float__(value)))
            case str():
                self._text(str.__str__(value))
            case bytes() | bytearray() | memoryview():
                view = memoryview(value)
                self._buffer(view if view.c_contiguous else memoryview(view.tobytes()))
            case _ if isinstance(value, complex | range | slice) or type(value).__module__ in _BY_REPR:
                self._bytes(repr(value).encode("utf-8", "replace"))
            case Enum():
                self._text(value.name)
            case _:
                return False
        return True

    def _text(self, text: str) -> None:
        for start, stop in self._pieces(len(text)):
            self._bytes(text[start:stop].encode("utf-8", "surrogatepass"))

    def _container(self, value: Any) -> bool:
        match value:
            case list() | tuple() | deque():
                self._sequence(value)
            case dict():
                size, pairs = dict.__len__(value), dict.items(value)
                self._bytes(b"%d" % size)
                if size * 2 <= self._left:
                    self._items(chain.from_iterable(pairs))
                else:
                    self._is_whole = False
                    for ends in (pairs, reversed(pairs)):
                        self._items(chain.from_iterable(islice(ends, _MOST_IN_COLUMN)))
            case set() | frozenset():
                self._set(value)
            case _:
                return False
        self._own_attributes(value)
        return True

    def _sequence(self, value: Any) -> None:
        base: Any = next(cls for cls in (list, tuple, deque) if isinstance(value, cls))
        size, at = base.__len__(value), base.__getitem__
        most = min(size, max(1, self._left))
        self._bytes(b"%d" % size)
        if most < size:  # evenly spaced, the last one included
            self._is_whole = False
            most = min(most, _MOST_IN_COLUMN)
        self._items(at(value, (size - 1) * i // max(1, most - 1)) for i in range(most))

    def _set(self, value: Any) -> None:
        """Read a set, whose order is another in every process."""
        base: Any = set if isinstance(value, set) else frozenset
        size = base.__len__(value)
        self._bytes(b"%d" % size)
        if size > self._left:
            self._is_whole = False
            return
        digests = []
        share = max(10, self._left // max(1, size))
        for item in base.__iter__(value):
            inner = _Reader(self._key)
            inner._left, inner._bytes_left = share, self._bytes_left // size
            inner.value(item)
            digests.append(inner.digest.digest())
            self._is_whole &= inner.precision == "exact"
        self._left -= size
        self._bytes(b"".join(sorted(digests)))

    def _of_library(self, value: Any) -> bool:
        classes = families(value)
        read = next((read for class_, read in _READERS.items() if class_ in classes), None)
        if ("pandas", "RangeIndex") in classes:
            self._items((value.start, value.stop, value.step, value.name))
        elif ("polars", "LazyFrame") not in classes and (table := table_of(value)) is not None:
            self._table(table)
        elif read is not None:
            read(self, value)
        else:
            return False
        return True

    def _table(self, table: Table) -> None:
        self._bytes(b"%d %d" % (table.rows, table.width))
        most = min(table.width, 200)
        self._is_whole &= most == table.width
        columns = [(table.width - 1) * i // max(1, most - 1) for i in range(most)]
        before, used = self._left, 0
        budget = max(0, before) // max(1, most)
        for column in columns:
            self.value(table.label(column))
            self._text(table.dtype(column))
            array = table.numbers(column)
            if array is not None:
                self._array(array)
                continue
            self._left, used = budget, used + min(budget, table.rows)  # each column has a share of its own
            if table.rows <= budget:
                self._items(table.cells(column, 0, table.rows))
                continue
            self._is_whole = False
            step = 20
            blocks = min(_MOST_IN_COLUMN, budget) // step
            for i in range(blocks):
                start = (table.rows - step) * i // max(1, blocks - 1)
                self._items(table.cells(column, start, start + step))
        self._left = before - used
        index = getattr(table.value, "index", None)
        if table.index and index is not None:
            self.value(index)

    def _array(self, array: Any) -> None:
        self._text(f"{array.dtype} {array.shape}")
        if array.dtype.hasobject:
            self._container(thinned(array, _MOST_ITEMS).reshape(-1).tolist())
            self._is_whole &= array.size <= _MOST_ITEMS
            return
        few = thinned(array, self._most() // max(1, array.dtype.itemsize))
        self._is_whole &= few.size == array.size
        if few.size:
            self._bytes(few.tobytes())

    def _array_item(self, item: Any) -> None:
        self._text(str(item.dtype))
        self._bytes(item.tobytes())

    def _tensor(self, tensor: Any) -> None:
        numpy = sys.modules.get("numpy")
        few = thinned(tensor, self._most() // 8)
        self._text(f"{tensor.dtype} {tuple(tensor.shape)}")
        if hasattr(few, "detach"):
            few = few.detach().cpu()
        if numpy is None or "bfloat" in str(tensor.dtype):
            self._container(thinned(few, _MOST_ITEMS // 2).reshape(-1).tolist())
            self._is_whole = False
        else:
            self._array(numpy.asarray(few))
            self._is_whole &= few.shape == tensor.shape

    def _picture(self, image: Any) -> None:
        self._text(f"{image.mode} {image.size}")
        rows = max(1, min(image.height, self._most() // max(1, image.width * 4)))
        if rows == image.height:
            self._bytes(image.tobytes())
            return
        self._is_whole = False
        for i in range(min(rows, 100)):
            top = (image.height - 1) * i // 99
            self._bytes(image.crop((0, top, image.width, top + 1)).tobytes())

    def _drawing(self, figure: Any) -> None:
        """Read what a figure of matplotlib shows; how it looks has a thousand attributes more."""
        self._is_whole = False
        self._bytes(figure.get_size_inches().tobytes())
        for axes in figure.axes:
            for name in ("get_title", "get_xlabel", "get_ylabel", "get_xscale", "get_yscale"):
                self._text(str(getattr(axes, name)()))
            for artist in (*axes.lines, *axes.images, *axes.collections, *axes.patches, *axes.texts):
                self.type_of(artist)
                for name in _DATA_OF_ARTISTS:
                    if callable(method := getattr(type(artist), name, None)):
                        self.value(method(artist))
                if callable(path := getattr(artist, "get_path", None)):
                    self.value(path().vertices)

    def _code(self, value: Any) -> bool:
        match value:
            case types.FunctionType():
                self._items((value.__code__, value.__defaults__, value.__kwdefaults__))
                self._items(cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType())
            case types.CodeType():
                self._bytes(value.co_code)
                self._items((value.co_consts, value.co_names, value.co_varnames))
            case types.MethodType():
                self._items((value.__func__, value.__self__))
            case partial():
                self._items((value.func, value.args, value.keywords))
            case type():
                self._text(f"{value.__module__}.{value.__qualname__}")
                self._items(chain.from_iterable(one for one in vars(value).items() if one[0] not in _NOT_OF_CLASS))
            case types.ModuleType() | types.BuiltinFunctionType():
                version = vars(value).get("__version__", "") if hasattr(value, "__dict__") else ""
                self._text(f"{value.__name__} {version}")
                self._is_whole = False
            case BaseException():
                self._items((value.args, vars(value)))
            case _:
                return False
        return True

    def _object(self, value: Any) -> bool:
        """Read the attributes of an object, slots included."""
        found = self._own_attributes(value)
        for cls in type(value).__mro__:
            slots = vars(cls).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                member = vars(cls).get(name)
                if isinstance(member, types.MemberDescriptorType):
                    found = True
                    try:
                        self.value(member.__get__(value))
                    except AttributeError:
                        self._bytes(b"unset")
        return found

    def _own_attributes(self, value: Any) -> bool:
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return False
        if not isinstance(attributes, dict):
            return False
        for name, one in attributes.items():
            # A cached property appears when somebody looks at the value, which does not change it.
            if not isinstance(getattr(type(value), name, None) if isinstance(name, str) else None, cached_property):
                self.value(name)
                self.value(one)
        return True


_READERS: Mapping[tuple[str, str], Callable[[_Reader, Any], None]] = {
    ("numpy", "ndarray"): _Reader._array,  # noqa: SLF001 - its own module
    ("numpy", "generic"): _Reader._array_item,  # noqa: SLF001
    ("torch", "Tensor"): _Reader._tensor,  # noqa: SLF001
    ("jax", "Array"): _Reader._tensor,  # noqa: SLF001
    ("PIL", "Image"): _Reader._picture,  # noqa: SLF001
    ("matplotlib", "Figure"): _Reader._drawing,  # noqa: SLF001
}
"""How the values of libraries are read, by the library and the name of the class."""
