"""The costs of requests, and the reservations of running ones, in the user's database."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple

from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.schema import SPENDING
from berlin_magic.conversations.storage.writer import Statement

__all__ = ["Receipt", "Scope", "Spending", "Sums"]


class Receipt(NamedTuple):
    """The cost of one request.

    Attributes
    ----------
    id : str
        The turn's.
    notebook, conversation : str
        The ids of where it was asked; empty for a question that is in no conversation.
    at : float
        When it was asked, in seconds since the epoch.
    prompt, reply : int
        Tokens.
    billionths : int or None
        Money; None if the price is not known.
    currency : str
        Of that money.
    running : bool
        Whether it is what is reserved for a request that is running, or was when its process was killed.
    """

    id: str
    notebook: str
    conversation: str
    at: float
    prompt: int
    reply: int
    billionths: int | None = None
    currency: str = ""
    running: bool = False


class Scope(NamedTuple):
    """Which requests count against a budget, and what of them.

    Attributes
    ----------
    since : float
        The first moment, in seconds since the epoch.
    notebook : str
        The id of the notebook; empty for all.
    currency : str
        Of the money that counts; empty for tokens.
    """

    since: float
    notebook: str
    currency: str


@dataclass(frozen=True, slots=True)
class Sums:
    """The total cost of a number of requests.

    Attributes
    ----------
    requests, prompt, reply : int
        How many they are, and their tokens.
    money : tuple of (str, int)
        Currencies, each with its billionths.
    unpriced : int
        The number of requests whose price is not known.
    """

    requests: int = 0
    prompt: int = 0
    reply: int = 0
    money: tuple[tuple[str, int], ...] = ()
    unpriced: int = 0


class Spending:
    """The receipts of all notebooks of a user.

    Parameters
    ----------
    store : Store or None
        The user's database. Without one, or once it is broken, this process keeps its own receipts, in memory.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._memory: sqlite3.Connection | None = None

    def put(self, receipt: Receipt) -> None:
        """Write a receipt, in the place of one with the same id; waits for nothing."""
        self._write((f"{_PUT} VALUES ({_MARKS})", receipt))

    def drop(self, id_: str) -> None:
        """Delete a receipt: the request was refused, and costs nothing."""
        self._write(("DELETE FROM spending WHERE id = ?", (id_,)))

    def reserve(self, receipt: Receipt, scope: Scope, share: int, most: int) -> bool:
        """Write a receipt if a budget has room for it, and say whether it has.

        Checking and writing are one transaction: two processes never both take the last of it. Call it in a thread.

        Parameters
        ----------
        receipt : Receipt
            The request's.
        scope : Scope
            What counts against the budget.
        share, most : int
            What the request takes of the budget, and how much that is.
        """
        room = f"(SELECT coalesce(sum({_unit(scope)}), 0) FROM spending WHERE {_COUNTS} AND ? IN ('', currency))"  # noqa: S608 - ours
        self._write((f"{_PUT} SELECT {_MARKS} WHERE {room} + ? <= ?", (*receipt, *scope, share, most)))
        return bool(self._read("SELECT 1 FROM spending WHERE id = ?", (receipt.id,)))

    def used(self, scope: Scope) -> tuple[int, int, int]:
        """Return how much of a budget is spent, how much is spent or reserved, and the tokens of the longest reply."""
        unit = _unit(scope)
        rows = self._read(
            f"SELECT coalesce(sum({unit}) FILTER (WHERE NOT running), 0), coalesce(sum({unit}), 0),"  # noqa: S608 - ours
            " coalesce(max(reply) FILTER (WHERE NOT running), 0)"
            f" FROM spending WHERE {_COUNTS} AND ? IN ('', currency)",
            scope,
        )
        spent, used, longest = rows[0] if rows else (0, 0, 0)
        return spent, used, longest

    def sums(self, *, since: float = 0.0, notebook: str = "", conversation: str = "", turn: str = "") -> Sums:
        """Return what the requests since a moment, of a notebook, of a conversation or of a turn have cost together."""
        rows = self._read(
            "SELECT currency, count(*), sum(prompt), sum(reply), sum(billionths), sum(billionths IS NULL)"  # noqa: S608 - ours
            f" FROM spending WHERE {_COUNTS} AND ? IN ('', conversation) AND ? IN ('', id)"
            " GROUP BY currency ORDER BY currency",
            (since, notebook, conversation, turn),
        )
        return Sums(
            sum(row[1] for row in rows),
            sum(row[2] for row in rows),
            sum(row[3] for row in rows),
            tuple((row[0], row[4]) for row in rows if row[0] and row[4]),
            sum(row[5] for row in rows),
        )

    def _write(self, statement: Statement) -> None:
        if self._store is not None and not self._store.broken:
            self._store.put(statement)
        else:
            self._own().execute(*statement)

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        if self._store is not None and not self._store.broken:
            return self._store.rows_of(query, values)
        return self._own().execute(query, values).fetchall()

    def _own(self) -> sqlite3.Connection:
        if self._memory is None:
            self._memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            self._memory.executescript(SPENDING)
        return self._memory


_PUT = "INSERT OR REPLACE INTO spending (id, notebook, conversation, at, prompt, reply, billionths, currency, running)"
_MARKS = "?, ?, ?, ?, ?, ?, ?, ?, ?"
_COUNTS = "at >= ? AND ? IN ('', notebook)"


def _unit(scope: Scope) -> str:
    return "billionths" if scope.currency else "prompt + reply"
