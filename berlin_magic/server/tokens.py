"""Tokens: who is logged in to the server, and until when."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["LIFETIME", "Tokens"]

LIFETIME = 30 * 24 * 3600.0
"""How long a token lives, in seconds (protocol page, "Login")."""


class Tokens:
    """Gives out tokens, one for an account at a time, and remembers only their hashes.

    Parameters
    ----------
    lifetime : float
        Seconds that a token lives.
    most : int
        Accounts that can be logged in at once; past it, whoever logged in first is logged out.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self, *, lifetime: float = LIFETIME, most: int = 10_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._lifetime = lifetime
        self._most = most
        self._clock = clock
        self._owners: dict[bytes, tuple[str, float]] = {}
        self._digests: OrderedDict[str, bytes] = OrderedDict()

    def issue(self, account: str) -> str:
        """Return a new token (32 hexadecimal digits) for `account` and end the one that it had."""
        token = secrets.token_hex(16)
        self.end(account)
        self._digests[account] = _digest(token)
        self._owners[_digest(token)] = (account, self._clock() + self._lifetime)
        while len(self._digests) > self._most:
            self.end(next(iter(self._digests)))
        return token

    def owner(self, token: str) -> str | None:
        """Return the account whose token this is; None where it is unknown, expired or replaced."""
        # Looked up by its hash, how long this takes says nothing about any token that is valid.
        account, expiry = self._owners.get(_digest(token), ("", 0.0))
        if self._clock() < expiry:
            return account
        if account:
            self.end(account)
        return None

    def end(self, account: str) -> None:
        """End the token of `account`, where it has one."""
        digest = self._digests.pop(account, None)
        if digest is not None:
            del self._owners[digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
