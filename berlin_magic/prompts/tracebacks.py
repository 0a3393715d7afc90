"""Describe exceptions: what was raised, and through which lines of the user's own code."""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import fenced
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name

__all__ = ["describe_exception"]

_LINE = 200  # characters
_AROUND = 3  # lines of source before and after the one that was running
_MOST_FRAMES = 12
_LIBRARIES = tuple(
    {
        os.path.realpath(path) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_paths().get(name))
    }
)


def describe_exception(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value` if it is an exception or a traceback.

    The frames of the user's own code are shown with their source, those of libraries are counted. At the level
    ``schema`` it is the type alone: a message holds data.
    """
    if isinstance(value, TracebackType):
        kind = f"traceback, {_count(value)} frames"
        written = "\n".join(_frames(value))
    elif isinstance(value, BaseException):
        frames = _count(value.__traceback__)
        kind = f"{type_name(value)}, raised through {frames} frames" if frames else type_name(value)
        written = "" if level == "schema" else "\n\n".join(_chain(value))
    else:
        return None
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    return Description.of_text(kind, written, level, bounds.characters(level))


def _count(trace: TracebackType | None) -> int:
    return sum(1 for _ in traceback.walk_tb(trace))


def _chain(error: BaseException) -> Iterator[str]:
    """Yield the text of an exception, and of those that led to it, the last first."""
    seen: set[int] = set()
    link, one = "", error
    while id(one) not in seen and len(seen) < _MOST_FRAMES:
        seen.add(id(one))
        yield link + "\n".join([_message(one), *_frames(one.__traceback__)])
        if isinstance(one, BaseExceptionGroup):
            for i, inner in enumerate(one.exceptions[:_MOST_FRAMES], 1):
                yield f"Exception {i} of {len(one.exceptions)} in it: " + "\n\n".join(_chain(inner))
        if one.__cause__ is not None:
            link, one = "Its cause: ", one.__cause__
        elif one.__context__ is not None and not one.__suppress_context__:
            link, one = "It was raised while this one was handled: ", one.__context__


def _message(error: BaseException) -> str:
    """Return type and message as Python shows them, notes and the place of a syntax error included."""
    try:
        return "".join(traceback.format_exception_only(error)).rstrip()
    except Exception as failure:  # noqa: BLE001 - `str` of an exception of the user's can fail in any way
        return f"{type_name(error)}: its message raised {type_name(failure)}"


def _frames(trace: TracebackType | None) -> list[str]:
    """Return the user's frames with their source, and one line for each row of frames of libraries.

    What called the user's code, which in a notebook is IPython, is left out.
    """
    steps = [(frame.f_code.co_filename, line, frame.f_code.co_qualname) for frame, line in traceback.walk_tb(trace)]
    parts: list[str] = []
    for is_library, group in groupby(steps, key=lambda step: bool(_library(step[0], step[2]))):
        frames = list(group)
        if not is_library:
            parts += [_frame(*one) for one in frames]
        elif parts or len(frames) == len(steps):
            names = dict.fromkeys(_library(file, name) for file, _, name in frames)
            parts.append(f"… {len(frames)} {'frame' if len(frames) == 1 else 'frames'} in {', '.join(names)}")
    if len(parts) > _MOST_FRAMES:  # a recursion
        half = _MOST_FRAMES // 2
        parts[half:-half] = [f"… {len(parts) - 2 * half} more …"]
    return parts


def _frame(file: str, line: int, name: str) -> str:
    lines = linecache.getlines(file)
    first = max(1, line - _AROUND)
    shown = [
        f"{'→' if i == line else ' '} {i:4} {text.rstrip()[:_LINE]}"
        for i, text in enumerate(lines[first - 1 : line + _AROUND], first)
    ]
    head = f"{_place(file)}, line {line}, in {name}"
    return f"{head}\n{fenced(chr(10).join(shown))}" if shown else head


def _place(file: str) -> str:
    """Return the name of a file as the user knows it, without its folders."""
    if "ipykernel_" in file or file.startswith("<ipython"):
        return "In a cell of the notebook"
    try:
        return f"In {Path(file).relative_to(Path.cwd())}"
    except (ValueError, OSError):
        return f"In {Path(file).name}"


def _library(file: str, name: str) -> str:
    """Return the library that a frame belongs to, "" for the user's own code."""
    if file.endswith((".pyx", ".pxi")):  # compiled by Cython
        return name.partition(".")[0]
    parts = Path(file).parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return Path(parts[parts.index(folder) + 1]).stem
    return "Python" if file.startswith("<frozen") or os.path.realpath(file).startswith(_LIBRARIES) else ""
