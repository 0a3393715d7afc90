"""The token for one account of one server, shared by the processes of a user."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.file_lock import file_lock_in_thread
from berlin_magic.credentials.private_file import PrivateFile, Records
from berlin_magic.credentials.secret import Secret

__all__ = ["SharedToken", "forget_tokens"]

T = TypeVar("T")

_FILE = "tokens.json"
_FILE_TIMEOUT = 10.0  # seconds
_LOGIN_TIMEOUT = 30.0  # seconds to wait for another process that logs in
_unusable: set[Path] = set()  # folders that can't be used, of which the user was warned


class SharedToken:
    """The token for one account of one server, in a file of the user.

    If the file can't be used, one warning is given, and the token is not shared; no error is raised.

    Parameters
    ----------
    key : tuple of str
        A server's address and an account; the token is sent only to that server.
    folder : Path, optional
        The folder of the file. With None, the token is not stored.
    """

    def __init__(self, key: tuple[str, str], folder: Path | None) -> None:
        self._name = " ".join(key)
        self._folder = folder

    @property
    def usable(self) -> bool:
        """Whether it can be shared, as far as is known."""
        return self._folder is not None and self._folder not in _unusable

    async def read(self) -> Secret:
        """Return the latest token that a process has written; an empty one if there is none."""
        records: Records = await self._with_file(PrivateFile.read, {})
        return records.get(self._name, {}).get("token", Secret())

    async def write(self, token: Secret) -> None:
        """Share `token` with the other processes."""
        new = {self._name: {"token": token}}
        await self._with_file(lambda file: file.change(lambda records: records.update(new)), None)

    async def forget(self) -> None:
        """Delete the token from the file."""
        await self._with_file(lambda file: file.forget(lambda name: name == self._name), None)

    @asynccontextmanager
    async def login_lock(self) -> AsyncIterator[None]:
        """Prevent other processes from logging in during an ``async with``; wait while one of them does.

        The wait has a limit, so that a login of another process that hangs does not prevent this one.
        """
        async with AsyncExitStack() as stack:
            if self._folder is not None:
                # A lock for each account and server: a login that hangs does not delay others.
                digest = hashlib.sha256(self._name.encode("utf-8", "replace")).hexdigest()[:16]
                lock = file_lock_in_thread(self._folder / f"login-{digest}.lock", timeout=_LOGIN_TIMEOUT)
                try:
                    await stack.enter_async_context(lock)
                except OSError as error:
                    _warn(self._folder, error)
            yield

    async def _with_file(self, work: Callable[[PrivateFile], T], otherwise: T) -> T:
        if self._folder is None:
            return otherwise
        file = PrivateFile(self._folder / _FILE)
        try:
            return await in_thread(lambda: work(file), timeout=_FILE_TIMEOUT)
        except OSError as error:
            _warn(self._folder, error)
            return otherwise


def forget_tokens(folder: Path, server: str) -> None:
    """Delete every token for that server, of whichever account, from the file in `folder`.

    Raises
    ------
    OSError
        If the file can't be changed.
    """
    PrivateFile(folder / _FILE).forget(lambda name: name.startswith(f"{server} "))


def _warn(folder: Path, error: OSError) -> None:
    if folder not in _unusable:
        _unusable.add(folder)
        reason = error.strerror or type(error).__name__
        warnings.warn(f"berlin_magic: {folder} can't be used ({reason}): each process logs in by itself", stacklevel=2)
