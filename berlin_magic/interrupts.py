"""A kernel interrupt while a reply streams: it cancels the cell's task, and becomes one quiet line."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from berlin_magic.errors import BerlinError

__all__ = ["Interrupted", "cancelling", "in_one_line"]


class Interrupted(KeyboardInterrupt):
    """The user interrupted a reply. As any interrupt it ends the cell and the cells in the queue, but in one line.

    To be raised in the cell's own coroutine only: a KeyboardInterrupt that leaves an inner task ends the kernel's
    process (platform page).
    """

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show in place of a traceback."""
        return [str(self)]


@contextmanager
def in_one_line() -> Iterator[None]:
    """Give an interrupt that comes while nothing has been asked yet its one line, too; an error of ours its few."""
    try:
        yield
    except Interrupted:
        raise
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise Interrupted("Interrupted.") from None
    except BerlinError as error:
        if not hasattr(error, "_render_traceback_"):
            lines = f"{type(error).__name__}: {error}"
            error._render_traceback_ = lambda: [lines]  # type: ignore[attr-defined]
        raise


@contextmanager
def cancelling(task: asyncio.Task[object]) -> Iterator[None]:
    """While it lasts, let SIGINT cancel `task` instead of raising KeyboardInterrupt wherever the loop happens to be.

    Where somebody else has taken SIGINT already, as ipykernel does for an awaited cell, that stays. The handler does
    not wake a loop that sleeps in its selector: whoever uses this has to tick (ipykernel issue 881).
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    loop = asyncio.get_running_loop()

    def cancel(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
