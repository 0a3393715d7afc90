"""The replies to questions for every row, in the user's database."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from berlin_magic.conversations.storage.database import Store, json_of, packed, packed_json, unpacked

__all__ = ["AskedRows", "Key", "StoredRow"]


class Key(NamedTuple):
    """The key of a stored reply.

    Attributes
    ----------
    request : str
        The digest of messages, model and options (`replay.digest`).
    occurrence : int
        The number of earlier rows with the same request in the same call: each has its own reply.
    """

    request: str
    occurrence: int


class StoredRow(NamedTuple):
    """A stored reply.

    Attributes
    ----------
    reply : str
        Its text.
    more : mapping
        Its model and provider, its tokens, its cost.
    """

    reply: str
    more: dict[str, Any]


class AskedRows:
    """The stored replies of all notebooks.

    Parameters
    ----------
    store : Store or None
        The user's database; without one nothing is found, and nothing kept.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store

    def find(self, keys: Iterable[Key]) -> dict[Key, StoredRow]:
        """Return the replies that are stored; call it in a thread."""
        if self._store is None:
            return {}
        found = {}
        query = "SELECT reply, more FROM asked_rows WHERE request = ? AND occurrence = ?"
        for key, rows in zip(wanted := list(keys), self._store.rows_of_each(query, wanted), strict=False):
            for reply, more in rows:
                found[key] = StoredRow(unpacked(reply), json_of(more))
        return found

    def put(self, key: Key, row: StoredRow, done: threading.Event) -> None:
        """Store a reply in the place of a former one; `done` is set when it is on disk, or can't be."""
        if self._store is None:
            done.set()
            return
        values = (*key, packed(row.reply), packed_json(row.more))
        self._store.put(("INSERT OR REPLACE INTO asked_rows VALUES (?, ?, ?, ?)", values), done=done)
