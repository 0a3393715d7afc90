"""Work that may hang, done in a thread that neither the loop nor the end of the process waits for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["aside"]

T = TypeVar("T")

_TICK = 0.1  # seconds


async def aside(work: Callable[[], T], *, patience: float | None) -> T:
    """Return what `work` returns, or raise what it raises; it runs in a thread of its own.

    `asyncio.to_thread` is not for such work: its threads are waited for at the end of the process, so that a keyring
    that asks nobody, or a network drive that is gone, would keep the process from ending.

    Parameters
    ----------
    work : callable
        Goes on in its thread when the wait for it is cancelled or over.
    patience : float, optional
        Seconds to wait at most; None where whoever calls sets the limit.

    Raises
    ------
    TimeoutError
        Where it takes longer.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on only its thread decides what becomes of it

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed over to who waits, whatever it is
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    # In the caller's context, as `asyncio.to_thread` does: ipykernel tells by it which cell is running.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="berlin_magic aside", daemon=True).start()
    waiting = asyncio.wrap_future(outcome)
    try:
        async with asyncio.timeout(patience):
            # In ticks, as a signal handler does not wake a loop that sleeps in its selector (ipykernel issue 881).
            while not waiting.done():
                await asyncio.wait([waiting], timeout=_TICK)
        return waiting.result()
    finally:
        waiting.cancel()  # nobody will ask any more what it was
