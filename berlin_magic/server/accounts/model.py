"""The accounts that may log in to the server."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["Account", "Accounts", "OpenAccounts", "SecretAccount"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the server.

    Attributes
    ----------
    name : str
        What its user logs in with.
    balance : int or None
        Tokens that it may still use; None for no limit.
    id : str
        The key of its stored data; a later account with the same name has another id.
    mark : str
        Changes with the password; logins with an older mark have ended.
    """

    name: str
    balance: int | None = None
    id: str = ""
    mark: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", _id_of(self.name))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to pay a reply with."""
        return self.balance is not None and self.balance <= 0

    def public(self) -> dict[str, Any]:
        """Return the ``user_info`` of the protocol, without the hash and the address that it used to carry."""
        return {
            "id": self.id,
            "account": self.name,
            "nickname": self.name,
            "avatar": "",
            "role": "user",
            "integral": self.balance,
            "status": 1,
        }


@lru_cache(10_000)  # an open server makes an account for each piece of a reply
def _id_of(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:17]


class Accounts(Protocol):
    """Knows the accounts of one server."""

    are_open: bool
    """Whether anybody who reaches the server may use it."""

    async def check(self, name: str, password: str) -> Account | None:
        """Return the account if `password` is its password, else None; takes as long for both."""
        ...

    def find(self, name: str) -> Account | None:
        """Return the account called `name` if it still exists."""
        ...

    def charge(self, account: Account, tokens: int) -> Awaitable[None] | None:
        """Take `tokens` from the balance of `account`, if it has one; they count from the call on.

        Returns
        -------
        Awaitable or None
            Waits until they are written down; None if there is nothing to write.

        Raises
        ------
        OSError
            From it, if it can't be saved; it is kept in memory until the server ends.
        """
        ...


class OpenAccounts:
    """Accept every name with every password: for a machine with one user and nothing to protect."""

    are_open = True

    async def check(self, name: str, password: str) -> Account | None:
        """Return an account for any `name`, if neither it nor `password` is empty."""
        return Account(name) if name and password else None

    def find(self, name: str) -> Account | None:
        """Return an account for any `name`."""
        return Account(name)

    def charge(self, account: Account, tokens: int) -> None:
        """Take nothing."""


class SecretAccount:
    """One account whose password is a long random secret, made for one start of a server.

    Parameters
    ----------
    name : str
        The account.
    password : str
        At least 128 random bits: such a secret needs no slow hash.
    """

    are_open = False

    def __init__(self, name: str, password: str) -> None:
        self._account = Account(name)
        self._digest = hashlib.sha256(password.encode()).digest()

    async def check(self, name: str, password: str) -> Account | None:
        """Return the account if both are right."""
        digest = hashlib.sha256(password.encode("utf-8", "replace")).digest()
        right = hmac.compare_digest(digest, self._digest)
        return self.find(name) if right else None

    def find(self, name: str) -> Account | None:
        """Return the account if `name` is its name."""
        return self._account if name == self._account.name else None

    def charge(self, account: Account, tokens: int) -> None:
        """Take nothing."""
