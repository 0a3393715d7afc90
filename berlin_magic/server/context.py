"""The context: the turns of each conversation (`parentMessageId`), kept by the server."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from berlin_magic.messages import AnyMessage
from berlin_magic.server.state import State

__all__ = ["ROWS", "Context", "StoredTurn", "timestamp"]

ROWS = 30
"""Newest rows (a question and its answer are two) that are sent with a prompt, as the original ships."""

_OVERHEAD = 1_000
_OPTIONS = ("frequency_penalty", "max_tokens", "model", "presence_penalty", "temperature")


def timestamp() -> str:
    """Return the time as the protocol writes it: local, ``YYYY-MM-DD HH:MM:SS``."""
    return _written(int(time.time()))


@lru_cache(1)  # every piece of every reply has it
def _written(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One finished turn: a question and the whole of its answer."""

    question: str
    answer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: str = field(default_factory=timestamp)
    answered: str = field(default_factory=timestamp)

    @property
    def size(self) -> int:
        """Its length in characters, with an allowance for what keeping it costs."""
        return len(self.question) + len(self.answer) + _OVERHEAD

    def rows(self, account: str, parent: str) -> list[dict[str, Any]]:
        """Return the two rows that ``GET /api/user/messages`` shows of it (wire/user-messages)."""
        options = {key: self.options.get(key) for key in _OPTIONS}
        return [
            {
                "user_id": account,
                "dateTime": at,
                "role": role,
                "status": "pass",
                "text": text,
                "persona_id": None,
                "plugin_id": None,
                "plugin_info": None,
                "requestOptions": {"parentMessageId": parent, "prompt": text, "options": options},
            }
            for role, text, at in (("user", self.question, self.asked), ("assistant", self.answer, self.answered))
        ]


class Context:
    """Keeps the newest turns of every conversation, within a bound for each account and one for all.

    Parameters
    ----------
    state : State
        The database that keeps them.
    rows : int
        Newest rows that are kept and sent with the next prompt; two make a turn, and a turn is never halved.
    most_characters : int
        Characters that are kept of one account; past it, its conversation that was added to least recently is dropped.
        A single turn may take half of them.
    most_bytes : int
        What the whole database may grow to; past it, the account that has the most loses its oldest conversations.
    """

    def __init__(
        self,
        state: State,
        *,
        rows: int = ROWS,
        most_characters: int = 4_000_000,
        most_bytes: int = 400_000_000,
    ) -> None:
        self._state = state
        self._turns = rows // 2
        self._most_characters = most_characters
        self._most_bytes = most_bytes
        self._most_of_a_turn = most_characters // 2

    async def messages(self, account: str, parent: str) -> list[AnyMessage]:
        """Return the messages to send before the next prompt, oldest first."""
        turns = await self.conversations(account, parent) if self._turns else []
        return [
            {"role": role, "content": text}
            for _, stored in turns
            for turn in stored[-self._turns :]
            for role, text in (("user", turn.question), ("assistant", turn.answer))
        ]

    async def append(self, account: str, parent: str, turn: StoredTurn) -> None:
        """Store a finished turn under `parent`, unless it is too large."""
        if self._turns and turn.size <= self._most_of_a_turn:
            await self._state.run(lambda connection: self._append(connection, account, parent, turn))

    async def drop(self, account: str, parent: str) -> int:
        """Delete the turns under `parent`; return their number."""
        return await self._state.run(lambda connection: _drop(connection, account, _stored(parent)))

    async def conversations(self, account: str, parent: str | None = None) -> list[tuple[str, Sequence[StoredTurn]]]:
        """Return the conversations of `account`, or the one under `parent`, with their ids, the newest first."""

        def read(connection: sqlite3.Connection) -> dict[str, list[StoredTurn]]:
            found: dict[str, list[StoredTurn]] = {}
            key = None if parent is None else _stored(parent)
            for of, question, answer, options, asked, answered in connection.execute(_TURNS, (account, key, key)):
                turns = found.pop(_read(of), [])  # put back last: the newest turn so far is its
                found[_read(of)] = [
                    *turns, StoredTurn(_read(question), _read(answer), json.loads(options), asked, answered)
                ]  # fmt: skip
            return found

        return list(reversed((await self._state.run(read)).items()))

    def _append(self, connection: sqlite3.Connection, account: str, parent: str, turn: StoredTurn) -> None:
        options = {key: turn.options.get(key) for key in _OPTIONS}
        key = _stored(parent)
        connection.execute(
            "INSERT INTO turns (account, parent, question, answer, options, asked, answered, size)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (account, key, _stored(turn.question), _stored(turn.answer), json.dumps(options), turn.asked,
             turn.answered, turn.size),
        )  # fmt: skip
        connection.execute(_FORGET_OLDEST, (account, key, account, key, self._turns))
        while (connection.execute(_SIZE, (account,)).fetchone()[0] or 0) > self._most_characters:
            _drop_oldest(connection, account)
        while _bytes(connection) > self._most_bytes:
            largest = connection.execute(_LARGEST).fetchone()
            if largest is None:
                break
            _drop_oldest(connection, largest[0])


_TURNS = (
    "SELECT parent, question, answer, options, asked, answered FROM turns"
    " WHERE account = ? AND (? IS NULL OR parent = ?) ORDER BY number"
)
_FORGET_OLDEST = (
    "DELETE FROM turns WHERE account = ? AND parent = ? AND number NOT IN"
    " (SELECT number FROM turns WHERE account = ? AND parent = ? ORDER BY number DESC LIMIT ?)"
)
_SIZE = "SELECT sum(size) FROM turns WHERE account = ?"
_LARGEST = "SELECT account FROM turns GROUP BY account ORDER BY sum(size) DESC LIMIT 1"


def _drop(connection: sqlite3.Connection, account: str, key: bytes) -> int:
    return connection.execute("DELETE FROM turns WHERE account = ? AND parent = ?", (account, key)).rowcount


def _drop_oldest(connection: sqlite3.Connection, account: str) -> None:
    (key,) = connection.execute(
        "SELECT parent FROM turns WHERE account = ? GROUP BY parent ORDER BY max(number) LIMIT 1", (account,)
    ).fetchone()
    _drop(connection, account, key)


def _bytes(connection: sqlite3.Connection) -> int:
    """Return how much of the database is in use."""
    numbers = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    pages, free = numbers
    return int(pages - free) * int(connection.execute("PRAGMA page_size").fetchone()[0])


def _stored(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # half of a surrogate pair comes through JSON, and must not fail here


def _read(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
