"""The stream of one reply: JSON objects with a blank line between them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from berlin_magic.server.context import timestamp

__all__ = ["Segments", "encode"]


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8, compact."""
    try:
        return _json(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can carry
        return json.dumps(value, separators=(",", ":")).encode()


class Segments:
    """Writes the segments of one reply: `start`, `text` for each piece, `stop`.

    Parameters
    ----------
    parent : str
        The `parentMessageId` that the client sent.
    """

    def __init__(self, parent: str) -> None:
        # What all have in common is written once: a reply has thousands.
        self._begin = b'{"id":"%b","role":"assistant","segment":"' % uuid4().hex.encode()
        self._end = b',"parentMessageId":%b' % encode(parent)

    def start(self) -> bytes:
        """Open the reply."""
        return self._segment(b"start", "") + b"}\n\n"

    def text(self, piece: str) -> bytes:
        """Add `piece` to the reply."""
        return self._segment(b"text", piece) + b"}\n\n"

    def stop(self, reason: str = "") -> bytes:
        """End the reply. Nothing follows the last object, not even a line end (wire/chat-first-turn).

        `reason` is the engine's word for why, e.g. ``length``. The protocol has no place for it: it is under a key that
        clients which do not know it pass over.
        """
        return self._segment(b"stop", "") + (b',"finishReason":%b}' % encode(reason) if reason else b"}")

    def _segment(self, segment: bytes, content: str) -> bytes:
        """Return one object, but for its closing brace."""
        return b'%b%b","dateTime":"%b","content":%b%b' % (
            self._begin,
            segment,
            timestamp().encode(),
            encode(content),
            self._end,
        )
