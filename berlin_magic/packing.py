"""Text and JSON as the database holds them: bytes, because a model's text may hold what is no valid Unicode."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_of", "packed", "packed_json", "unpacked"]


def packed(text: str) -> bytes:
    """Return `text` as bytes; half a surrogate pair, which JSON can hold and SQLite takes for no text, included."""
    return text.encode("utf-8", "surrogatepass")


def packed_json(value: Any) -> bytes:
    """Return a JSON value as bytes."""
    return packed(json.dumps(value, ensure_ascii=False))


def unpacked(stored: Any) -> str:
    """Return the text that `packed` made bytes of."""
    return stored.decode("utf-8", "surrogatepass") if isinstance(stored, bytes) else str(stored)


def json_of(stored: Any) -> Any:
    """Return the value that was stored; an empty dict, which is no record of anything, where it is not readable."""
    try:
        return json.loads(stored)
    except (ValueError, TypeError):
        return {}
