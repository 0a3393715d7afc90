"""The token that a user's processes share: one of them renews it, the others take what it got.

A server of the family ends an account's token at each new login (protocol page, "Login"), so processes that each log in
would keep throwing each other out.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from berlin_magic.aside import aside
from berlin_magic.file_lock import held
from berlin_magic.private_file import PrivateFile, Records
from berlin_magic.secret import Secret

__all__ = ["SharedToken", "forget_tokens"]

T = TypeVar("T")

_FILE = "tokens.json"
_PATIENCE = 30.0  # seconds to wait for another process that logs in
_PATIENCE_WITH_THE_FILE = 10.0
_told: set[Path] = set()  # folders that can't be used, and the user knows


class SharedToken:
    """The token for one account of one server, in a file of the user's.

    Where the file can't be used there is a warning, once, and nothing is shared; nothing is raised.

    Parameters
    ----------
    key : tuple of str
        A server's address and an account: a token is for these, and for no other.
    folder : Path, optional
        Where the file is. With none, nothing is kept anywhere.
    """

    def __init__(self, key: tuple[str, str], folder: Path | None) -> None:
        self._name = " ".join(key)
        self._folder = folder

    @property
    def usable(self) -> bool:
        """Whether there is anybody to share it with, as far as is known."""
        return self._folder is not None and self._folder not in _told

    async def read(self) -> Secret:
        """Return the token that was written last, by whichever process; an empty one where there is none."""
        records: Records = await self._tried(PrivateFile.read, {})
        return records.get(self._name, {}).get("token", Secret())

    async def write(self, token: Secret) -> None:
        """Let the other processes know `token`."""

        def put(records: Records) -> None:
            records[self._name] = {"token": token}

        await self._tried(lambda file: file.change(put), None)

    async def forget(self) -> None:
        """Take the token out of the file."""
        await self._tried(lambda file: file.forget(lambda name: name == self._name), None)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Keep the other processes from logging in for the time of a ``with``, and wait while one of them does.

        The wait is bounded: who waits on a server that is slow to let others in has to try by itself in the end.
        """
        async with AsyncExitStack() as stack:
            if self._folder is not None:
                # A lock for each account and server: one that hangs holds up nobody else.
                digest = hashlib.sha256(self._name.encode("utf-8", "replace")).hexdigest()[:16]
                try:
                    await stack.enter_async_context(held(self._folder / f"login-{digest}.lock", patience=_PATIENCE))
                except OSError as error:
                    _tell(self._folder, error)
            yield

    async def _tried(self, work: Callable[[PrivateFile], T], otherwise: T) -> T:
        if self._folder is None:
            return otherwise
        file = PrivateFile(self._folder / _FILE)
        try:
            return await aside(lambda: work(file), patience=_PATIENCE_WITH_THE_FILE)
        except OSError as error:
            _tell(self._folder, error)
            return otherwise


def forget_tokens(folder: Path, server: str) -> None:
    """Take every token for that server, whoever's it is, out of the file in `folder`.

    Raises
    ------
    OSError
        Where the file can't be changed.
    """
    PrivateFile(folder / _FILE).forget(lambda name: name.startswith(f"{server} "))


def _tell(folder: Path, error: OSError) -> None:
    if folder not in _told:
        _told.add(folder)
        reason = error.strerror or type(error).__name__
        message = f"berlin_magic: {folder} can't be used ({reason}): each process logs in by itself"
        warnings.warn(message, stacklevel=2)
