"""The notebook that a shell belongs to: its conversations, found again and kept."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.conversation import Conversation, Host
from berlin_magic.conversations.replay import Mode, Replays, mode_of, replays_from
from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage.database import Store, StoredJournal
from berlin_magic.conversations.storage.notebook_identity import Origin
from berlin_magic.conversations.storage.schema import default_path
from berlin_magic.errors import NotConfiguredError
from berlin_magic.kernel.cell import Cell, cell_of, path_of

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
        self._origin: Origin | None = None
        self._told: Path | None = None  # by an earlier cell: a widget's callback, say, has none
        self._apart: list[Conversation] = []
        self._deleted: set[str] = set()
        self._warnings: list[str] = []
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
        return self._found_out().id

    @property
    def store(self) -> Store | None:
        """Where it is stored; None where it is not."""
        return self._origin.store if self._origin is not None else None

    def open(self) -> None:
        """Find out which notebook it is, and what is known of it; once. It reads files: a thread is a good place."""
        with self._lock:
            if self._open:
                return
            self._open = True
            path = path_of(self._shell) or self._told
            self._origin = Origin(path, cell_of(self._shell).id, self._chosen_store())
            self._warnings += self._origin.warnings
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
        talk = Conversation(self.system, host=Host(replays=self.replays))
        self._apart.append(talk)
        self._configure(talk)
        return talk

    def names(self) -> list[str]:
        """Return the names of its conversations, the usual one first."""
        origin = self._found_out()
        stored = origin.store.conversations(origin.id) if origin.store is not None else {}
        return sorted({"", *self._conversations, *stored, *origin.names()})

    def open_ids(self) -> set[str]:
        """Return the ids of its conversations, as far as they have been used."""
        return {id_ for id_, _ in self._conversations.values()}

    def apply(self) -> None:
        """Hand the settings on to the conversations."""
        if self._origin is not None and (self.history, self.database) != self._kept:
            self._keep_elsewhere()
        for _, talk in self._conversations.values():
            self._configure(talk)

    def at(self, cell: Cell, talk: Conversation | None) -> None:
        """Take note that `cell` asks in `talk`: its turns in other conversations, of an earlier run, leave those."""
        if cell.id is None:
            return
        self._found_out().add_cell(cell.id)
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
        return self.store is None or self.store.forget(id_, turns)

    def take_warnings(self) -> list[str]:
        """Return what the user should know and has not been told yet."""
        taken, self._warnings = self._warnings, []
        return taken + (self.store.take_warnings() if self.store is not None else [])

    async def flush(self) -> None:
        """Wait until what was said is on disk, if it is stored at all; not for long."""
        store = self.store
        if store is not None and not store.broken:
            await in_thread(lambda: store.flush(_DURABLE))

    def replays(self) -> list[Replays]:
        """Return where else replies may be found: the notebook's other conversations, and the file to replay from."""
        own = Replays()
        for _, talk in tuple(self._conversations.values()):
            own.add_turns(talk.every_turn())
        own.add_turns([*self._found_out().apart(), *(turn for talk in self._apart for turn in talk)])
        named = self.replay_from or os.environ.get("BERLIN_REPLAY", "")
        if not named:
            return [own]
        if named not in self._replay_files:
            self._replay_files[named] = replays_from(Path(named).expanduser())
        return [own, self._replay_files[named]]

    def usual_replay(self) -> Mode:
        """Return whether to replay: as set, else as the environment says."""
        if self.replay == "off" and (self.replay_from or os.environ.get("BERLIN_REPLAY")):
            try:
                return mode_of(os.environ.get("BERLIN_REPLAY_MODE", "auto"))
            except ValueError as error:
                raise NotConfiguredError(f"BERLIN_REPLAY_MODE can't be used: {error}.\nSet it anew.") from None
        return self.replay

    def _chosen_store(self) -> Store | None:
        self._kept = (self.history, self.database)
        if not self.history:
            return None
        path = Path(self.database).expanduser() if self.database else default_path()
        if path not in _stores:
            _stores[path] = Store(path)
        return _stores[path]

    def _found_out(self) -> Origin:
        self.open()
        assert self._origin is not None  # noqa: S101 - what `open` is for
        return self._origin

    def _keep_elsewhere(self) -> None:
        origin = self._found_out()
        origin.store = self._chosen_store()
        origin.note()
        for name, (id_, talk) in self._conversations.items():
            talk.journal = None
            if origin.store is not None:
                talk.journal = StoredJournal(origin.store, id_, origin.id, name, talk.first_system)
                talk.note_everything()

    def _found(self, name: str) -> tuple[str, Conversation]:
        origin = self._found_out()
        store = origin.store
        host = Host(cell=lambda: cell_of(self._shell)[:2], replays=self.replays, stored=self.flush)
        talk = Conversation(model=self.model, host=host, **self.connection)
        id_ = store.conversations(origin.id).get(name, "") if store is not None else ""
        if store is not None and id_:
            self._take(talk, store.record(id_))
        stored = len(talk.every_turn())
        self._take(talk, origin.of_the_original(name) if not id_ else None)
        self._take(talk, origin.remembered(name))
        if (order := origin.order(talk)) is not None:
            talk.arrange(order)
        talk.leave(self._deleted)
        id_ = id_ or uuid.uuid4().hex
        if store is not None and not store.broken:
            talk.journal = StoredJournal(store, id_, origin.id, name, talk.first_system)
            if len(talk.every_turn()) > stored:
                talk.note_everything()
        if self.system and not talk.system:
            talk.system = self.system
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

    def _leave(self, cells: Collection[str]) -> None:
        for _, talk in tuple(self._conversations.values()):
            talk.leave(cells)


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
