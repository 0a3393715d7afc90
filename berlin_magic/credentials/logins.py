"""Store logins for servers, in the keyring or in a file that only the user can read."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.private_file import PrivateFile, Records, state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import NotConfiguredError

__all__ = ["StoredLogin", "forget", "password_from_keyring", "store", "stored_login"]

T = TypeVar("T")

_FILE = "logins.json"
_TIMEOUT = 60.0  # seconds: a keyring may ask the user to unlock it, or wait for ever if there is no screen
_USABLE = 1  # keyring's priority of a recommended backend; others store plain text, or nothing


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """An account for a server.

    Attributes
    ----------
    url : str
        The server's address.
    account : str
        The account there.
    password : Secret
        Its password; empty if that is in the keyring.
    """

    url: str
    account: str
    password: Secret

    @property
    def in_keyring(self) -> bool:
        """Whether the keyring has the password."""
        return not self.password


def stored_login(server: str | None = None) -> StoredLogin | None:
    """Return the login for the server at that address, or the latest of all; None if there is none.

    A file that can't be read counts as empty. It does not block, as it is called on the user's loop.
    """
    try:
        records = PrivateFile(_path()).read()
    except OSError:
        return None
    name = server or next(reversed(records), "")
    record = records.get(name)
    if not record or not record.get("url") or not record.get("account"):
        return None
    return StoredLogin(str(record["url"]), str(record["account"]), record.get("password", Secret()))


async def store(server: str, account: str, password: Secret) -> bool:
    """Store a login for a server, in place of the former one; return whether its password is in the keyring.

    Parameters
    ----------
    server : str
        Its whole address: another path of the same host may be another server.
    account, password
        The login.

    Raises
    ------
    OSError
        If nothing could be stored.
    """
    in_keyring = await _in_keyring(lambda keyring: _put(keyring, server, account, password), otherwise=False)

    def put(records: Records) -> None:
        records.pop(server, None)  # so that it is the latest
        records[server] = {"url": Secret(server), "account": Secret(account)}
        if not in_keyring:
            records[server]["password"] = password

    file = PrivateFile(_path())
    await in_thread(lambda: file.change(put), timeout=_TIMEOUT)
    return in_keyring


async def forget(server: str) -> bool:
    """Delete the login for a server, in file and keyring; return whether there was one.

    A damaged file that was renamed is deleted too, as it may hold this password.

    Raises
    ------
    OSError
        If the file can't be changed.
    """
    login = stored_login(server)
    if login and login.in_keyring:
        await _in_keyring(lambda keyring: keyring.delete_password(_service(server), login.account), otherwise=None)
    file = PrivateFile(_path())
    await in_thread(lambda: file.forget(lambda name: name == server), timeout=_TIMEOUT)
    return login is not None


async def password_from_keyring(server: str, account: str) -> Secret:
    """Return the password that `store` put into the keyring.

    Raises
    ------
    NotConfiguredError
        If the keyring does not return it.
    """
    password = await _in_keyring(lambda keyring: keyring.get_password(_service(server), account), otherwise=None)
    if not password:
        raise NotConfiguredError(
            f"The keyring does not give the password for {server}.\n"
            "Unlock it and run the cell again, or log in anew: `%berlin login`."
        )
    return Secret(password)


def _put(keyring: Any, server: str, account: str, password: Secret) -> bool:
    keyring.set_password(_service(server), account, str(password))
    return bool(keyring.get_password(_service(server), account) == password)


async def _in_keyring(work: Callable[[Any], T], *, otherwise: T) -> T:
    """Return the result of `work` with the keyring; `otherwise` if there is none, it refuses, or it does not answer.

    keyring is slow to import, and a backend may ask the user: both happen in a thread, with a timeout.
    """

    def run() -> T:
        try:
            keyring = importlib.import_module("keyring").get_keyring()
            return work(keyring) if keyring.priority >= _USABLE else otherwise
        except Exception:  # noqa: BLE001 - the errors differ by system, and their frames hold the password
            return otherwise

    try:
        return await in_thread(run, timeout=_TIMEOUT)
    except TimeoutError:
        return otherwise


def _service(server: str) -> str:
    return f"berlin_magic {server}"


def _path() -> Path:
    return state_folder() / _FILE
