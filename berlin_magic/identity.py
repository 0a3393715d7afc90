"""The identity of a notebook: which conversations are its own, when its path, its file and the store disagree."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from berlin_magic.notebook_file import NotebookFile
from berlin_magic.store import Known

__all__ = ["Identity", "identified"]


class Registry(Protocol):
    """Where notebooks are known: the store."""

    def notebooks(self, *, id_: str | None = None, path: str | None = None, cell: str | None = None) -> list[Known]:
        """Return the notebooks with this id, at this path, or at none and with this cell; the latest first."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """A notebook's id, and that of the one whose copy it is, if it has just been found to be one."""

    id: str
    copy_of: str = ""


def identified(
    path: Path | None, file: NotebookFile | None, cell: str | None, known: Registry, id_in: Callable[[Path], str]
) -> Identity:
    """Return which notebook it is that lies at `path`.

    The rule, in order (it stands in the documentation, too):

    1. The id in the file's own outputs says which notebook it is, wherever it lies: renaming loses nothing.
    2. But where the notebook of that id still lies elsewhere, this one is a copy: it gets an id of its own, and begins
       as a fork of the other.
    3. A file with no id yet (it was not saved since something was asked) is the notebook that was last seen at its
       path, if they have a cell in common; a new file at an old path is a new notebook.
    4. With no file to be read, the path alone decides.
    5. With no path told, it is the notebook that was last seen without one and has the running cell; where no cell is
       told either, it is a new one.

    Parameters
    ----------
    path : Path, optional
        Where the front end says that the notebook lies.
    file : NotebookFile, optional
        What is there.
    cell : str, optional
        The running cell.
    known : Registry
        The store.
    id_in : callable
        Gives the id of the notebook in the file at a path, empty where there is none.
    """
    here = [] if path is None else known.notebooks(path=str(path))
    cells: Collection[str] = () if file is None else file.cells
    if file is not None and file.notebook:
        if path is None or any(one.id == file.notebook for one in here):
            return Identity(file.notebook)
        for other in known.notebooks(id_=file.notebook):
            elsewhere = Path(other.path)
            if other.path and elsewhere != path and id_in(elsewhere) == file.notebook:
                forks = [one for one in here if one.cells & set(cells)]  # not saved since it was forked
                return Identity(forks[0].id) if forks else Identity(_new(), copy_of=file.notebook)
        return Identity(file.notebook)
    if path is None and cell is not None:
        here = known.notebooks(cell=cell)
    for one in here:
        if file is None or one.cells & set(cells):
            return Identity(one.id)
    return Identity(_new())


def _new() -> str:
    return uuid.uuid4().hex
