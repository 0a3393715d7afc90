"""The notebook that a shell belongs to: its conversations, found again and kept."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from berlin_magic import notebook_file
from berlin_magic.chat import Conversation
from berlin_magic.database import default_path
from berlin_magic.front_end import Cell, cell_of, path_of
from berlin_magic.identity import Identity, identified
from berlin_magic.notebook_file import NotebookFile
from berlin_magic.records import Record, as_of
from berlin_magic.replay import Mode, Replays, mode_of
from berlin_magic.replay_file import replays_from
from berlin_magic.store import Store
from berlin_magic.stored_journal import StoredJournal

__all__ = ["Notebook", "conversation", "conversation_of", "notebook_of"]

_DURABLE = 5.0  # seconds that the end of a turn waits for the disk

# Not kept by the magics: the conversations outlive `%reload_ext`.
_notebooks: WeakKeyDictionary[Any, Notebook] = WeakKeyDictionary()
_stores: dict[Path, Store] = {}


class Notebook:
    """The conversations of one notebook, or terminal session; each is read when it is first used.

    Attributes
    ----------
    model, system, connection, context_limit, context, replay
        Settings of its conversations; `apply` hands them on.
    history : bool
        Whether conversations are stored.
    database : str
        The file to store them in; empty for the usual one.
    replay_from : str
        A file to replay from; empty for ``BERLIN_REPLAY``.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._lock = threading.RLock()
        self._open = False
        self._conversations: dict[str, tuple[str, Conversation]] = {}
        self._identity = Identity("")
        self._file: NotebookFile | None = None
        self._path: Path | None = None
        self._told: Path | None = None  # by an earlier cell: a widget's callback, say, has none
        self._cells: set[str] = set()
        self._deleted: set[str] = set()
        self._warnings: list[str] = []
        self._store: Store | None = None
        self._replay_files: dict[str, Replays] = {}
        self._kept: tuple[bool, str] = (True, "")
        self.model = ""
        self.system = ""
        self.connection: dict[str, Any] = {}
        self.context_limit: int | None = None
        self.replay: Mode = "off"
        self.context: Literal["client", "server"] = "client"
        self.history = True
        self.database = ""
        self.replay_from = ""

    @property
    def id(self) -> str:
        """The notebook's own id, which goes into its outputs."""
        self.open()
        return self._identity.id

    @property
    def store(self) -> Store | None:
        """Where it is stored; None where it is not."""
        return self._store

    def open(self) -> None:
        """Find out which notebook it is, and what is known of it; once. It reads files: a thread is a good place."""
        with self._lock:
            if self._open:
                return
            self._open = True
            self._path = path_of(self._shell) or self._told
            self._file = self._read_file()
            self._store = self._chosen_store()
            known = self._store if self._store is not None else _Nothing()
            self._identity = identified(self._path, self._file, known, _id_in)
            self._cells = set(self._file.cells) if self._file is not None else set()
            self._note()
            self.conversation()

    def conversation(self, name: str = "") -> Conversation:
        """Return the conversation of that name, a new one where there is none; "" is the usual one."""
        with self._lock:
            self.open()
            if name not in self._conversations:
                self._conversations[name] = self._found(name)
            return self._conversations[name][1]

    def apart(self) -> Conversation:
        """Return a conversation that is none of the notebook's, with its settings: for a question outside of any."""
        talk = Conversation(self.system)
        talk.replays = self.replays
        self._configure(talk)
        return talk

    def names(self) -> list[str]:
        """Return the names of its conversations, the usual one first."""
        self.open()
        stored = self._store.conversations(self._identity.id) if self._store is not None else {}
        in_file = self._file.records if self._file is not None else {}
        return sorted({"", *self._conversations, *stored, *in_file})

    def apply(self) -> None:
        """Hand the settings on to the conversations."""
        if self._open and (self.history, self.database) != self._kept:
            self._keep_elsewhere()
        for _, talk in self._conversations.values():
            self._configure(talk)

    def at(self, cell: Cell, talk: Conversation | None) -> None:
        """Take note that `cell` asks in `talk`: its turns in other conversations, of an earlier run, leave those."""
        if cell.id is None:
            return
        if cell.id not in self._cells:
            self._cells.add(cell.id)
            self._note()
        for _, other in tuple(self._conversations.values()):
            if other is not talk and any(
                place.cell == cell.id and place.current.run != cell.run for place in other.places
            ):
                other.leave({cell.id})

    def before_cell(self, *_info: object) -> None:
        """Take note of what the front end tells: where the file is, which cells were deleted; before each cell."""
        self._told = path_of(self._shell) or self._told
        if deleted := cell_of(self._shell).deleted:
            self._deleted.update(deleted)
            self._leave(deleted)

    def forget(self, name: str) -> bool:
        """Delete a conversation for good, in memory and in the store; say whether that has succeeded."""
        talk = self.conversation(name)
        id_, _ = self._conversations[name]
        turns = [turn.id for turn in talk.every_turn()]
        talk.forget()
        return self._store is None or self._store.forget(id_, turns)

    def take_warnings(self) -> list[str]:
        """Return what the user should know and has not been told yet."""
        taken, self._warnings = self._warnings, []
        return taken + (self._store.take_warnings() if self._store is not None else [])

    async def settle(self) -> None:
        """Wait until what was said is on disk, if it is stored at all; not for long."""
        store = self._store
        if store is not None and not store.broken:
            await asyncio.to_thread(store.flush, _DURABLE)

    def replays(self) -> list[Replays]:
        """Return where else replies may be found: the notebook's other conversations, and the file to replay from."""
        own = Replays()
        for _, talk in tuple(self._conversations.values()):
            own.add_turns(talk.every_turn())
        named = self.replay_from or os.environ.get("BERLIN_REPLAY", "")
        if not named:
            return [own]
        if named not in self._replay_files:
            self._replay_files[named] = replays_from(Path(named).expanduser())
        return [own, self._replay_files[named]]

    def usual_replay(self) -> Mode:
        """Return whether to replay: as set, else as the environment says."""
        if self.replay == "off" and (self.replay_from or os.environ.get("BERLIN_REPLAY")):
            return mode_of(os.environ.get("BERLIN_REPLAY_MODE", "auto"))
        return self.replay

    def _chosen_store(self) -> Store | None:
        self._kept = (self.history, self.database)
        if not self.history:
            return None
        path = Path(self.database).expanduser() if self.database else default_path()
        if path not in _stores:
            _stores[path] = Store(path)
        return _stores[path]

    def _keep_elsewhere(self) -> None:
        self._store = self._chosen_store()
        self._note()
        for name, (id_, talk) in self._conversations.items():
            talk.journal = None
            if self._store is not None:
                talk.journal = StoredJournal(self._store, id_, self._identity.id, name, talk.system)
                talk.note_everything()

    def _found(self, name: str) -> tuple[str, Conversation]:
        talk = Conversation(model=self.model, **self.connection)
        id_ = ""
        fresh = False
        if self._store is not None:
            id_ = self._store.conversations(self._identity.id).get(name, "")
            if id_:
                self._take(talk, self._store.record(id_))
            elif self._identity.copy_of:
                self._take(talk, self._of_the_original(name))
                fresh = True
        id_ = id_ or uuid.uuid4().hex
        count = len(talk.every_turn())
        self._take(talk, self._remembered(name))
        fresh = fresh or len(talk.every_turn()) > count
        if self._file is not None:
            talk.arrange(_order(self._file, talk))
        talk.leave(self._deleted)
        if self._store is not None and not self._store.broken:
            talk.journal = StoredJournal(self._store, id_, self._identity.id, name, talk.system)
            if fresh:
                talk.note_everything()
        if self.system and not talk.system:
            talk.system = self.system
        talk.cell = lambda: cell_of(self._shell)[:2]
        talk.settle = self.settle
        talk.replays = self.replays
        self._configure(talk)
        return id_, talk

    def _configure(self, talk: Conversation) -> None:
        talk.model, talk.connection, talk.context_limit = self.model, dict(self.connection), self.context_limit
        talk.replay, talk.context = self.usual_replay(), self.context

    def _take(self, talk: Conversation, record: Record | None) -> None:
        if record is not None and (problems := talk.read(record)):
            self._warnings.append(
                f"Of the stored conversation {len(problems)} parts could not be read, and were left where they are: "
                + problems[0]
            )

    def _remembered(self, name: str) -> Record | None:
        """Return what the notebook file has of a conversation, but for what the user has had deleted."""
        record = self._file.records.get(name) if self._file is not None else None
        if record is None or self._store is None:
            return record
        gone = self._store.forgotten([event["id"] for event in record["events"]])
        return {**record, "events": [event for event in record["events"] if event["id"] not in gone]}

    def _of_the_original(self, name: str) -> Record | None:
        """Return what the conversation was in the notebook that this one is a copy of, as the copy's file tells."""
        assert self._store is not None  # noqa: S101 - whoever is a copy of something is known there
        id_ = self._store.conversations(self._identity.copy_of).get(name, "")
        record = self._store.record(id_) if id_ else None
        remembered = self._remembered(name)
        if record is None or remembered is None:
            return None
        return as_of(record, {event["id"] for event in remembered["events"]})

    def _read_file(self) -> NotebookFile | None:
        if self._path is None or not self._path.is_file():
            return None
        try:
            file = notebook_file.read(self._path)
        except (OSError, ValueError, RecursionError) as error:
            self._warnings.append(f"{self._path} could not be read ({error}); its own answers are left aside in it.")
            return None
        if file.problems:
            self._warnings.append(
                f"{self._path}: {file.problems[0]}"
                + (f", and {len(file.problems) - 1} more" if len(file.problems) > 1 else "")
                + ". The file is left as it is."
            )
        return file

    def _note(self) -> None:
        if self._store is not None and self._path is not None:
            self._store.note_notebook(self._identity.id, str(self._path), self._cells)

    def _leave(self, cells: Collection[str]) -> None:
        for _, talk in tuple(self._conversations.values()):
            talk.leave(cells)


class _Nothing:
    """The store of those who keep none."""

    def notebooks(self, *, id_: str | None = None, path: str | None = None) -> list[Any]:
        del id_, path
        return []


def notebook_of(shell: Any) -> Notebook:
    """Return the notebook, or terminal session, that `shell` runs."""
    if shell not in _notebooks:
        _notebooks[shell] = Notebook(shell)
    return _notebooks[shell]


def conversation_of(shell: Any, name: str = "") -> Conversation:
    """Return a conversation of the notebook, or terminal session, that `shell` runs."""
    return notebook_of(shell).conversation(name)


def conversation(name: str = "") -> Conversation:
    """Return the conversation of this notebook: the one that its ``%%berlin`` cells build.

    Parameters
    ----------
    name : str
        That of a further one, as in ``%%berlin -c NAME``.

    Raises
    ------
    RuntimeError
        Outside of IPython, where there is no notebook; make a `Conversation` of your own there.
    """
    from IPython import get_ipython  # noqa: PLC0415 - outside of IPython it is a slow import

    shell = get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    if shell is None:
        raise RuntimeError("No notebook here: outside of IPython, make a conversation with Conversation().")
    return conversation_of(shell, name)


def _id_in(path: Path) -> str:
    try:
        return notebook_file.read(path).notebook
    except (OSError, ValueError, RecursionError):
        return ""


def _order(file: NotebookFile, talk: Conversation) -> list[str]:
    """Return the cells in the file's order, by the ids that the front end sends: VS Code's are not the file's."""
    cells = {place.cell for place in talk.places}
    order = []
    for cell, asked in file.asked:
        if cell in cells:
            order.append(cell)
            continue
        turns = [turn for turn in map(talk.find, asked) if turn is not None]
        order += [turn.cell for turn in turns[:1] if turn.cell is not None]
    return order
