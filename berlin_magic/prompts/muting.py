"""Muting: output that a value prints while it is described is discarded."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["muted"]

_mute: ContextVar[bool] = ContextVar("berlin_magic_mute", default=False)
_lock = threading.Lock()
_users = 0


class _Stream:
    """A stream that discards text written in a muted context; all other text goes to the real stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if _mute.get() else self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def muted() -> Iterator[None]:
    """Discard output of this context, and of tasks and threads that run in a copy of it; others print as usual.

    `contextlib.redirect_stdout` does not fit: it takes away what the user's other tasks print meanwhile.
    """
    global _users  # noqa: PLW0603 - the streams of the process are shared as well
    with _lock:
        _users += 1
        for name in ("stdout", "stderr"):
            if not isinstance(getattr(sys, name), _Stream | None):  # without a terminal or a kernel there may be none
                setattr(sys, name, _Stream(getattr(sys, name)))
    token = _mute.set(True)
    try:
        yield
    finally:
        _mute.reset(token)
        with _lock:
            _users -= 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if not _users and isinstance(stream, _Stream):
                    setattr(sys, name, stream._stream)  # noqa: SLF001 - its own module
