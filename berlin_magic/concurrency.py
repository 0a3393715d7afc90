"""Wait for threads, tasks or nested loops so that an interrupt still gets through.

A signal handler does not wake a loop that sleeps in its selector (ipykernel issue 881), so every wait here wakes up
every `TICK` seconds. There is one function for each need:

- `in_thread`: wait for blocking work without blocking the loop.
- `run_sync`: run a coroutine to its end from code that can't await, also on a running loop.
- `run_interruptibly`: run a coroutine that an interrupt of the cell ends.
- `cancel_and_wait`: end a task, and wait until it has closed what it holds.
- `wait_through_interrupts`: wait for a task that an interrupt must not end.
- `cancel_on_interrupt`: let SIGINT cancel a task.
- `short_tracebacks`: show an interrupt, or a `BerlinError`, as a few lines.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import math
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from berlin_magic.errors import BerlinError

__all__ = [
    "TICK",
    "Interrupted",
    "cancel_and_wait",
    "cancel_on_interrupt",
    "in_thread",
    "run_interruptibly",
    "run_sync",
    "short_tracebacks",
    "wait_through_interrupts",
]

T = TypeVar("T")

TICK = 0.1
"""Seconds between two checks for an interrupt."""

_CLOSING = 3.0  # seconds that a cancelled task may take to close its connections


class Interrupted(KeyboardInterrupt):
    """The user interrupted a reply. Like any interrupt it ends the cell and the queued cells, but is shown in one line.

    Raise it in the cell's own coroutine only: a KeyboardInterrupt that leaves an inner task ends the kernel's process
    (asyncio raises it in the loop itself).
    """

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show in place of a traceback."""
        return [str(self)]


async def in_thread(work: Callable[[], T], *, timeout: float | None = None) -> T:  # noqa: ASYNC109 - most callers set one
    """Return what `work` returns, or raise what it raises; it runs in a thread of its own.

    `asyncio.to_thread` does not fit: the process waits for its threads before it ends, so a keyring prompt that nobody
    answers, or a lost network drive, would keep the process from ending.

    Parameters
    ----------
    work : callable
        Runs in the caller's context. It goes on in its thread if the wait is cancelled or takes too long.
    timeout : float, optional
        Seconds to wait at most; None for no limit.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    outcome: Future[T] = Future()
    _start_thread(work, outcome)
    waiting = asyncio.wrap_future(outcome)
    try:
        async with asyncio.timeout(timeout):
            await _tick_until_done(waiting)
        return waiting.result()
    finally:
        waiting.cancel()  # else asyncio would log an error that comes after the wait


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, or raise what it raises, from code that can't await.

    If no loop runs in this thread, the coroutine gets one of its own. On a running loop (a notebook's, in a cell that
    is not awaited) it runs nested, so that the user's tasks go on meanwhile. If the loop can't be nested (uvloop), the
    coroutine runs on a loop in another thread while this one waits.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _run_on_new_loop(coroutine)
    # Checked first: `apply` patches asyncio and only then refuses a foreign loop (nest-asyncio2 1.7.4).
    if not isinstance(loop, asyncio.BaseEventLoop):
        return _run_in_thread(coroutine)
    # The fork, and not nest_asyncio itself: that one hangs ipykernel >= 7.1 for good.
    import nest_asyncio2  # noqa: PLC0415 - seldom needed

    nest_asyncio2.apply(loop)
    return loop.run_until_complete(coroutine)


async def run_interruptibly(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, or raise what it raises; an interrupt cancels it, and ends the wait.

    Await it in the cell's own coroutine. If `coroutine` raises an interrupt itself, it is raised here and not in the
    inner task: from there it would end the kernel's process.
    """
    outer = asyncio.current_task()
    assert outer is not None  # noqa: S101 - never None inside a coroutine
    task = asyncio.get_running_loop().create_task(_caught(coroutine))
    with cancel_on_interrupt(outer):
        try:
            await _tick_until_done(task)
        except asyncio.CancelledError:
            await cancel_and_wait(task)
            if not task.done() or task.cancelled() or task.exception() is not None:
                raise  # the interrupt; the error of the cancelled work no longer matters
    interrupt, result = task.result()
    if interrupt is not None:
        raise interrupt
    return result  # type: ignore[return-value]


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait up to three seconds until it has ended; a second interrupt does not shorten that."""
    task.cancel()
    await wait_through_interrupts(task, timeout=_CLOSING)


async def wait_through_interrupts(task: asyncio.Future[Any], *, timeout: float = math.inf) -> bool:  # noqa: ASYNC109 - it outlasts cancelling
    """Wait until `task` has ended, or for `timeout` seconds; return whether an interrupt came meanwhile."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + timeout
    interrupted = False
    while not task.done() and (left := latest - loop.time()) > 0:
        try:
            await asyncio.wait([task], timeout=min(left, TICK))
        except asyncio.CancelledError:
            interrupted = True
    return interrupted


@contextmanager
def cancel_on_interrupt(task: asyncio.Task[object]) -> Iterator[None]:
    """Let SIGINT cancel `task`, instead of raising KeyboardInterrupt wherever the loop happens to be.

    If SIGINT has another handler already, such as ipykernel's for an awaited cell, that handler stays. The handler
    does not wake the loop: wait in ticks inside of it.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    loop = asyncio.get_running_loop()

    def cancel(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def short_tracebacks() -> Iterator[None]:
    """Show an interrupt as one line, or a `BerlinError` as its message, in place of a traceback."""
    try:
        yield
    except Interrupted:
        raise
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise Interrupted("Interrupted.") from None
    except BerlinError as error:
        if not hasattr(error, "_render_traceback_"):
            lines = f"{type(error).__name__}: {error}"
            error._render_traceback_ = lambda: [lines]  # type: ignore[attr-defined]
        raise


def _start_thread(work: Callable[[], T], outcome: Future[T]) -> None:
    """Start `work` in a thread that does not keep the process alive; its result or error goes to `outcome`."""
    outcome.set_running_or_notify_cancel()  # from here on only its thread sets the result

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - passed on to the waiting thread
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    # In the caller's context, as `asyncio.to_thread` does: ipykernel knows by it which cell is running.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="berlin_magic in_thread", daemon=True).start()


async def _tick_until_done(task: asyncio.Future[Any]) -> None:
    while not task.done():
        await asyncio.wait([task], timeout=TICK)


async def _caught(coroutine: Coroutine[Any, Any, T]) -> tuple[KeyboardInterrupt | None, T | None]:
    try:
        return None, await coroutine
    except KeyboardInterrupt as interrupt:
        return interrupt, None


def _run_on_new_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    # Not `asyncio.run`: patched, it takes the thread's current loop if there is one, which in a forked process is the
    # parent's and never answers, and leaves a new one open (nest-asyncio2 1.7.4).
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


def _run_in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    outcome: Future[T] = Future()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        running.append((asyncio.get_running_loop(), task))
        return await coroutine

    try:
        _start_thread(lambda: _run_on_new_loop(main()), outcome)
        while not concurrent.futures.wait(
            [outcome], TICK
        ).done:  # in ticks: on Windows an interrupt does not end a wait
            pass
    except KeyboardInterrupt:
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)
            concurrent.futures.wait([outcome], _CLOSING)
        raise
    return outcome.result()
