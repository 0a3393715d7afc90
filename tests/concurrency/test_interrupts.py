"""An interrupt while a reply streams: it cancels, in one line, and leaves SIGINT as it was."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from berlin_magic.concurrency import Interrupted, cancel_on_interrupt, short_tracebacks


def on_a_bare_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run `coroutine` without `asyncio.Runner`, which takes SIGINT for itself."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def test_an_interruption_is_shown_as_its_one_line() -> None:
    assert Interrupted("Interrupted.")._render_traceback_() == ["Interrupted."]
    assert issubclass(Interrupted, KeyboardInterrupt)  # else the cells in the queue would run


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_an_interrupt_raises_becomes_one_line(error: BaseException) -> None:
    with pytest.raises(Interrupted, match=r"^Interrupted\.$") as raised, short_tracebacks():
        raise error
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("error", [Interrupted("Its own words."), ValueError("no interrupt")])
def test_everything_else_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, short_tracebacks():
        raise error
    assert raised.value is error


def test_sigint_cancels_the_task_and_raises_nothing_elsewhere() -> None:
    async def main() -> bool:
        task = asyncio.ensure_future(asyncio.sleep(60))
        with cancel_on_interrupt(task):
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGINT)
            await asyncio.wait({task}, timeout=10)
        return task.cancelled()

    assert on_a_bare_loop(main())


@pytest.mark.skipif(os.name == "nt", reason="a signal does not end Windows' select")
def test_sigint_wakes_a_loop_that_has_nothing_else_to_do() -> None:
    async def main() -> float:
        task = asyncio.ensure_future(asyncio.sleep(60))
        with cancel_on_interrupt(task):
            await asyncio.sleep(0)
            began = time.monotonic()
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            await asyncio.wait({task})
            timer.join()
        return time.monotonic() - began

    assert on_a_bare_loop(main()) < 30


def test_afterwards_sigint_is_what_it_was_also_after_an_error() -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        with cancel_on_interrupt(task):
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            await task
            raise ValueError("theirs")

    with pytest.raises(ValueError, match="theirs"):
        on_a_bare_loop(main())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_somebody_else_has_taken_sigint_that_stays() -> None:
    def theirs(_number: int, _frame: object) -> None: ...

    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        with cancel_on_interrupt(task):
            assert signal.getsignal(signal.SIGINT) is theirs
        await task

    signal.signal(signal.SIGINT, theirs)
    try:
        on_a_bare_loop(main())
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_in_another_thread_nothing_is_touched() -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        with cancel_on_interrupt(task):  # `signal.signal` would raise: only the main thread may
            await task

    def work() -> None:
        try:
            on_a_bare_loop(main())
        except BaseException as error:  # noqa: BLE001 - handed over to the test
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert errors == []
