"""The notebook that a shell runs, with its conversations."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.cells import SystemPrompt
from berlin_magic.conversations.conversation import Host
from berlin_magic.conversations.replay import Mode, Replays, mode_of, replays_from
from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage.cell_ids import CellIds, is_lasting
from berlin_magic.conversations.storage.cell_source import digest, questions_in
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import NotConfiguredError
from berlin_magic.kernel.cell import Cell, cell_of, path_of, source_of
from berlin_magic.kernel.costs import Costs
from berlin_magic.kernel.shown import CellPresenter

if TYPE_CHECKING:
    from berlin_magic.conversations.storage.database import Store
    from berlin_magic.conversations.storage.journal import StoredJournal
    from berlin_magic.conversations.storage.notebook_file import Entry
    from berlin_magic.conversations.storage.opened_notebook import OpenedNotebook
    from berlin_magic.results.conversation import Conversation

__all__ = ["Notebook", "conversation", "conversation_of", "notebook_of"]

_DURABLE = 5.0  # seconds that the end of a turn waits for the disk

# Not in the magics, because the conversations survive `%reload_ext`.
_notebooks: WeakKeyDictionary[Any, Notebook] = WeakKeyDictionary()
_stores: dict[Path, Store] = {}


class Notebook:
    """The conversations of one notebook, or terminal session; each is read when it is first used.

    Attributes
    ----------
    model, system, connection, context_limit, data, context, replay
        Settings of its conversations; `apply` copies them to those.
    history : bool
        Whether conversations are stored.
    database : str
        The file to store them in; empty for the usual one.
    replay_from : str
        A file to replay from; empty for ``BERLIN_REPLAY``.
    costs : Costs
        What its questions cost, and the budget.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._lock = threading.RLock()
        self._conversations: dict[str, tuple[str, Conversation]] = {}
        self._opened: OpenedNotebook | None = None
        self._ids: CellIds | None = None
        self._path: Path | None = path_of(shell)  # kept, because a widget's callback, for example, has none
        self._loading_cell = cell_of(shell).id  # the cell that loads the extension
        self._separate: list[Conversation] = []
        self._left_out: dict[str, list[Entry]] = {}
        self._unannounced: list[Conversation] = []  # with turns of a file that the user does not know about yet
        self._deleted: set[str] = set()
        self._warnings: list[str] = []
        self._replay_files: dict[str, Replays] = {}
        self._storage: tuple[bool, str] = (True, "")  # the `history` and `database` that are in use
        self.model = ""
        self.system = ""
        self.connection: dict[str, Any] = {}
        self.context_limit: int | None = None
        self.data: Literal["full", "sample", "schema"] = "full"
        self.replay: Mode = "off"
        self.context: Literal["client", "server"] = "client"
        self.history = True
        self.database = ""
        self.replay_from = ""
        self.costs = Costs(lambda: self.store, lambda: self.id)

    @property
    def id(self) -> str:
        """The id of the notebook, which is also in the metadata of its outputs."""
        return self._file.id

    @property
    def store(self) -> Store | None:
        """The database of its conversations; None if they are not stored."""
        return self._opened.store if self._opened is not None else None

    @property
    def is_known(self) -> bool:
        """Whether it is known which notebook this is; it is not before a cell has run."""
        return self._opened is not None or self._path is not None

    def open(self) -> None:
        """Identify the notebook and the running cell, and read the conversations; best in a thread."""
        with self._lock:
            if self._opened is None:
                # Here and below: modules that read files and the database are imported with the first question.
                from berlin_magic.conversations.storage.opened_notebook import OpenedNotebook  # noqa: PLC0415

                ran = [
                    id_ for id_ in (self._loading_cell, cell_of(self._shell).id) if id_ is not None and is_lasting(id_)
                ]
                self._opened = OpenedNotebook(self._path or path_of(self._shell), ran, self._chosen_store())
                self._ids = CellIds(self._opened.cells, self._cells_asking)
                self._warnings += self._opened.warnings
                for name in sorted(self._opened.names() | {""}):
                    self.conversation(name)
            self.cell()

    def cell(self) -> Cell:
        """Return the running cell, with an id that stays the same when the notebook is opened again."""
        sent = cell_of(self._shell)
        if sent.id is None:
            return sent
        with self._lock:
            return sent._replace(id=self._lasting_id(sent.session, sent.id, source_of(self._shell)))

    def conversation(self, name: str = "") -> Conversation:
        """Return the conversation of that name, a new one if there is none; the usual one has the name ""."""
        name = name.encode("utf-8", "replace").decode()  # half a surrogate pair can't be looked up
        with self._lock:
            if self._opened is None:
                self.open()
            if name not in self._conversations:
                self._conversations[name] = self._restored(name)
            return self._conversations[name][1]

    def separate(self) -> Conversation:
        """Return a new conversation with the notebook's settings, for a question with ``--once``."""
        from berlin_magic.results.conversation import Conversation  # noqa: PLC0415

        conversation = Conversation(self.system, host=Host(replays=self.replays, reserve=self.costs.reserve))
        self._separate.append(conversation)
        self._configure(conversation)
        return conversation

    def names(self) -> list[str]:
        """Return the names of its conversations, the usual one first."""
        file = self._file
        stored = file.store.conversations(file.id) if file.store is not None else {}
        return sorted({"", *self._conversations, *stored, *file.names()})

    def id_of(self, name: str = "") -> str:
        """Return the id of the conversation of that name."""
        self.conversation(name)
        return self._conversations[name][0]

    def open_ids(self) -> set[str]:
        """Return the ids of the conversations that have been used in this session."""
        return {id_ for id_, _ in self._conversations.values()}

    def apply(self) -> None:
        """Copy the settings to the conversations."""
        if self._opened is not None and (self.history, self.database) != self._storage:
            self._change_store()
        for _, conversation in self._conversations.values():
            self._configure(conversation)

    def move_cell(self, cell: Cell, conversation: Conversation | None) -> None:
        """Record that `cell` asks in a conversation, and remove its turns of earlier runs from the others."""
        if cell.id is None:
            return
        self._file.note({cell.id: digest(source_of(self._shell))})
        for _, other in tuple(self._conversations.values()):
            place = other.place_of_cell(cell.id) if other is not conversation else None
            if place is not None and place.current.run != cell.run:
                other.remove_cells({cell.id})

    def announce(self, conversation: Conversation) -> None:
        """Warn once, before a question is sent, about turns of an untrusted file that are sent with it."""
        if not any(conversation is one for one in self._unannounced):
            return
        self._unannounced = [one for one in self._unannounced if one is not conversation]
        turns = [turn for turn in conversation if turn.from_file and turn.context_messages]
        with_prompt = bool(conversation.system) and conversation.system in {
            prompt.text for prompt in _prompts_from_file(conversation)
        }
        if turns or with_prompt:
            what = [f"{len(turns)} earlier turn{'' if len(turns) == 1 else 's'}"] * bool(turns)
            what += ["a system prompt"] * with_prompt
            how = ["`%berlin reset` leaves the turns out"] * bool(turns)
            how += ['`%berlin system ""` the system prompt'] * with_prompt
            come = "come" if len(turns) + with_prompt > 1 else "comes"
            self._warnings.append(
                f"{' and '.join(what)} {come} along from the notebook file, unknown to your database: "
                f"{', '.join(how)}, `%berlin trust` vouches for the file."
            )
        conversation.mark_as_announced()

    def asked_once(self, turn: Turn) -> None:
        """Record a question with ``--once``, so that its reply can be replayed."""
        self._file.asked_once(turn)

    def trust(self) -> str:
        """Trust the notebook file as it is now, add the turns that were left out, and return a text to show."""
        file = self._file
        file.trust()
        if file.file is None:
            return "There is no notebook file to trust."
        count = 0
        for name in sorted(file.names()):
            conversation = self.conversation(name)
            entries = {entry.id: entry for entry in file.file.entries if entry.conversation == name}
            requests = {id_: entry.record.get("request") for id_, entry in entries.items()}
            count += conversation.trust(requests)
            before = len(conversation.every_turn())
            record, _ = file.take(name, conversation)
            self._take(conversation, record, "the notebook file")
            count += len(conversation.every_turn()) - before
            self._name_cells(conversation)
            conversation.arrange(file.order())
            conversation.note_everything()
        self._left_out.clear()
        return f"Trusted what {file.path} holds now: {count} turn{'' if count == 1 else 's'}."

    def before_cell(self, *_info: object) -> None:
        """Record the path of the file and the deleted cells, as the front end sends them before each cell."""
        self._path = path_of(self._shell) or self._path
        cell = cell_of(self._shell)
        if cell.deleted:
            known = [self._ids.known(cell.session, id_) for id_ in cell.deleted] if self._ids is not None else []
            self._deleted.update(cell.deleted, [id_ for id_ in known if id_ is not None])
            for _, conversation in tuple(self._conversations.values()):
                conversation.remove_cells(self._deleted)
        if self._opened is not None:
            self._opened.note()

    def forget(self, name: str) -> bool:
        """Delete a conversation in memory and in the database; return whether that has succeeded."""
        conversation = self.conversation(name)
        id_, _ = self._conversations[name]
        turns = [turn.id for turn in conversation.every_turn()]
        conversation.forget()
        return self.store is None or self.store.forget(id_, turns)

    def take_warnings(self) -> list[str]:
        """Return the warnings that have not been shown yet."""
        taken, self._warnings = self._warnings, []
        return taken + (self.store.take_warnings() if self.store is not None else [])

    async def flush(self) -> None:
        """Wait until all turns are on disk, if they are stored; at most for five seconds."""
        store = self.store
        if store is not None and not store.broken:
            await in_thread(lambda: store.flush(_DURABLE))

    def replays(self) -> list[Replays]:
        """Return the stored replies of all conversations of the notebook, and those of the file to replay from."""
        own = Replays()
        for _, conversation in tuple(self._conversations.values()):
            own.add_turns(conversation.every_turn())
        own.add_turns([*self._file.once(), *(turn for conversation in self._separate for turn in conversation)])
        named = self.replay_from or os.environ.get("BERLIN_REPLAY", "")
        if not named:
            return [own]
        if named not in self._replay_files:
            self._replay_files[named] = replays_from(Path(named).expanduser())
        return [own, self._replay_files[named]]

    def usual_replay(self) -> Mode:
        """Return the replay mode of the settings, else of the environment."""
        if self.replay == "off" and (self.replay_from or os.environ.get("BERLIN_REPLAY")):
            try:
                return mode_of(os.environ.get("BERLIN_REPLAY_MODE", "auto"))
            except ValueError as error:
                raise NotConfiguredError(f"BERLIN_REPLAY_MODE can't be used: {error}.\nSet it anew.") from None
        return self.replay

    def _chosen_store(self) -> Store | None:
        """Return the database that the settings name, one object for each path."""
        self._storage = (self.history, self.database)
        if not self.history:
            return None
        from berlin_magic.conversations.storage.database import Store  # noqa: PLC0415
        from berlin_magic.conversations.storage.schema import default_path  # noqa: PLC0415

        path = Path(self.database).expanduser() if self.database else default_path()
        if path not in _stores:
            _stores[path] = Store(path)
        return _stores[path]

    @property
    def _file(self) -> OpenedNotebook:
        if self._opened is None:
            self.open()
        assert self._opened is not None  # noqa: S101 - `open` sets it
        return self._opened

    def _lasting_id(self, session: str, sent: str, source: str) -> str:
        """Return the lasting id of a cell whose id the front end has sent."""
        file, ids = self._file, self._ids
        if ids is None or (file.lasting and is_lasting(sent)):
            return sent
        if file.read_again():
            for _, conversation in tuple(self._conversations.values()):
                if self._name_cells(conversation):
                    conversation.note_everything()
        ids.see(file.file_cells())
        return ids.find(session, sent, digest(source), questions_in(source))

    def _cells_asking(self, question: str) -> Iterator[str]:
        """Yield the ids of the cells whose last question is `question`."""
        for _, conversation in tuple(self._conversations.values()):
            for place in conversation.places:
                turns = place.current.turns
                if place.cell is not None and place.state == "in" and turns and turns[-1].prompt == question:
                    yield place.cell

    def _change_store(self) -> None:
        """Store the conversations in the database that the settings name now."""
        file = self._file
        file.move_to(self._chosen_store())
        for name, (id_, conversation) in self._conversations.items():
            conversation.journal = None
            if file.store is not None:
                conversation.journal = self._journal(file.store, id_, name, conversation)
                conversation.note_everything()

    def _journal(self, store: Store, id_: str, name: str, conversation: Conversation) -> StoredJournal:
        from berlin_magic.conversations.storage.journal import StoredJournal  # noqa: PLC0415

        return StoredJournal(store, id_, self._file.id, name, conversation.first_system)

    def _restored(self, name: str) -> tuple[str, Conversation]:
        """Return the id of a conversation, and the conversation with the turns of the database and the file."""
        from berlin_magic.results.conversation import Conversation  # noqa: PLC0415

        file = self._file
        store = file.store
        host = Host(
            cell=lambda: self.cell()[:2],
            replays=self.replays,
            stored=self.flush,
            reserve=lambda turn, connection: self.costs.reserve(turn, connection, conversation=id_),
        )
        conversation = Conversation(model=self.model, host=host, **self.connection)
        conversation.presenter = CellPresenter(self._shell, self, name)
        id_ = store.conversations(file.id).get(name, "") if store is not None else ""
        if store is not None and id_:
            self._take(conversation, store.record(id_), "the stored conversation")
        stored = len(conversation.every_turn())
        record, left = file.take(name, conversation)
        self._take(conversation, record, "the notebook file")
        if left:
            self._left_out[name] = left
            self._warnings.append(_left_out(left))
        if any(turn.from_file == "unsaid" for turn in conversation.every_turn()) or any(
            _prompts_from_file(conversation)
        ):
            self._unannounced.append(conversation)
        renamed = self._name_cells(conversation)
        conversation.arrange(file.order())
        conversation.remove_cells(self._deleted)
        id_ = id_ or uuid.uuid4().hex
        if store is not None and not store.broken:
            conversation.journal = self._journal(store, id_, name, conversation)
            if renamed or len(conversation.every_turn()) > stored:
                conversation.note_everything()
        if self.system and not conversation.system:
            conversation.system = self.system
        self._configure(conversation)
        return id_, conversation

    def _name_cells(self, conversation: Conversation) -> bool:
        """Give the cells of a conversation their ids of the file; return whether one has changed."""
        before = {id(place): place.cell for place in conversation.places}
        self._file.name_cells(conversation)
        renamed = [(before[id(place)], place.cell) for place in conversation.places if before[id(place)] != place.cell]
        for former, now in renamed:
            if self._ids is not None and former is not None and now is not None:
                self._ids.rename(former, now)
        return bool(renamed) or len(before) != len(conversation.places)

    def _configure(self, conversation: Conversation) -> None:
        conversation.model, conversation.connection = self.model, dict(self.connection)
        conversation.context_limit = self.context_limit
        conversation.data = self.data
        conversation.replay, conversation.context = self.usual_replay(), self.context

    def _take(self, conversation: Conversation, record: Record | None, source: str) -> None:
        if record is not None and (problems := conversation.read(record)):
            parts = f"{len(problems)} part{'' if len(problems) == 1 else 's'}"
            self._warnings.append(f"Of {source} {parts} could not be read, and stay as they are: {problems[0]}")


def _prompts_from_file(conversation: Conversation) -> Iterator[SystemPrompt]:
    for place in conversation.places:
        for event in place.current.events:
            if isinstance(event, SystemPrompt) and event.from_file == "unsaid":
                yield event


def _left_out(entries: list[Entry]) -> str:
    first, count = entries[0], len(entries)
    return (
        f"{count} record{'' if count == 1 else 's'} of a conversation in the notebook file "
        f"{'is' if count == 1 else 'are'} left out, as its cells do not show {'it' if count == 1 else 'them'}: "
        f"{first.reason} (cell {first.number + 1}). If you trust the file, `%berlin trust` takes "
        f"{'it' if count == 1 else 'them'} in."
    )


def notebook_of(shell: Any) -> Notebook:
    """Return the notebook, or terminal session, that `shell` runs."""
    if shell not in _notebooks:
        _notebooks[shell] = Notebook(shell)
    return _notebooks[shell]


def conversation_of(shell: Any, name: str = "") -> Conversation:
    """Return a conversation of the notebook, or terminal session, that `shell` runs."""
    return notebook_of(shell).conversation(name)


def conversation(name: str = "") -> Conversation:
    """Return the conversation of this notebook, which its ``%%berlin`` cells are part of.

    Parameters
    ----------
    name : str
        Name of another conversation, as in ``%%berlin -c NAME``; empty for the usual one.

    Raises
    ------
    RuntimeError
        Outside of IPython, where there is no notebook; use `Conversation()` there.
    """
    from IPython import get_ipython  # noqa: PLC0415 - outside of IPython it is a slow import

    shell = get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    if shell is None:
        raise RuntimeError("No notebook here: outside of IPython, make a conversation with Conversation().")
    return conversation_of(shell, name)
