"""Drives a view from a notebook cell, without a magic or a server: a text at a pace, as a turn would."""

from __future__ import annotations

import asyncio
import contextlib
import time

from IPython import get_ipython

from berlin_magic.display.selection import open_view, prepare
from berlin_magic.display.view import Status

DRAW_EVERY = 0.05
TICK = 0.1


async def drive(text: str, seconds: float, *, pieces: int = 200, silence: float = 0.0, **options: object) -> str:
    """Show `text` as it arrives over `seconds`, after `silence` seconds without a word; return how it ended."""
    shell = get_ipython()
    prepare(shell)
    done = asyncio.Event()
    view = open_view(shell, stop=done.set, **options)
    start = time.monotonic()
    state, at, drawn = "waiting", 0, 0.0

    def status() -> Status:
        return Status(state, "test-model", "Test", time.monotonic() - start, at, ("a note",))

    view.begin(status())
    try:
        while at < len(text) and not done.is_set():
            elapsed = time.monotonic() - start - silence
            due = len(text) if seconds == 0 else min(len(text), int(len(text) * max(0.0, elapsed) / seconds))
            step = max(1, len(text) // pieces)
            due = due if due == len(text) else due - due % step
            if due > at:
                view.feed(text[at:due])
                at, state = due, "streaming"
            if time.monotonic() - drawn >= DRAW_EVERY:
                drawn = time.monotonic()
                view.draw(status())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), min(TICK, max(0.01, seconds / pieces)))
        state = "stopped" if done.is_set() else "complete"
    except asyncio.CancelledError:
        state = "interrupted"
        raise KeyboardInterrupt from None
    finally:
        view.finish(status(), {"reply": at})
    return state
