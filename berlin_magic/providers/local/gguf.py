"""Read the header of a GGUF file, a file with a language model.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Header", "NotAModelError", "header"]

_VERSIONS = {2, 3}
_TEXT_LIMIT = 1 << 20  # bytes; a larger length is a damaged one
_MOST_ENTRIES = 1 << 16
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


class NotAModelError(ValueError):
    """The file is not a GGUF file, or ends within its header."""


@dataclass(frozen=True, slots=True)
class Header:
    """The properties of a model that are read.

    Attributes
    ----------
    architecture : str
        For example ``"llama"``; ``"clip"`` for a file that only reads images for another model.
    context_length : int
        Tokens that it was trained to read; 0 if the file does not say.
    """

    architecture: str
    context_length: int


def header(path: Path) -> Header:
    """Return the header of the file at `path`. It reads a few kilobytes, also of a large file.

    Raises
    ------
    NotAModelError
        If it is not a GGUF file.
    OSError
        If it can't be read.
    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise NotAModelError("it is not a GGUF file")
        try:
            return _read(file)
        except (struct.error, UnicodeDecodeError, KeyError, RecursionError):
            raise NotAModelError("its header is damaged or cut") from None


def _read(file: BinaryIO) -> Header:
    if (version := _number(file, "<I")) not in _VERSIONS:
        raise NotAModelError(f"its GGUF version is {version}, and 2 or 3 can be read")
    _number(file, "<Q")  # how many tensors there are
    architecture = ""
    for _ in range(min(int(_number(file, "<Q")), _MOST_ENTRIES)):
        key = _text(file)
        if key.startswith("tokenizer."):  # the vocabulary is long, and comes after the entries that are needed
            break
        value = _value(file, int(_number(file, "<I")))
        if key == "general.architecture":
            architecture = str(value)
        elif isinstance(value, int) and architecture and key == f"{architecture}.context_length":
            return Header(architecture, value)
    return Header(architecture, 0)


def _value(file: BinaryIO, kind: int) -> str | float | None:
    """Read a value of that type; None for an array, whose entries are skipped."""
    if kind == _ARRAY:
        entries = int(_number(file, "<I"))
        count = int(_number(file, "<Q"))
        if count > _MOST_ENTRIES:
            raise NotAModelError("its header is damaged or cut")
        for _ in range(count):
            _value(file, entries)
        return None
    return _text(file) if kind == _STRING else _number(file, _NUMBERS[kind])


def _number(file: BinaryIO, form: str) -> float:
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return value  # type: ignore[no-any-return]


def _text(file: BinaryIO) -> str:
    length = int(_number(file, "<Q"))
    if length > _TEXT_LIMIT:
        raise NotAModelError("its header is damaged or cut")
    data = file.read(length)
    if len(data) < length:
        raise NotAModelError("its header is damaged or cut")
    return data.decode()
