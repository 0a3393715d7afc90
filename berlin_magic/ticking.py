"""Waiting in short ticks, so that an interrupt gets through while a server, or a disk, says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from berlin_magic.interrupts import cancelling

__all__ = ["TICK", "ended", "ticking"]

T = TypeVar("T")

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
