"""The account file: accounts with hashed passwords, in one JSON file that the server reads and a command writes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.accounts import Account

__all__ = ["AccountFile", "hash_password", "is_password"]

# One of the settings that the OWASP Password Storage Cheat Sheet (2024) gives as equal in strength: 16 MiB a try.
_N, _R, _P = 2**14, 8, 5
_MEMORY = 64 * 2**20
_NOBODY = f"scrypt${_N}${_R}${_P}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"
_AT_ONCE = 4  # hashes computed at a time: each takes memory and a processor


def hash_password(password: str) -> str:
    """Return a salted scrypt hash of `password`, with its settings: ``scrypt$N$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_password(password: str, hashed: str) -> bool:
    """Say whether `hashed`, as `hash_password` returned it, is the hash of `password`."""
    try:
        kind, n, r, p, salt, digest = hashed.split("$")
        computed = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(computed, base64.b64decode(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


class AccountFile:
    """The accounts of one file; what is written to it while the server runs counts from the next request on.

    Parameters
    ----------
    path : path
        The file; it need not exist yet.

    Raises
    ------
    BerlinError
        Where the file can't be read, or is no account file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._hashes: dict[str, str] = {}
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._read()

    @property
    def are_open(self) -> bool:
        """Always false."""
        return False

    @property
    def names(self) -> list[str]:
        """The accounts, in alphabetical order."""
        return sorted(self._hashes)

    async def check(self, name: str, password: str) -> Account | None:
        """Return the account where `password` is its password; an unknown name takes as long as a wrong password."""
        self._read_if_changed()
        hashed = self._hashes.get(name, _NOBODY)
        async with self._hashing:
            right = await asyncio.to_thread(is_password, password, hashed)
        return self.find(name) if right else None

    def find(self, name: str) -> Account | None:
        """Return the account called `name` where the file has it."""
        self._read_if_changed()
        return Account(name) if name in self._hashes else None

    def add(self, name: str, password: str) -> None:
        """Write account `name` to the file, or give it another password."""
        self._write({**self._hashes, name: hash_password(password)})

    def remove(self, name: str) -> None:
        """Take account `name` out of the file.

        Raises
        ------
        KeyError
            Where it has none of that name.
        """
        hashes = dict(self._hashes)
        del hashes[name]
        self._write(hashes)

    def _read_if_changed(self) -> None:
        with suppress(BerlinError):  # half written, or gone for a moment: what was read last still holds
            if self._stamp_now() != self._stamp:
                self._read()

    def _read(self) -> None:
        stamp = self._stamp_now()
        if stamp is None:
            return
        try:
            value = json.loads(self._path.read_text("utf-8"))
            accounts = value["accounts"]
            self._hashes = {str(name): str(account["password"]) for name, account in accounts.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            shown = clean(str(self._path), 200)
            raise BerlinError(f"{shown} can't be read as an account file ({type(error).__name__})") from error
        self._stamp = stamp

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _write(self, hashes: Mapping[str, str]) -> None:
        content = {"version": 1, "accounts": {name: {"password": hashes[name]} for name in sorted(hashes)}}
        # Replaced in one step, so that the server never reads half a file; `mkstemp` makes it 0600.
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name, suffix=".new")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
            Path(temporary).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        self._read()
