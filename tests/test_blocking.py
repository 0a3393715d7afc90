"""A coroutine run to its end from code that can't await."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from berlin_magic import blocking

NESTED = """
import asyncio
from berlin_magic.blocking import run

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
    result = [run(inner()) for _ in range(3)]
    print(result, ticks > 3)
    try:
        run(fails())
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
    assert blocking.run(answer()) == "done"
    with pytest.raises(ValueError, match="inner"):
        blocking.run(fails())


def test_on_a_running_loop_it_is_nested_and_the_loop_goes_on() -> None:
    # In a process of its own: nesting patches asyncio.
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['done', 'done', 'done'] True\ninner\n", done.stderr


async def test_a_loop_that_cannot_be_nested_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_loop: object) -> None:
        raise ValueError("Can't patch loop of type uvloop.Loop")

    monkeypatch.setattr("nest_asyncio2.apply", refuse)
    assert blocking.run(answer()) == "done"
    with pytest.raises(ValueError, match="inner"):
        blocking.run(fails())
