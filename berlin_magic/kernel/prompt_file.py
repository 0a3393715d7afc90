"""What is in a file, for `file('…')` in a prompt."""

from __future__ import annotations

import os
from pathlib import Path

from berlin_magic.prompts.documents import Document, is_pdf

__all__ = ["read_document", "read_file"]

_LARGEST = 400_000  # bytes of a text file that is read at most
_LARGEST_DOCUMENT = 20_000_000  # bytes


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


def read_document(path: str | os.PathLike[str]) -> str | Document:
    """Return the text of the file at `path`, or the document that it is.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If it is too large, or neither text nor a PDF.
    """
    file = Path(path).expanduser()
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
        if not is_pdf(content):
            return read_file(path)
        content += opened.read(_LARGEST_DOCUMENT + 1 - len(content))
    if len(content) > _LARGEST_DOCUMENT:
        raise ValueError(f"{file.name} has more than {_LARGEST_DOCUMENT:,} bytes: no server takes it")
    return Document(file.name, content)
