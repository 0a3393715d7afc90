"""Running a coroutine to its end from code that can't await, on whatever loop there is."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")


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
