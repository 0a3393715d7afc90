"""The origin of a notebook: where it lies, what its file tells, and which one it is by that and by the store."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from berlin_magic.conversations.serialization import Record, as_of
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.storage.database import Known, Store
from berlin_magic.conversations.storage.notebook_file import NotebookFile
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns

__all__ = ["Identity", "Origin", "identified"]


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


class Origin:
    """What is known of a notebook before anything is asked in it; made once, reading files.

    Parameters
    ----------
    path : Path or None
        Where the front end says that it lies.
    cell : str or None
        The id of the cell that is running.
    store : Store or None
        What is stored of it; None where nothing is.

    Attributes
    ----------
    identity : Identity
        Which notebook it is.
    cells : set of str
        The ids of its cells, as far as they are known.
    warnings : list of str
        What the user should know of the file.
    """

    def __init__(self, path: Path | None, cell: str | None, store: Store | None) -> None:
        self.path = path
        self.store = store
        self.warnings: list[str] = []
        self.file = self._read()
        self.identity: Identity = identified(path, self.file, cell, store or _Nothing(), _id_in)
        self.cells = set(self.file.cells) if self.file is not None else set()
        if cell is not None:
            self.cells.add(cell)
        self.note()

    @property
    def id(self) -> str:
        """The notebook's own id."""
        return self.identity.id

    def names(self) -> set[str]:
        """Return the names of the conversations in the file."""
        return set(self.file.records) if self.file is not None else set()

    def add_cell(self, cell: str) -> None:
        """Take note of a cell."""
        if cell not in self.cells:
            self.cells.add(cell)
            self.note()

    def note(self) -> None:
        """Have the store know where the notebook is."""
        if self.store is not None and self.cells:
            self.store.note_notebook(self.id, "" if self.path is None else str(self.path), self.cells)

    def apart(self) -> list[Turn]:
        """Return what was asked outside of any conversation, as the file tells."""
        turns = Turns()
        if self.file is not None:
            turns.read(self.file.apart)
        return turns.every_turn()

    def remembered(self, name: str) -> Record | None:
        """Return what the file has of a conversation, but for what the user has had deleted."""
        record = self.file.records.get(name) if self.file is not None else None
        if record is None or self.store is None:
            return record
        gone = self.store.forgotten([event["id"] for event in record["events"]])
        return {**record, "events": [event for event in record["events"] if event["id"] not in gone]}

    def of_the_original(self, name: str) -> Record | None:
        """Return what the conversation was in the notebook that this one is a copy of, as the copy's file tells."""
        if self.store is None or not self.identity.copy_of:
            return None
        id_ = self.store.conversations(self.identity.copy_of).get(name, "")
        record = self.store.record(id_) if id_ else None
        remembered = self.remembered(name)
        if record is None or remembered is None:
            return None
        return as_of(record, {event["id"] for event in remembered["events"]})

    def order(self, turns: Turns) -> list[str] | None:
        """Return the cells in the file's order, by the ids that the front end sends: VS Code's are not the file's."""
        if self.file is None:
            return None
        cells = {place.cell for place in turns.places}
        order = []
        for cell, asked in self.file.asked:
            if cell in cells:
                order.append(cell)
                continue
            found = [turn for turn in map(turns.find, asked) if turn is not None]
            order += [turn.cell for turn in found[:1] if turn.cell is not None]
        return order

    def _read(self) -> NotebookFile | None:
        if self.path is None or not self.path.is_file():
            return None
        try:
            file = notebook_file.read(self.path)
        except (OSError, ValueError, RecursionError) as error:
            self.warnings.append(f"{self.path} could not be read ({error}); its own answers are left aside in it.")
            return None
        if file.problems:
            more = f", and {len(file.problems) - 1} more" if len(file.problems) > 1 else ""
            self.warnings.append(f"{self.path}: {file.problems[0]}{more}. The file is left as it is.")
        return file


class _Nothing:
    """The store of those who keep none."""

    def notebooks(self, *, id_: str | None = None, path: str | None = None, cell: str | None = None) -> list[Known]:
        """Return none."""
        del id_, path, cell
        return []


def _id_in(path: Path) -> str:
    try:
        return notebook_file.read(path).notebook
    except (OSError, ValueError, RecursionError):
        return ""
