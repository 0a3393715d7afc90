"""The stream of one reply, as the protocol writes it: JSON objects with a blank line between them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from berlin_magic.server.context import timestamp

__all__ = ["Segments", "encode"]


def encode(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8, compact."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
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
        self._parent = parent
        self._id = uuid4().hex

    def start(self) -> bytes:
        """Open the reply."""
        return self._segment("start", "") + b"\n\n"

    def text(self, piece: str) -> bytes:
        """Add `piece` to the reply."""
        return self._segment("text", piece) + b"\n\n"

    def stop(self, reason: str = "") -> bytes:
        """End the reply. Nothing follows the last object, not even a line end (wire/chat-first-turn).

        `reason` is the engine's word for why, e.g. ``length``. The protocol has no place for it: it is told under a key
        that clients which do not know it pass over.
        """
        return self._segment("stop", "", **({"finishReason": reason} if reason else {}))

    def _segment(self, segment: str, content: str, **more: str) -> bytes:
        return encode(
            {
                "id": self._id,
                "role": "assistant",
                "segment": segment,
                "dateTime": timestamp(),
                "content": content,
                "parentMessageId": self._parent,
                **more,
            }
        )
