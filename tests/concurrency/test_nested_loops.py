"""A coroutine run to its end from code that can't await."""

from __future__ import annotations

import _thread
import asyncio
import os
import subprocess
import sys
from contextvars import ContextVar

import pytest

from berlin_magic import concurrency

NESTED = """
import asyncio
from berlin_magic.concurrency import run_sync

async def inner():
    await asyncio.sleep(0.01)
    return "done"

async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1
    ticking = asyncio.ensure_future(tick())
    result = [run_sync(inner()) for _ in range(3)]
    print(result, ticks > 3)
    try:
        run_sync(fails())
    except ValueError as error:
        print(error)
    ticking.cancel()

async def fails():
    raise ValueError("inner")

asyncio.run(main())
"""


async def answer() -> str:
    await asyncio.sleep(0)
    return "done"


async def fails() -> None:
    raise ValueError("inner")


def test_with_no_loop_it_gets_one() -> None:
    assert concurrency.run_sync(answer()) == "done"
    with pytest.raises(ValueError, match="inner"):
        concurrency.run_sync(fails())


def test_on_a_running_loop_it_is_nested_and_the_loop_goes_on() -> None:
    # In a process of its own: nesting patches asyncio.
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['done', 'done', 'done'] True\ninner\n", done.stderr


async def test_a_loop_that_cannot_be_nested_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(_loop: object) -> None:
        pytest.fail("asyncio is patched, for a loop that can't be")

    monkeypatch.setattr("nest_asyncio2.apply", apply)
    monkeypatch.setattr("asyncio.BaseEventLoop", type("Other", (), {}))  # as uvloop's: no loop of asyncio's own
    assert concurrency.run_sync(answer()) == "done"
    with pytest.raises(ValueError, match="inner"):
        concurrency.run_sync(fails())


async def test_in_another_thread_the_context_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    cell: ContextVar[str] = ContextVar("cell")
    cell.set("this one")

    async def where() -> str:
        return cell.get()

    monkeypatch.setattr("asyncio.BaseEventLoop", type("Other", (), {}))
    assert concurrency.run_sync(where()) == "this one"


def test_an_interrupt_of_the_waiting_thread_ends_the_coroutine() -> None:
    ends: list[str] = []

    async def waits() -> None:
        try:
            _thread.interrupt_main()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        concurrency._run_in_thread(waits())
    assert ends == ["cancelled"]


# Nesting replaces `asyncio.run`; what runs without a loop afterwards must not depend on it.
AFTER_NESTING = """
import asyncio, os, threading
from berlin_magic.concurrency import run_sync

async def its_loop():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()

async def main():
    here = run_sync(its_loop())
    loops = []
    thread = threading.Thread(target=lambda: loops.append(run_sync(its_loop())))
    thread.start(); thread.join()
    print(here is asyncio.get_running_loop(), loops[0] is not here, loops[0].is_closed(), flush=True)
    if hasattr(os, "fork"):
        child = os.fork()
        if not child:
            loop = run_sync(its_loop())
            print("forked", loop is not here, loop.is_closed(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)

asyncio.run(main())
"""


def test_after_nesting_a_thread_and_a_fork_get_loops_of_their_own_closed_at_the_end() -> None:
    command = [sys.executable, "-c", AFTER_NESTING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    expected = ["True True True", *(["forked True True"] if hasattr(os, "fork") else [])]
    assert done.stdout.splitlines() == expected, done.stderr
