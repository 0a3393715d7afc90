"""The bill: what one reply costs in tokens, as its engine counts them, else estimated."""

from __future__ import annotations

from collections.abc import Sequence

from berlin_magic.events import Finish, Reasoning, Usage
from berlin_magic.server.engine import Message, Piece

__all__ = ["Bill"]

_BYTES_A_TOKEN = 4  # the usual rule of thumb, in UTF-8: it holds for English, and not too badly for Chinese


class Bill:
    """Adds up one reply.

    Parameters
    ----------
    messages : sequence
        What the engine is sent.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self._sent = sum(_size(str(message.get("content") or "")) for message in messages)
        self._received = 0
        self._told = Usage()
        self._due = False
        self._closed = False

    def add(self, piece: Piece) -> None:
        """Count `piece`, which the engine has given."""
        self._due = True
        if isinstance(piece, Usage):
            self._told = piece  # some engines tell it again and again, as it grows
        elif not isinstance(piece, Finish):
            self._received += _size(piece.text if isinstance(piece, Reasoning) else piece)

    @property
    def tokens(self) -> int:
        """What it comes to so far: the engine's own numbers where it has told any, at least 1."""
        sent = self._told.prompt_tokens or self._sent // _BYTES_A_TOKEN
        received = self._told.completion_tokens or self._received // _BYTES_A_TOKEN
        return max(1, sent + received)

    @property
    def open_tokens(self) -> int:
        """What it comes to so far, for as long as it is neither paid nor waived."""
        return 0 if self._closed else self.tokens

    def waive(self) -> None:
        """Ask nothing for a question that was refused after all."""
        self._due, self._closed = False, True

    def settle(self) -> int:
        """Return what is to be paid, once: 0 the second time, and where the engine has given nothing."""
        due, self._due, self._closed = self._due, False, True
        return self.tokens if due else 0


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
