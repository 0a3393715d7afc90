"""The store: the user's database of conversations."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage.schema import connected, opened, unusable
from berlin_magic.conversations.storage.writer import Statement, Writer
from berlin_magic.errors import StoreError

__all__ = ["Entry", "Known", "Store", "json_of", "packed", "packed_json", "unpacked"]


def packed(text: str) -> bytes:
    """Return `text` as bytes, which may hold half a surrogate pair: JSON allows it, text in SQLite does not."""
    return text.encode("utf-8", "surrogatepass")


def packed_json(value: Any) -> bytes:
    """Return a JSON value as bytes."""
    return packed(json.dumps(value, ensure_ascii=False))


def unpacked(stored: Any) -> str:
    """Return the text of the bytes that `packed` has returned."""
    return stored.decode("utf-8", "surrogatepass") if isinstance(stored, bytes) else str(stored)


def json_of(stored: Any) -> Any:
    """Return the stored JSON value; an empty dict, which is no record, if it can't be read."""
    try:
        return json.loads(unpacked(stored))
    except (ValueError, TypeError, RecursionError):
        return {}


T = TypeVar("T")

_PATIENCE = 60.0  # seconds that `forget` waits for the writer


class Known(NamedTuple):
    """A notebook as the store knows it.

    Attributes
    ----------
    id, path : str
        Its id, and the last path of its file; empty for no file.
    cells : dict
        The ids of its cells, each with the digest of its source when it last asked, or an empty text.
    file, state : str
        The identity and the state of the file when it was last read (`notebook_identity.Stamp`).
    """

    id: str
    path: str
    cells: Mapping[str, str]
    file: str = ""
    state: str = ""


class Entry(NamedTuple):
    """A stored conversation: id, name, path of its notebook, time of the last change (epoch), number of events."""

    id: str
    name: str
    path: str
    changed: float
    size: int


class Store:
    """One database, shared with other kernels. Its errors become warnings, and the conversation goes on.

    Parameters
    ----------
    path : Path
        The file; it is made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readable = False
        self._warnings: list[str] = []
        self._warned: set[str] = set()
        self._writer = Writer(path, lambda error: self._give_up(self._warning_of(error)))
        state = self._attempt(lambda: opened(path), None)
        self._readable = state is not None
        if state is None:
            return
        self._writer.broken = not state.writable
        if state.warning:
            self._warnings.append(state.warning)

    def take_warnings(self) -> list[str]:
        """Return the warnings that the user has not seen yet."""
        taken, self._warnings = self._warnings, []
        return taken

    @property
    def broken(self) -> bool:
        """Whether nothing is stored any more."""
        return self._writer.broken

    def put(self, *statements: Statement, urgent: bool = True, done: threading.Event | None = None) -> None:
        """Run statements soon, in order, in the writer's thread; `done` is set afterwards, also after an error."""
        # A value that SQLite refuses would end all writing.
        storable = [
            (sql, [_as_text(value) if isinstance(value, str) else value for value in values])
            for sql, values in statements
        ]
        self._writer.put(*storable, urgent=urgent, done=done)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all earlier writes are on disk; return whether they are."""
        return self._writer.flush(timeout)

    def record(self, conversation: str) -> Record | None:
        """Return the record of a stored conversation; None if it is not stored.

        If the end of a reply is not stored, the record has the part that is.
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
        """Return the stored conversations of all notebooks, the latest first."""
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

    def notebooks(self, *, path: str = "", file: str = "", cell: str = "") -> list[Known]:
        """Return the notebooks at this path, those of this file, or those at no path with this cell; the latest first.

        Empty arguments are ignored.
        """

        def read(connection: sqlite3.Connection) -> list[Known]:
            rows = connection.execute(
                "SELECT id, path, file, state FROM notebooks WHERE (path = ?1 AND path != '') OR (file = ?2"
                " AND file != '') OR (path = '' AND ?3 != '' AND id IN (SELECT notebook FROM cells WHERE cell = ?3))"
                " ORDER BY seen DESC",
                (_as_text(path), file, _as_text(cell)),
            ).fetchall()
            query = "SELECT cell, source FROM cells WHERE notebook = ? ORDER BY rowid"
            return [
                Known(id_, where, dict(connection.execute(query, (id_,))), found, state)
                for id_, where, found, state in rows
            ]

        return self._read(read, [])

    def note_notebook(self, id_: str, path: str, cells: Mapping[str, str], *, file: str = "", state: str = "") -> None:
        """Store the path of a notebook, and cells of it, each with the digest of its source if it has asked."""
        self.put(
            (_NOTEBOOK, (id_, _as_text(path), file, state, time.time())),
            *[(_CELL, (id_, _as_text(cell), source)) for cell, source in cells.items()],
        )

    def events(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records of the user's own events, by id; none that came from a file."""

        def read(connection: sqlite3.Connection) -> dict[str, Record]:
            found: dict[str, Record] = {}
            query = "SELECT conversation, record FROM events WHERE id = ? ORDER BY number"
            for id_ in ids:
                for conversation, text in connection.execute(query, (id_,)).fetchall():
                    record = {**json_of(text), **_parts(connection, conversation, id_).get(id_, {})}
                    if not record.get("from_file"):
                        found[id_] = record
            return found

        return self._read(read, {})

    def trust(self, digests: Iterable[str]) -> None:
        """Store that the user trusts the entries with these digests."""
        self.put(*[("INSERT OR IGNORE INTO trusted VALUES (?)", (one,)) for one in digests])

    def trusted(self, digests: Iterable[str]) -> set[str]:
        """Return those of the `digests` whose entries the user trusts."""
        return self._among(digests, "SELECT 1 FROM trusted WHERE digest = ?")

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
        return self._among(turns, "SELECT 1 FROM forgotten WHERE id = ?")

    def rows_of(self, query: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a query, after all earlier writes; none if the database can't be read."""
        return next(iter(self.rows_of_each(query, [values])), [])

    def rows_of_each(self, query: str, values: Iterable[Sequence[Any]]) -> list[list[Any]]:
        """Return the rows of a query for each of the `values`."""
        return self._read(lambda connection: [connection.execute(query, each).fetchall() for each in values], [])

    def _among(self, values: Iterable[str], query: str) -> set[str]:
        def read(connection: sqlite3.Connection) -> set[str]:
            return {value for value in values if connection.execute(query, (value,)).fetchone()}

        return self._read(read, set())

    def _read(self, read: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        if not self._readable:
            return otherwise
        if not self.broken and self._writer.begun:
            self.flush()

        def reading() -> T:
            with connected(self.path, writable=not self.broken) as connection:
                return read(connection)

        return self._attempt(reading, otherwise)

    def _attempt(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except StoreError as error:
            self._give_up(str(error))
        except (sqlite3.Error, OSError, ValueError) as error:
            self._give_up(self._warning_of(error))
        return otherwise

    def _warning_of(self, error: Exception) -> str:
        what = "is broken" if isinstance(error, sqlite3.Error) and unusable(error) else "can't be used"
        return (
            f"{self.path} {what} ({error}), and was left as it is.\n"
            "The conversation lives in memory until the kernel ends; BerlinMagics.database names another file."
        )

    def _give_up(self, warning: str) -> None:
        self._writer.broken = True
        if warning not in self._warned:  # once is enough
            self._warned.add(warning)
            self._warnings.append(warning)


def _parts(
    connection: sqlite3.Connection, conversation: str, turn: str | None = None
) -> dict[str, dict[str, list[Record]]]:
    """Return the parts of one turn or of each, by its id and by the name that they have in its record."""
    found: dict[str, dict[str, list[Record]]] = {}
    which = "conversation = ?" if turn is None else "conversation = ? AND turn = ?"
    values = (conversation,) if turn is None else (conversation, turn)
    deltas = connection.execute(f"SELECT turn, type, text FROM deltas WHERE {which} ORDER BY number", values)  # noqa: S608 - ours
    for (id_, kind), rows in groupby(deltas, key=lambda row: row[:2]):
        texts = [unpacked(text) for _, _, text in rows]
        parts = found.setdefault(id_, {}).setdefault("parts", [])
        if kind == "image":
            parts += [{"type": kind, "url": url} for url in texts]
        else:
            parts.append({"type": kind, "text": "".join(texts)})
    whole = connection.execute(
        f"SELECT turn, side, type, text, more FROM parts WHERE {which} ORDER BY turn, side, position",  # noqa: S608 - ours
        values,
    )
    for (id_, side), rows in groupby(whole, key=lambda row: row[:2]):
        parts = [
            {"type": kind, **({"text": unpacked(text)} if text else {}), **({} if more == b"{}" else json_of(more))}
            for _, _, kind, text, more in rows
        ]
        found.setdefault(id_, {})["question" if side == "question" else "parts"] = parts
    return found


_TABLES = ("places", "events", "parts", "deltas")
_NOTEBOOK = (
    "INSERT INTO notebooks VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET path = excluded.path, file = excluded.file, state = excluded.state, seen = excluded.seen"
)
_CELL = "INSERT INTO cells VALUES (?, ?, ?) ON CONFLICT (notebook, cell) DO UPDATE SET source = excluded.source"


def _as_text(value: str) -> str:
    """Return `value` as text that SQLite accepts; half a surrogate pair, as in a file's name, becomes an escape."""
    return value.encode("utf-8", "backslashreplace").decode()
