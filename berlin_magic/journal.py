"""A journal: who is told of every change of a conversation, as it happens."""

from __future__ import annotations

from typing import Protocol

from berlin_magic.records import Record

__all__ = ["Journal"]


class Journal(Protocol):
    """Is told of every change as it happens, in records; none of its methods waits for anything."""

    def place(self, record: Record) -> None:
        """Take a place that is new, or stands otherwise than before."""

    def event(self, record: Record) -> None:
        """Take something that happened, or a turn that has changed."""

    def piece(self, turn: str, text: str) -> None:
        """Take what was added to the reply of a running turn."""

    def system(self, text: str) -> None:
        """Take a new system prompt."""
