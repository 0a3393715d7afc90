"""A lock that processes take in turn, waited for without holding up the loop."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from berlin_magic.aside import aside

__all__ = ["held", "held_briefly"]

_PAUSE = 0.05  # seconds between two tries
_GRACE = 5.0  # seconds more, for a drive that is slow to answer
_MOMENT = 5.0  # seconds to wait for who writes a small file


@asynccontextmanager
async def held(path: Path, *, patience: float) -> AsyncIterator[bool]:
    """Hold the lock for the time of a ``with``; give whether it was to be had within `patience` seconds.

    The operating system holds it, by a file that stays: whoever dies with it, however suddenly, gives it back.

    Raises
    ------
    OSError
        Where the file can't be made, or its drive has no locks.
    """
    turn = _Turn(path)
    try:
        try:
            taken = await aside(lambda: turn.take(patience), patience=patience + _GRACE)
        except TimeoutError:
            taken = False
        yield taken
    finally:
        turn.end()


@contextmanager
def held_briefly(path: Path) -> Iterator[None]:
    """Hold the lock for the time of a ``with`` that takes milliseconds, and wait for it here.

    Raises
    ------
    OSError
        As `held`; and where it is not to be had.
    """
    lock = FileLock(path, timeout=_MOMENT, mode=0o600)
    try:
        _make_folder(path)
        lock.acquire()
    except NotImplementedError as error:  # filelock's word for a drive that has no locks
        raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


class _Turn:
    """One try for the lock: it is waited for in one thread and may be given up in another, at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, thread_local=False, mode=0o600)
        self._trying = threading.Lock()
        self._over = threading.Event()

    def take(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        _make_folder(self._path)
        while not self._over.is_set():
            with self._trying:
                taken = self._tried()
            if taken and not self._over.is_set():
                return True
            if taken:
                self._lock.release()  # `end` came while it was being taken
            elif time.monotonic() >= deadline:
                break
            else:
                self._over.wait(_PAUSE)
        return False

    def end(self) -> None:
        """Give it back, or up. A try that is under way sees that it is over, and is not waited for."""
        self._over.set()
        if self._trying.acquire(blocking=False):
            try:
                self._lock.release()
            finally:
                self._trying.release()

    def _tried(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except NotImplementedError as error:  # as above
            raise OSError(str(error)) from error
        return True


def _make_folder(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
