"""The journal that stores one conversation."""

from __future__ import annotations

import time

from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage.database import Store, packed, packed_json
from berlin_magic.conversations.storage.writer import Statement

__all__ = ["StoredJournal"]


class StoredJournal:
    """Write one conversation into a store; a `serialization.Journal`."""

    def __init__(self, store: Store, conversation: str, notebook: str, name: str, system: str = "") -> None:
        self._store = store
        self._id = conversation
        self._notebook = notebook
        self._name = name
        self._system = system

    def place(self, record: Record) -> None:
        """Store a place."""
        self._store.put(self._head(), (_PLACE, (self._id, record["key"], packed_json(record))))

    def event(self, record: Record) -> None:
        """Store an event; the deltas of a turn that has ended are deleted."""
        turn = (self._id, record["id"])
        rest = {name: value for name, value in record.items() if name not in {"parts", "question"}}
        statements: list[Statement] = [self._head(), (_EVENT, (*turn, packed_json(rest)))]
        running = record.get("finish") == "running"
        if record.get("kind") == "turn":
            question, reply = record.get("question", ()), record.get("parts", ())
            statements.append(("DELETE FROM parts WHERE conversation = ? AND turn = ?", turn))
            statements.append(("DELETE FROM deltas WHERE conversation = ? AND turn = ?", turn))
            statements += [_part(*turn, "question", number, part) for number, part in enumerate(question)]
            if running:
                texts = [(part["type"], part.get("text") or part.get("url") or "") for part in reply]
                statements += [(_DELTA, (*turn, kind, packed(text))) for kind, text in texts]
            else:
                statements += [_part(*turn, "reply", number, part) for number, part in enumerate(reply)]
        self._store.put(*statements)

    def delta(self, turn: str, kind: str, text: str) -> None:
        """Store text that was added to a part of a running reply."""
        self._store.put((_DELTA, (self._id, turn, kind, packed(text))), urgent=False)

    def system(self, text: str) -> None:
        """Store the system prompt."""
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
    "INSERT INTO events (conversation, id, record) VALUES (?, ?, ?)"
    " ON CONFLICT (conversation, id) DO UPDATE SET record = excluded.record"
)
_DELTA = "INSERT INTO deltas (conversation, turn, type, text) VALUES (?, ?, ?, ?)"


def _part(conversation: str, turn: str, side: str, position: int, part: Record) -> Statement:
    more = {name: value for name, value in part.items() if name not in {"type", "text"}}
    values = (conversation, turn, side, position, part["type"], packed(part.get("text", "")), packed_json(more))
    return "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values
