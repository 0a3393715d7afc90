"""The store: conversations in a database of the user's own, written by a thread of its own."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage.schema import connected, opened, unusable
from berlin_magic.conversations.storage.writer import Statement, Writer
from berlin_magic.errors import StoreError

__all__ = ["Entry", "Known", "Store", "StoredJournal", "json_of", "packed", "packed_json", "unpacked"]


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


T = TypeVar("T")

_PATIENCE = 60.0  # seconds that `forget` waits for its turn


class Known(NamedTuple):
    """A notebook as the store knows it: its id, where its file was last, and the ids of its cells."""

    id: str
    path: str
    cells: frozenset[str]


class Entry(NamedTuple):
    """A stored conversation: its id and name, its notebook's path, when it changed (epoch), how much is in it."""

    id: str
    name: str
    path: str
    changed: float
    size: int


class Store:
    """One database, shared with other kernels. Whatever goes wrong with it becomes a warning; nothing else stops.

    Parameters
    ----------
    path : Path
        The file; made where there is none.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readable = False
        self._warnings: list[str] = []
        self._told: set[str] = set()
        self._writer = Writer(path, lambda error: self._give_up(self._says(error)))
        state = self._tried(lambda: opened(path), None)
        self._readable = state is not None
        if state is None:
            return
        self._writer.broken = not state.writable
        if state.warning:
            self._warnings.append(state.warning)

    def take_warnings(self) -> list[str]:
        """Return what the user should know and has not been told yet."""
        taken, self._warnings = self._warnings, []
        return taken

    @property
    def broken(self) -> bool:
        """Whether nothing is stored any more."""
        return self._writer.broken

    def put(self, *statements: Statement, urgent: bool = True) -> None:
        """Have statements carried out soon, in order."""
        self._writer.put(*statements, urgent=urgent)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything noted so far is on disk; say whether it is."""
        return self._writer.flush(timeout)

    def record(self, conversation: str) -> Record | None:
        """Return a conversation as a record, as far as it is stored; None where it is not.

        A reply whose end is not stored is what was there of it.
        """

        def read(connection: sqlite3.Connection) -> Record | None:
            head = connection.execute("SELECT system FROM conversations WHERE id = ?", (conversation,)).fetchone()
            if head is None:
                return None
            places = connection.execute("SELECT record FROM places WHERE conversation = ?", (conversation,)).fetchall()
            events = connection.execute(
                "SELECT id, record FROM events WHERE conversation = ? ORDER BY number", (conversation,)
            ).fetchall()
            parts = _parts(connection, conversation)
            return {
                "system": unpacked(head[0]),
                "places": [json_of(text) for (text,) in places],
                "events": [{**json_of(text), **parts.get(id_, {})} for id_, text in events],
            }

        return self._read(read, None)

    def every_conversation(self) -> list[Entry]:
        """Return what is stored, of all notebooks, the latest first."""
        rows: list[tuple[str, str, str, float, int]] = self._read(
            lambda connection: connection.execute(
                "SELECT c.id, c.name, coalesce(n.path, ''), c.changed,"
                " (SELECT count(*) FROM events AS e WHERE e.conversation = c.id)"
                " FROM conversations AS c LEFT JOIN notebooks AS n ON n.id = c.notebook ORDER BY c.changed DESC"
            ).fetchall(),
            [],
        )
        return [Entry(*row) for row in rows]

    def conversations(self, notebook: str) -> dict[str, str]:
        """Return the conversations of a notebook: names, each with an id."""
        rows: list[tuple[str, str]] = self._read(
            lambda connection: connection.execute(
                "SELECT name, id FROM conversations WHERE notebook = ? ORDER BY changed", (notebook,)
            ).fetchall(),
            [],
        )
        return dict(rows)

    def notebooks(self, *, id_: str | None = None, path: str | None = None, cell: str | None = None) -> list[Known]:
        """Return the notebooks with this id, at this path, or at no path and with this cell; the latest first."""
        rows: list[tuple[str, str, str]] = self._read(
            lambda connection: connection.execute(
                "SELECT id, path, cells FROM notebooks WHERE id = ? OR path = ?"
                " OR (path = '' AND instr(cells, ?)) ORDER BY seen DESC",
                (id_, path, None if cell is None else json.dumps(cell)),
            ).fetchall(),
            [],
        )
        return [Known(known, where, frozenset(json_of(cells))) for known, where, cells in rows]

    def note_notebook(self, id_: str, path: str, cells: Iterable[str]) -> None:
        """Note where a notebook is, and its cells."""
        self.put(
            (
                _NOTEBOOK,
                (id_, path, json.dumps(sorted(cells)), time.time()),
            )
        )

    def forget(self, conversation: str, turns: Iterable[str]) -> bool:
        """Delete a conversation for good, and say whether that has succeeded.

        The ids of its `turns` are kept, and nothing else, so that a notebook file does not bring them back.
        """
        if self.broken:
            return False
        done = threading.Event()
        self._writer.put(
            *[(f"DELETE FROM {table} WHERE conversation = ?", (conversation,)) for table in _TABLES],  # noqa: S608 - ours
            ("DELETE FROM conversations WHERE id = ?", (conversation,)),
            *[("INSERT OR IGNORE INTO forgotten VALUES (?)", (turn,)) for turn in turns],
            done=done,
            truncate=True,
        )
        return done.wait(_PATIENCE) and not self.broken

    def forgotten(self, turns: Iterable[str]) -> set[str]:
        """Return those of `turns` that the user has had deleted."""

        def read(connection: sqlite3.Connection) -> set[str]:
            query = "SELECT 1 FROM forgotten WHERE id = ?"
            return {turn for turn in turns if connection.execute(query, (turn,)).fetchone()}

        return self._read(read, set())

    def _read(self, read: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        if not self._readable:
            return otherwise
        if not self.broken and self._writer.begun:
            self.flush()

        def reading() -> T:
            with connected(self.path, writable=not self.broken) as connection:
                return read(connection)

        return self._tried(reading, otherwise)

    def _tried(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except StoreError as error:
            self._give_up(str(error))
        except (sqlite3.Error, OSError, ValueError) as error:
            self._give_up(self._says(error))
        return otherwise

    def _says(self, error: Exception) -> str:
        what = "is broken" if isinstance(error, sqlite3.Error) and unusable(error) else "can't be used"
        return (
            f"{self.path} {what} ({error}), and was left as it is.\n"
            "The conversation lives in memory until the kernel ends; BerlinMagics.database names another file."
        )

    def _give_up(self, warning: str) -> None:
        self._writer.broken = True
        if warning not in self._told:  # once is enough
            self._told.add(warning)
            self._warnings.append(warning)


def _parts(connection: sqlite3.Connection, conversation: str) -> dict[str, dict[str, list[Record]]]:
    """Return the parts of each turn, by its id and by the name that they have in its record."""
    found: dict[str, dict[str, list[Record]]] = {}
    deltas = connection.execute(
        "SELECT turn, type, text FROM deltas WHERE conversation = ? ORDER BY number", (conversation,)
    )
    for (turn, kind), rows in groupby(deltas, key=lambda row: row[:2]):
        text = "".join(unpacked(text) for _, _, text in rows)
        found.setdefault(turn, {}).setdefault("parts", []).append({"type": kind, "text": text})
    whole = connection.execute(
        "SELECT turn, side, type, text, more FROM parts WHERE conversation = ? ORDER BY turn, side, position",
        (conversation,),
    )
    for (turn, side), rows in groupby(whole, key=lambda row: row[:2]):
        parts = [
            {"type": kind, **({"text": unpacked(text)} if text else {}), **json_of(more)}
            for _, _, kind, text, more in rows
        ]
        found.setdefault(turn, {})["question" if side == "question" else "parts"] = parts
    return found


_TABLES = ("places", "events", "parts", "deltas")
_NOTEBOOK = (
    "INSERT INTO notebooks VALUES (?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET path = excluded.path, cells = excluded.cells, seen = excluded.seen"
)


class StoredJournal:
    """Write one conversation into a store; a `serialization.Journal`."""

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
        """Take something that happened; with the end of a turn its deltas are no longer needed."""
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
                statements += [(_DELTA, (*turn, part["type"], packed(part.get("text", "")))) for part in reply]
            else:
                statements += [_part(*turn, "reply", number, part) for number, part in enumerate(reply)]
        self._store.put(*statements)

    def delta(self, turn: str, kind: str, text: str) -> None:
        """Take what was added to a part of a running reply."""
        self._store.put((_DELTA, (self._id, turn, kind, packed(text))), urgent=False)

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
    "INSERT INTO events (conversation, id, record) VALUES (?, ?, ?)"
    " ON CONFLICT (conversation, id) DO UPDATE SET record = excluded.record"
)
_DELTA = "INSERT INTO deltas (conversation, turn, type, text) VALUES (?, ?, ?, ?)"


def _part(conversation: str, turn: str, side: str, position: int, part: Record) -> Statement:
    more = {name: value for name, value in part.items() if name not in {"type", "text"}}
    values = (conversation, turn, side, position, part["type"], packed(part.get("text", "")), packed_json(more))
    return "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values
