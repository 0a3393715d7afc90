"""Run Python source so that tracebacks show its lines."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["run", "trace"]


def run(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Execute `source` in `namespace`; in tracebacks it is the file `name`."""
    lines = f"{source}\n".splitlines(keepends=True)  # without the last line break the marks below are one off (3.11)
    linecache.cache[name] = (len(source), None, lines, name)
    exec(compile(source, name, "exec", dont_inherit=True), namespace)  # noqa: S102 - what it is for


def trace(error: BaseException, includes: Callable[[str], bool]) -> str:
    """Return the traceback of an error with the frames whose file the function `includes` accepts."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if includes(frame.filename)]
    stack = "".join(traceback.format_list(traceback.StackSummary.from_list(frames)))
    message = "".join(traceback.format_exception_only(error))
    return f"Traceback (most recent call last):\n{stack}{message}" if stack else message
