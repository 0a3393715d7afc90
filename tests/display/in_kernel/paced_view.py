"""Drives a live view in a kernel at 2 kB and 20 draws a second of simulated time, as fast as the machine allows."""

from __future__ import annotations

import asyncio
import sys
import time

from IPython import get_ipython

from berlin_magic.display.live import LiveView
from berlin_magic.display.selection import prepare
from berlin_magic.display.view import Status

FRAME, PER_FRAME = 0.05, 100
ANSWER_LIMIT = 20.0


async def show(text: str, *, answered: bool, final: bool = True) -> None:
    """Show `text`; with `answered`, wait for a widget in the front end, and never be ahead of it by much."""
    shell = get_ipython()
    prepare(shell)
    now = 0.0
    view = LiveView(shell, receives_messages=answered, clock=lambda: now)
    view.begin(Status("waiting", "m", "p"))
    await _until(lambda: view._answered or not answered)
    cpu = time.process_time()
    for at in range(0, len(text), PER_FRAME):
        now += FRAME
        view.feed(text[at : at + PER_FRAME])
        view.draw(Status("streaming", "m", "p", now, at + PER_FRAME))
        await _until(lambda: not answered or view._sent - view._painted < 4)
    if final:
        view.prepare_finish()
        view.finish(Status("complete", "m", "p", now, len(text)), {})
        await view.wait_for_front_end()
    sys.stdout.write(f"cpu {time.process_time() - cpu}\n")


async def _until(condition) -> None:
    limit = time.monotonic() + ANSWER_LIMIT
    while not condition():
        if time.monotonic() > limit:
            message = "the front end did not answer"
            raise TimeoutError(message)
        await asyncio.sleep(0.001)
