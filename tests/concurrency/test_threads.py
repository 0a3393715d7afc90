"""Work that may hang: waited for with a bound, given up at once, and nobody's end is held up by it."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from berlin_magic.concurrency import in_thread


async def test_it_gives_what_the_work_gives(order):
    assert await in_thread(lambda: 6 * 7, timeout=5) == 42


async def test_it_raises_what_the_work_raises(order):
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await in_thread(fail, timeout=5)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_takes_too_long_is_a_timeout_and_its_end_is_no_matter(order, fails):
    go_on, ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait()
        ended.set()
        if fails:
            raise KeyError

    with pytest.raises(TimeoutError):
        await in_thread(work, timeout=0.1)
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 5)


async def test_a_wait_that_is_cancelled_ends_at_once(order):
    go_on = threading.Event()
    waiting = asyncio.create_task(in_thread(go_on.wait, timeout=60))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 1)
    go_on.set()


def test_a_process_ends_while_its_work_hangs():
    code = """
import asyncio, threading
from berlin_magic.concurrency import in_thread
async def main():
    try:
        await in_thread(threading.Event().wait, timeout=0.1)
    except TimeoutError:
        print("given up")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout.strip(), done.stderr) == ("given up", "")


async def test_the_work_is_done_in_the_callers_context():
    """ipykernel 7 knows by it which cell is running; a thread without it knows of none, and 7.0 raises there."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    variable.set("this one")
    assert await in_thread(variable.get, timeout=5) == "this one"
