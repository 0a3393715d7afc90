"""Hold a lock that the processes of a user share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from berlin_magic.concurrency import in_thread

__all__ = ["file_lock", "file_lock_in_thread"]

_SLOW = 5.0  # seconds that a drive may take to answer


@contextmanager
def file_lock(path: Path, *, timeout: float = 5.0, given_up: Callable[[], bool] | None = None) -> Iterator[None]:
    """Hold the lock for the time of a ``with``, and block until it is free.

    The operating system holds it, by a file that stays: a process that dies with it, however suddenly, gives it back.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    timeout : float
        Seconds to wait at most.
    given_up : callable, optional
        Is asked while the lock is waited for; if it returns true, the wait ends as after the timeout.

    Raises
    ------
    OSError
        If the file can't be made, its drive has no locks, or the lock is not free within `timeout` seconds.
    """
    lock = FileLock(path, timeout=timeout, mode=0o600)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(cancel_check=given_up)
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
        with suppress(Timeout), file_lock(path, timeout=timeout, given_up=over.is_set):
            taken.set_result(True)
            over.wait()

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
