"""The identity of a notebook: which of the notebooks in the store is at a path."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple, Protocol

from berlin_magic.conversations.storage.database import Known
from berlin_magic.conversations.storage.notebook_file import NotebookFile

__all__ = ["Registry", "Stamp", "identified", "path_text", "stamp_of"]


class Stamp(NamedTuple):
    """The identity and the state of a file; empty texts if there is no file.

    Attributes
    ----------
    file : str
        Device and inode (on Windows the volume and the file's number there), and when it was made, if the system
        tells: a new file can get the inode of one that was deleted.
    state : str
        When it was last changed, in nanoseconds, and its size.
    """

    file: str = ""
    state: str = ""


def stamp_of(path: Path | None) -> Stamp:
    """Return the stamp of the file at `path`."""
    if path is None:
        return Stamp()
    try:
        status = os.stat(path)  # noqa: PTH116 - Windows gives the file's number to this one on every Python
    except (OSError, ValueError):
        return Stamp()
    made = getattr(status, "st_birthtime", "")
    file = f"{status.st_dev}:{status.st_ino}:{made}" if status.st_ino else ""
    return Stamp(file, f"{status.st_mtime_ns}:{status.st_size}")


def path_text(path: Path | None) -> str:
    """Return a path as it is stored; bytes of a file's name that are not text become escapes."""
    return str(path or "").encode("utf-8", "backslashreplace").decode()


class Registry(Protocol):
    """The known notebooks: the store."""

    def notebooks(self, *, path: str = "", file: str = "", cell: str = "") -> list[Known]:
        """Return the notebooks at this path, those of this file, or those at no path with this cell; latest first."""
        ...


def identified(
    path: Path | None,
    stamp: Stamp,
    file: NotebookFile | None,
    cells: Collection[str],
    known: Registry | None,
    *,
    mentions_question: Callable[[Known], bool] | None = None,
) -> str:
    """Return the id of the notebook at `path`; a new one if the store does not know it.

    The rule, in order (the documentation has it, too):

    1. A file whose outputs name a notebook is that one, if the store last saw it at this path, or, as the file was
       moved, with this device and inode. What the outputs say proves nothing by itself: it goes with every copy.
    2. A file is the notebook that was last seen at its path if they have a cell in common, those that have run in this
       kernel included (by its source, if ids do not last), or if the file was not written to since: so is one
       that was never saved, which holds no cell. What was deleted and made anew is another file, or was written to.
    3. With no notebook file to be read, the path decides. A text notebook has to be the same file, too, or to
       have a question that was asked.
    4. With no path, it is the notebook that was last seen without one and has the running cell.
    5. Every other one is new: a fork, if its file has conversations.

    Parameters
    ----------
    path : Path, optional
        The path of the notebook, as the front end gives it.
    stamp : Stamp
        That of the file there.
    file : NotebookFile, optional
        What is there, if it can be read.
    cells : collection of str
        The ids of the cells that have run in this kernel, as far as such an id lasts.
    known : Registry or None
        The store; None if nothing is stored.
    mentions_question : callable, optional
        For a text notebook: says whether it has a question that was asked in a notebook.
    """
    if path is None:
        found = [one for cell in cells for one in (known.notebooks(cell=cell) if known else ())]
        return found[0].id if found else _new()
    seen = known.notebooks(path=path_text(path), file=stamp.file) if known else []
    here = [one for one in seen if one.path == path_text(path)]
    if file is None:
        for one in here:
            if mentions_question is None or one.file in {"", stamp.file} or mentions_question(one):
                return one.id
        return _new()
    for one in here + seen:
        if one.id in file.notebooks:
            return one.id
    cells = {*cells, *(cell.id for cell in file.cells if cell.id)}
    sources = set() if file.lasting else {cell.source for cell in file.cells}
    for one in here + seen:
        if (
            cells & one.cells.keys()
            or sources & set(one.cells.values())
            or (one.file and (one.file, one.state) == stamp)
        ):
            return one.id
    return _new()


def _new() -> str:
    return uuid.uuid4().hex
