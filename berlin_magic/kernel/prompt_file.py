"""The text of a file, for `file('…')` in a prompt."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["read_file"]

_LARGEST = 400_000  # bytes of a text file that is read at most


def read_file(path: str | os.PathLike[str]) -> str:
    """Return the text of the file at `path`.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If it is too large, or no text.
    """
    file = Path(path).expanduser()
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{file.name} has more than {_LARGEST:,} bytes: read a part of it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{file.name} is no text in UTF-8") from None
