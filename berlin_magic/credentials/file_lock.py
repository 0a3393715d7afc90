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
def file_lock(path: Path, *, timeout: float = 5.0, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
    """Hold the lock during a ``with``; block until it is free.

    It is a lock of the operating system on a file that stays: it is released when the process ends, however that ends.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    timeout : float
        Seconds to wait at most.
    cancelled : callable, optional
        Is called during the wait; if it returns true, the wait ends as after the timeout.

    Raises
    ------
    OSError
        If the file can't be made, its drive has no locks, or the lock is not free within `timeout` seconds.
    """
    lock = FileLock(path, timeout=timeout, mode=0o600)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(cancel_check=cancelled)
    except NotImplementedError as error:  # from filelock, for a drive without locks
        raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def file_lock_in_thread(path: Path, *, timeout: float) -> AsyncIterator[bool]:  # noqa: ASYNC109 - it gives False
    """Hold the lock during an ``async with``; give whether it was free within `timeout` seconds.

    Raises
    ------
    OSError
        If the file can't be made, or its drive has no locks.
    """
    taken: Future[bool] = Future()
    over = threading.Event()

    def hold() -> None:
        # One thread acquires, holds and releases the lock, so that a cancellation can't come between these steps.
        with suppress(Timeout), file_lock(path, timeout=timeout, cancelled=over.is_set):
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
