"""The origin of a notebook: where it lies, what its file tells, and which one it is by that and by the store."""

from __future__ import annotations

from pathlib import Path

from berlin_magic import notebook_file
from berlin_magic.identity import Identity, identified
from berlin_magic.notebook_file import NotebookFile
from berlin_magic.records import Record, as_of
from berlin_magic.store import Known, Store
from berlin_magic.turn import Turn
from berlin_magic.turns import Turns

__all__ = ["Origin"]


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
