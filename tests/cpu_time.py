"""The CPU time of a piece of code, without what else the process does meanwhile."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def measured() -> Iterator[list[float]]:
    """Append the CPU seconds that this thread takes inside; no collection of others' garbage counts."""
    seconds: list[float] = []
    was_on = gc.isenabled()
    gc.disable()
    begin = time.thread_time()
    try:
        yield seconds
        seconds.append(time.thread_time() - begin)
    finally:
        if was_on:
            gc.enable()
