"""Hold a lock that the processes of a user share."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from berlin_magic.concurrency import in_thread

__all__ = ["file_lock", "file_lock_in_thread"]

_PAUSE = 0.05  # seconds between two tries
_SLOW = 5.0  # seconds that a drive may take to answer


@contextmanager
def file_lock(path: Path, *, timeout: float = 5.0) -> Iterator[None]:
    """Hold the lock for the time of a ``with``, and block until it is free.

    The operating system holds it, by a file that stays: a process that dies with it, however suddenly, gives it back.

    Raises
    ------
    OSError
        If the file can't be made, its drive has no locks, or the lock is not free within `timeout` seconds.
    """
    lock = FileLock(path, timeout=timeout, mode=0o600)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except NotImplementedError as error:  # filelock's word for a drive that has no locks
        raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def file_lock_in_thread(path: Path, *, timeout: float) -> AsyncIterator[bool]:  # noqa: ASYNC109 - it gives False
    """Hold the lock for the time of an ``async with``; give whether it was free within `timeout` seconds.

    Raises
    ------
    OSError
        If the file can't be made, or its drive has no locks.
    """
    taken: Future[bool] = Future()
    over = threading.Event()

    def hold() -> None:
        # One thread takes the lock, holds it and gives it back, so that giving up can't meet it half-way.
        latest = time.monotonic() + timeout
        while not over.is_set():
            try:
                with file_lock(path, timeout=0):
                    taken.set_result(True)
                    over.wait()
                return
            except Timeout:
                if time.monotonic() >= latest:
                    return
                over.wait(_PAUSE)

    holding = asyncio.ensure_future(in_thread(hold))
    try:
        either: list[asyncio.Future[Any]] = [holding, asyncio.wrap_future(taken)]
        await asyncio.wait(either, timeout=timeout + _SLOW, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            holding.result()
        yield taken.done()
    finally:
        over.set()
        if taken.done():
            await asyncio.wait({holding}, timeout=_SLOW)
        holding.cancel()
