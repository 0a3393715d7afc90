"""The account file: one JSON file that the server and its commands share.

Not a database, although the server has one: whoever runs it can read this file, edit it, copy it and keep it under
version control. What SQLite would take over is the lock and the replacing of the file. What the server needs beside
that stays: the accounts that were read last hold while the file can't be read, and what is owed is kept until it can be
written.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
import os
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from berlin_magic.credentials.file_lock import file_lock
from berlin_magic.credentials.private_file import write_json
from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.accounts.model import Account
from berlin_magic.server.accounts.passwords import NO_PASSWORD, hash_password, is_password

__all__ = ["AccountFile"]

_log = logging.getLogger(__name__)

_AT_ONCE = 4  # hashes computed at a time: each takes memory and a processor
_VERSION = 2  # 1 had neither ids nor balances


@dataclass(frozen=True, slots=True)
class _StoredAccount:
    password: str
    id: str
    balance: int | None = None

    @classmethod
    def read(cls, name: str, value: Mapping[str, Any]) -> _StoredAccount:
        balance = value.get("balance")
        if balance is not None and (isinstance(balance, bool) or not isinstance(balance, int)):
            raise ValueError
        # A file of version 1 has no ids: the name's, as for accounts without a file.
        return cls(str(value["password"]), str(value.get("id") or Account(name).id), balance)

    def written(self) -> dict[str, Any]:
        balance = {} if self.balance is None else {"balance": self.balance}
        return {"password": self.password, "id": self.id, **balance}


_Entries = Mapping[str, _StoredAccount]
_Stamp = tuple[int, int, int]


class AccountFile:
    """The accounts of one file; what is written to it while the server runs counts from the next request on.

    Every change is made to what is in the file by then, under a lock: of two at once, none is lost. While the file
    can't be read, what was read last still holds, and that is said once. Names count in their composed form (NFC).

    Parameters
    ----------
    path : path
        The file; it need not exist yet.

    Raises
    ------
    BerlinError
        If the file can't be read, or is not an account file.
    """

    are_open = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = self._path.with_name(self._path.name + ".lock")
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._charging = asyncio.Lock()
        self._owed: dict[str, int] = {}  # by name: what the file does not know yet
        self._unread: _Stamp | None = None  # of which version that was said
        self._gone = False
        self._entries, self._stamp = self._read()

    @property
    def accounts(self) -> list[Account]:
        """The accounts, in alphabetical order of their names."""
        return [account for name in sorted(self._entries) if (account := self._account(name))]

    async def check(self, name: str, password: str) -> Account | None:
        """Return the account if `password` is its password; an unknown name takes as long as a wrong password."""
        self._read_if_changed()
        entry = self._entries.get(_normalized(name))
        async with self._hashing:
            right = await asyncio.to_thread(is_password, password, entry.password if entry else NO_PASSWORD)
        return self.find(name) if right else None

    def find(self, name: str) -> Account | None:
        """Return the account called `name` if the file has it."""
        self._read_if_changed()
        return self._account(name)

    def charge(self, account: Account, tokens: int) -> Awaitable[None] | None:
        """Take `tokens` from the balance of `account`, if it has one; they count from the call on.

        Returns
        -------
        Awaitable or None
            Writes them down; what comes meanwhile is written together. None if there is nothing to write.

        Raises
        ------
        OSError
            From it, if the file can't be written, or is not there; the tokens are kept in mind until it can.
        """
        if account.balance is not None and tokens > 0:
            self._owed[account.name] = self._owed.get(account.name, 0) + tokens
        return self._write_down() if self._owed else None

    async def _write_down(self) -> None:
        async with self._charging:
            taken = dict(self._owed)
            if not taken:
                return
            # A file that is not there is not an empty one: written anew, it would have lost every account.
            self._entries, self._stamp = await asyncio.to_thread(
                self._change, lambda now: _charged(now, taken), must_exist=True
            )
            self._owed = {name: left for name, owed in self._owed.items() if (left := owed - taken.get(name, 0))}

    def add(self, name: str, password: str, balance: int | None = None) -> bool:
        """Write account `name` to the file, or give it another password; say whether it is new.

        Parameters
        ----------
        name, password : str
            What its user logs in with.
        balance : int, optional
            Tokens that it may use; without it, an account that is there keeps what it has.
        """
        name = _normalized(name)
        new = _StoredAccount(hash_password(password), secrets.token_hex(9)[:17], balance)
        is_new = True

        def added(now: _Entries) -> _Entries:
            nonlocal is_new
            old = now.get(name, new)
            is_new = old is new
            return {**now, name: replace(new, id=old.id, balance=old.balance if balance is None else balance)}

        self._update(added)
        return is_new

    def remove(self, name: str) -> None:
        """Take account `name` out of the file.

        Raises
        ------
        KeyError
            If it has none of that name.
        """

        def removed(now: _Entries) -> _Entries:
            left = dict(now)
            del left[_normalized(name)]
            return left

        self._update(removed)

    def set_balance(self, name: str, tokens: int | None, *, more: bool = False) -> int | None:
        """Let account `name` use `tokens`, or that many `more`, or any number if it is None; return what it has now.

        Raises
        ------
        KeyError
            If the file has none of that name.
        """
        name = _normalized(name)

        def balanced(now: _Entries) -> _Entries:
            before = now[name].balance or 0
            balance = tokens + before if more and tokens is not None else tokens
            return {**now, name: replace(now[name], balance=balance)}

        self._update(balanced)
        return self._entries[name].balance

    def _account(self, name: str) -> Account | None:
        name = _normalized(name)
        entry = self._entries.get(name)
        if entry is None:
            return None
        balance = None if entry.balance is None else max(0, entry.balance - self._owed.get(name, 0))
        return Account(name, balance, entry.id, hashlib.sha256(entry.password.encode()).hexdigest()[:17])

    def _read_if_changed(self) -> None:
        if self._charging.locked():  # the file may hold what is still owed here: it would be taken twice
            return
        stamp = self._stamp_now()
        if stamp is None:
            if self._stamp is not None and not self._gone:
                _log.error("%s is gone; its accounts are still valid", clean(str(self._path), 200))
            self._gone = True
            return
        self._gone = False
        if stamp == self._stamp:
            return
        try:
            self._entries, self._stamp = self._read()
        except BerlinError as error:
            # The next request reads it again: its owner or mode may be right by then.
            if stamp != self._unread:
                _log.error("%s; the accounts that were read before are still valid", error)
            self._unread = stamp

    def _update(self, change: Callable[[_Entries], _Entries]) -> None:
        self._entries, self._stamp = self._change(change)

    def _change(
        self, change: Callable[[_Entries], _Entries], *, must_exist: bool = False
    ) -> tuple[_Entries, _Stamp | None]:
        """Write what `change` makes of what the file holds now; return what it holds then."""
        with file_lock(self._lock):
            now, stamp = self._read()
            if must_exist and stamp is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            entries = change(now)
            accounts = {name: entries[name].written() for name in sorted(entries)}
            write_json(self._path, {"version": _VERSION, "accounts": accounts})
            return entries, self._stamp_now()

    def _read(self) -> tuple[_Entries, _Stamp | None]:
        stamp = self._stamp_now()
        if stamp is None:
            return {}, None
        shown = clean(str(self._path), 200)
        try:
            value = json.loads(self._path.read_text("utf-8"))
            entries = {
                _normalized(str(name)): _StoredAccount.read(name, account)
                for name, account in value["accounts"].items()
            }
            version = value.get("version", 1)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BerlinError(f"{shown} can't be read as an account file ({type(error).__name__})") from error
        if version not in range(1, _VERSION + 1):
            raise BerlinError(f"{shown} was written by a newer berlin-server; update berlin_magic to use it")
        return entries, stamp

    def _stamp_now(self) -> _Stamp | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino  # two writes within a tick of the clock are two files


def _charged(now: _Entries, owed: Mapping[str, int]) -> _Entries:
    charged = {
        name: replace(now[name], balance=max(0, (now[name].balance or 0) - tokens))
        for name, tokens in owed.items()
        if name in now and now[name].balance is not None
    }
    return {**now, **charged}


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name)
