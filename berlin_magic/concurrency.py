"""Waiting in threads, on nested loops and through interrupts."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from berlin_magic.errors import BerlinError

__all__ = ["TICK", "Interrupted", "aside", "cancelling", "ended", "in_one_line", "run", "ticking"]

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


class Interrupted(KeyboardInterrupt):
    """The user interrupted a reply. As any interrupt it ends the cell and the cells in the queue, but in one line.

    To be raised in the cell's own coroutine only: a KeyboardInterrupt that leaves an inner task ends the kernel's
    process (platform page).
    """

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show in place of a traceback."""
        return [str(self)]


@contextmanager
def in_one_line() -> Iterator[None]:
    """Give an interrupt that comes while nothing has been asked yet its one line, too; an error of ours its few."""
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


@contextmanager
def cancelling(task: asyncio.Task[object]) -> Iterator[None]:
    """While it lasts, let SIGINT cancel `task` instead of raising KeyboardInterrupt wherever the loop happens to be.

    Where somebody else has taken SIGINT already, as ipykernel does for an awaited cell, that stays. The handler does
    not wake a loop that sleeps in its selector: whoever uses this has to tick (ipykernel issue 881).
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


TICK = 0.1
"""Seconds between two looks: a signal handler does not wake a loop that sleeps in its selector (ipykernel 881)."""

_DRAIN = 3.0  # seconds that what was cancelled may take to close its connections


async def ticking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, or raise what it raises; an interrupt cancels it, and ends the wait.

    To be awaited in the cell's own coroutine. An interrupt that `coroutine` raises itself is raised there too, and
    not in the task that it runs in: from there it would end the kernel's process (platform page).
    """
    outer = asyncio.current_task()
    assert outer is not None  # noqa: S101 - there is one in every coroutine that a loop runs
    task = asyncio.get_running_loop().create_task(_caught(coroutine))
    with cancelling(outer):
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=TICK)
        except asyncio.CancelledError:
            await ended(task)
            if not task.done() or task.cancelled() or task.exception() is not None:
                raise  # the interrupt; what the cancelled work failed with is nobody's concern any more
    interrupt, result = task.result()
    if interrupt is not None:
        raise interrupt
    return result  # type: ignore[return-value]


async def _caught(coroutine: Coroutine[Any, Any, T]) -> tuple[KeyboardInterrupt | None, T | None]:
    try:
        return None, await coroutine
    except KeyboardInterrupt as interrupt:
        return interrupt, None


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait until it has ended; a second interrupt does not shorten that."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + _DRAIN
    task.cancel()
    while not task.done() and (left := latest - loop.time()) > 0:
        try:
            await asyncio.wait({task}, timeout=min(left, TICK))
        except asyncio.CancelledError:
            continue


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what `coroutine` returns, or raise what it raises.

    With no loop running in this thread, it gets one of its own. On a running loop (a notebook's, in a cell that is
    not awaited) it is run nested, so that the user's tasks go on meanwhile; a loop that can't be nested (uvloop) is
    left alone, and the coroutine runs on a loop in another thread while this one waits.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _on_a_new_loop(coroutine)
    # Asked before: `apply` patches asyncio first, and refuses a foreign loop after that (nest-asyncio2 1.7.4).
    if not isinstance(loop, asyncio.BaseEventLoop):
        return _in_thread(coroutine)
    # The fork, and not nest_asyncio itself: that one hangs ipykernel >= 7.1 for good (platform page).
    import nest_asyncio2  # noqa: PLC0415 - patches asyncio when applied: only where nothing else is left

    nest_asyncio2.apply(loop)
    return loop.run_until_complete(coroutine)


def _on_a_new_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    # Not `asyncio.run`: patched, it takes the thread's current loop where there is one, which in a forked process is
    # the parent's and never answers, and leaves a new one open (nest-asyncio2 1.7.4).
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


def _in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    result: list[T] = []
    failure: list[BaseException] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        running.append((asyncio.get_running_loop(), task))
        return await coroutine

    def work() -> None:
        try:
            result.append(_on_a_new_loop(main()))
        except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread, whatever it is
            failure.append(error)
        finally:
            done.set()

    # Not Thread.join: interrupted, it takes a thread that still runs for one that has ended (Python 3.11).
    done = threading.Event()

    # In this thread's context: ipykernel tells by it which cell an output belongs to.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="berlin_magic blocking", daemon=True)
    try:
        thread.start()
        while not done.wait(0.1):  # in pieces, so that an interrupt gets through on every platform
            pass
    except KeyboardInterrupt:
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)
        if thread.ident is not None:  # it began
            done.wait(5)
        raise
    if failure:
        raise failure[0]
    return result[0]
