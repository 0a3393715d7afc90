"""A document that a prompt sends as a file, such as a PDF."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.messages import FilePart, TextPart
from berlin_magic.prompts.description import Bounds, Description, Limit

__all__ = ["Document", "describe_document", "is_pdf", "tokens_of_file"]

_HEAD = 1024  # bytes that are searched for the mark of a PDF: some programs write something before it
_PAGE = re.compile(rb"/Type\s*/Page\b")
_BYTES = 4  # of a file whose pages are not known, for a token
_PAGE_TOKENS = 2000  # the text of a page and a picture of it


@dataclass(frozen=True)
class Document:
    """What `file('paper.pdf')` gives in a prompt.

    Attributes
    ----------
    name : str
        The name of the file, without its folder.
    data : bytes
        What is in it.
    """

    name: str
    data: bytes = field(repr=False)


def is_pdf(data: bytes) -> bool:
    """Say whether `data` is a PDF file; OpenAI's chat completions take no other kind."""
    return b"%PDF-" in data[:_HEAD]


def describe_document(value: Any, level: Limit, _bounds: Bounds) -> Description | None:
    """Return a document as a file part; at the level ``schema`` its kind and size alone. There is no half of it."""
    if not isinstance(value, Document):
        return None
    kind = f"PDF file, {len(value.data):,} bytes"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    url = f"data:application/pdf;base64,{base64.b64encode(value.data).decode()}"
    return Description(kind, (FilePart(value.name, url),), "full")


def tokens_of_file(url: str) -> int:
    """Return about how many tokens a file costs: by its pages, or by its bytes if its pages can't be counted."""
    try:
        data = base64.b64decode(url.partition(";base64,")[2])
    except ValueError:
        return len(url) // _BYTES
    pages = len(_PAGE.findall(data))
    return pages * _PAGE_TOKENS if pages else len(data) // _BYTES
