"""The journal of one conversation into the store."""

from __future__ import annotations

import time

from berlin_magic.packing import packed, packed_json
from berlin_magic.records import Record
from berlin_magic.store import Store
from berlin_magic.writer import Statement

__all__ = ["StoredJournal"]


class StoredJournal:
    """Writes one conversation into a store; a `journal.Journal`."""

    def __init__(self, store: Store, conversation: str, notebook: str, name: str, system: str = "") -> None:
        self._store = store
        self._id = conversation
        self._notebook = notebook
        self._name = name
        self._system = system

    def place(self, record: Record) -> None:
        """Take a place."""
        self._store.put(self._head(), (_PLACE, (self._id, record["key"], packed_json(record))))

    def event(self, record: Record) -> None:
        """Take something that happened; with the end of a turn its pieces are no longer needed."""
        rest = {name: value for name, value in record.items() if name != "reply"}
        statements: list[Statement] = [
            self._head(),
            (
                _EVENT,
                (
                    self._id,
                    record["id"],
                    packed_json(rest),
                    packed(record.get("reply", "")),
                ),
            ),
        ]
        if record.get("finish") not in {None, "running"}:
            statements.append(("DELETE FROM pieces WHERE conversation = ? AND turn = ?", (self._id, record["id"])))
        self._store.put(*statements)

    def piece(self, turn: str, text: str) -> None:
        """Take a piece of a reply."""
        statement = ("INSERT INTO pieces (conversation, turn, text) VALUES (?, ?, ?)", (self._id, turn, packed(text)))
        self._store.put(statement, urgent=False)

    def system(self, text: str) -> None:
        """Take the system prompt."""
        self._system = text
        self._store.put(self._head(), ("UPDATE conversations SET system = ? WHERE id = ?", (packed(text), self._id)))

    def _head(self) -> Statement:
        values = (self._id, self._notebook, self._name, packed(self._system), time.time())
        return _CONVERSATION, values


_CONVERSATION = (
    "INSERT INTO conversations VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET changed = excluded.changed"
)
_PLACE = "INSERT INTO places VALUES (?, ?, ?) ON CONFLICT (conversation, key) DO UPDATE SET record = excluded.record"
_EVENT = (
    "INSERT INTO events VALUES (?, ?, ?, ?)"
    " ON CONFLICT (conversation, id) DO UPDATE SET record = excluded.record, reply = excluded.reply"
)
