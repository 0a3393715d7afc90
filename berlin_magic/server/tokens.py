"""The tokens of the accounts that are logged in."""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from berlin_magic.server.accounts.model import Account
from berlin_magic.server.state import State, error_name

__all__ = ["LIFETIME", "Login", "Tokens"]

_log = logging.getLogger(__name__)

LIFETIME = 30 * 24 * 3600.0
"""How long a token lives, in seconds (protocol page, "Login")."""


@dataclass(frozen=True, slots=True)
class Login:
    """The login that a token stands for.

    Attributes
    ----------
    account : str
        The account's id.
    name : str
        Its name.
    mark : str
        The account's mark at the time: another one means another password, and that the login has ended.
    digest : bytes
        The token's hash.
    expiry : float
        When it ends, in seconds since the epoch.
    """

    account: str
    name: str
    mark: str
    digest: bytes
    expiry: float


class Tokens:
    """Issues tokens, one for an account at a time; only their hashes are kept.

    Parameters
    ----------
    state : State
        The database that keeps them for the next start.
    lifetime : float
        Seconds that a token lives.
    most : int
        Accounts that can be logged in at once; if there are more, the oldest login is ended.
    clock : callable
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        state: State,
        *,
        lifetime: float = LIFETIME,
        most: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._lifetime = lifetime
        self._most = most
        self._clock = clock
        self._by_digest: dict[bytes, Login] = {}
        self._by_account: OrderedDict[str, Login] = OrderedDict()

    async def load(self) -> None:
        """Load the logins that earlier runs of the server have stored."""
        rows = await self._state.run(
            lambda connection: connection.execute(
                "SELECT account, name, mark, digest, expiry FROM logins ORDER BY expiry"
            ).fetchall()
        )
        for account, name, mark, digest, expiry in rows:
            self._add(Login(account, name.decode("utf-8", "surrogatepass"), mark, digest, expiry))

    async def issue(self, account: Account) -> str:
        """Return a new token (32 hexadecimal digits) for `account` and end the one that it had.

        If it can't be stored, on a full disk for example, it is still valid, until the server ends.
        """
        token = secrets.token_hex(16)
        login = Login(account.id, account.name, account.mark, _digest(token), self._clock() + self._lifetime)
        ended = self._add(login)
        values = (login.account, login.name.encode("utf-8", "surrogatepass"), login.mark, login.digest, login.expiry)

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM logins WHERE account = ?", [(each,) for each in ended])
            connection.execute("DELETE FROM logins WHERE expiry <= ?", (self._clock(),))
            connection.execute("INSERT OR REPLACE INTO logins VALUES (?, ?, ?, ?, ?)", values)

        try:
            await self._state.run(write)
        except sqlite3.Error as error:
            _log.error("A login can't be stored, and ends with the server: %s", error_name(error))
        return token

    def owner(self, token: str) -> Login | None:
        """Return the login of this token; None if it is unknown, expired or replaced."""
        # Looked up by its hash, how long this takes says nothing about any token that is valid.
        login = self._by_digest.get(_digest(token))
        if login is not None and self._clock() >= login.expiry:
            self._remove(login.account)
            return None
        return login

    def _add(self, login: Login) -> list[str]:
        """Add the only login of its account; return the accounts that are logged out because there are too many."""
        self._remove(login.account)
        self._by_account[login.account] = self._by_digest[login.digest] = login
        ended: list[str] = []
        while len(self._by_account) > self._most:
            ended.append(next(iter(self._by_account)))
            self._remove(ended[-1])
        return ended

    def _remove(self, account: str) -> None:
        login = self._by_account.pop(account, None)
        if login is not None:
            del self._by_digest[login.digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
