"""A wait that an interrupt ends: what comes of it, and what is left of the work."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from berlin_magic.concurrency import Interrupted, run_interruptibly


async def test_it_gives_what_the_work_gives_or_raises(order):
    async def work(value):
        await asyncio.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value

    assert await run_interruptibly(work(42)) == 42
    with pytest.raises(ValueError, match="theirs"):
        await run_interruptibly(work(ValueError("theirs")))


async def test_an_interrupt_of_the_works_own_is_raised_here_and_not_in_its_task(order):
    """In a task it would end the process."""

    async def interrupted():
        raise Interrupted("In their words.")

    with pytest.raises(Interrupted, match="In their words"):
        await run_interruptibly(interrupted())


async def test_cancelling_the_wait_cancels_the_work_and_waits_for_its_end(order):
    told = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            told.append("closed")

    waiting = asyncio.create_task(run_interruptibly(work()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0.01)
    waiting.cancel()  # twice in a row
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told == ["closed"]


async def test_work_that_answers_its_cancelling_with_words_of_its_own_has_them_raised(order):
    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Interrupted("What had arrived is kept.") from None

    waiting = asyncio.create_task(caught(run_interruptibly(work())))
    await asyncio.sleep(0.01)
    (inner,) = asyncio.all_tasks() - {asyncio.current_task(), waiting}
    waiting.cancel()
    assert str(await waiting) == "What had arrived is kept."
    assert inner.done()


async def caught(waiting):
    try:
        await waiting
    except KeyboardInterrupt as interrupt:
        return interrupt


@pytest.mark.skipif(os.name == "nt", reason="a signal does not end Windows' select")
def test_a_signal_ends_it_where_nobody_else_has_taken_it():
    """On a bare loop, as where a cell is not awaited."""

    async def main():
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            await asyncio.wait_for(run_interruptibly(asyncio.Event().wait()), 5)
        except asyncio.CancelledError:
            return "cancelled"
        finally:
            timer.join()

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(main()) == "cancelled"
    finally:
        loop.close()
