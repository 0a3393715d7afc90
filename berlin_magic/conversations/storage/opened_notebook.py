"""An opened notebook: its identity, and its conversations in the file and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.storage.cell_ids import new_id
from berlin_magic.conversations.storage.database import Known, Store
from berlin_magic.conversations.storage.notebook_file import Entry, NotebookFile, once_digest, record_of, reply_of
from berlin_magic.conversations.storage.notebook_identity import Stamp, identified, path_text, stamp_of
from berlin_magic.conversations.storage.visible_text import letters
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns

__all__ = ["OpenedNotebook"]


class OpenedNotebook:
    """The file of a notebook and the store, read before the first question.

    Parameters
    ----------
    path : Path or None
        The path of the notebook, as the front end gives it.
    cells : iterable of str
        The ids of the cells that have run in this kernel, as the front end sends them.
    store : Store or None
        The store; None if nothing is stored.

    Attributes
    ----------
    id : str
        The notebook's own id.
    file : NotebookFile or None
        The content of the file; None if there is no file that can be read.
    lasting : bool
        Whether its cells have ids that last.
    warnings : list of str
        Warnings about the file for the user.
    """

    def __init__(self, path: Path | None, cells: Iterable[str], store: Store | None) -> None:
        self.path = path
        self.store = store
        self.warnings: list[str] = []
        self._stamp = stamp_of(path)
        is_text = path is not None and path.suffix != ".ipynb"
        self.file = None if is_text else self._read()
        self.lasting = not is_text and (self.file is None or self.file.lasting)
        self._trusted: set[str] = set()
        ran = list(cells) if self.lasting else []
        mentions = self._mentions_question if is_text else None
        self.id = identified(path, self._stamp, self.file, ran, store, mentions_question=mentions)
        known = store.notebooks(path=path_text(path), file=self._stamp.file) if store is not None else []
        self.cells: dict[str, str] = next((dict(one.cells) for one in known if one.id == self.id), {})
        self._noted = Stamp()
        self.note(dict.fromkeys(ran, ""))

    def names(self) -> set[str]:
        """Return the names of the conversations in the file."""
        return set() if self.file is None else self.file.names

    def note(self, cells: Mapping[str, str] | None = None) -> None:
        """Store the path and the stamp of the notebook, and those of `cells` that are new."""
        given, known = cells or {}, self.cells
        new = {cell: source for cell, source in given.items() if cell not in known or source not in {"", known[cell]}}
        stamp = stamp_of(self.path)
        if self.store is None or not (new or self.cells) or not (new or stamp != self._noted):
            return
        self.cells.update(new)
        self._noted = stamp
        self.store.note_notebook(self.id, path_text(self.path), new, file=stamp.file, state=stamp.state)

    def move_to(self, store: Store | None) -> None:
        """Use another store from now on, or none."""
        self.store, self._noted = store, Stamp()
        cells, self.cells = self.cells, {}
        self.note(cells)

    def take(self, name: str, turns: Turns) -> tuple[Record, list[Entry]]:
        """Return what the file adds to the conversation of this name, and what is left out of it.

        What is in the user's store is taken from there, if it is the same in the file; what the user trusts, from the
        file; of all else, what the cells show. What the user has deleted is not taken.

        Parameters
        ----------
        name : str
            The conversation's name.
        turns : Turns
            What it has already.
        """
        entries = [] if self.file is None else [entry for entry in self.file.entries if entry.conversation == name]
        here = {event.id for _, _, event in turns.every_event()}
        taken, left = self._chosen([entry for entry in entries if not entry.once and entry.id not in here])
        return record_of(taken), left

    def once(self) -> list[Turn]:
        """Return what was asked outside of any conversation, as far as the user's store knows or trusts it."""
        if self.file is None:
            return []
        taken, _ = self._chosen([entry for entry in self.file.entries if entry.once])
        turns = Turns()
        turns.read(record_of(taken))
        return turns.every_turn()

    def trust(self) -> None:
        """Trust all that is in the file now."""
        if self.path is None or self.file is None:
            return
        self.file = self._read() or self.file
        self._store_trust([entry.digest for entry in self.file.entries])

    def asked_once(self, turn: Turn) -> None:
        """Store that the user has asked this turn, outside of any conversation: its reply in the file is their own."""
        self._store_trust([once_digest(turn.id, turn.request, turn.reply)])

    def _store_trust(self, digests: list[str]) -> None:
        self._trusted.update(digests)
        if self.store is not None:
            self.store.trust(digests)

    def name_cells(self, turns: Turns) -> None:
        """Set the cells of a conversation's places to those of the file that show their turns."""
        if self.file is None:
            return
        ids = {cell.id for cell in self.file.cells}
        for number, cell in enumerate(self.file.cells):
            asked = [turn for turn in map(turns.find, cell.turns) if turn is not None]
            if not asked:
                continue
            there = turns.place_of(asked[0]).cell
            if cell.id:
                id_ = cell.id
                if there != id_ and there in ids:
                    continue  # the cell was copied, with its outputs
            else:
                id_ = self._named.setdefault(number, there or new_id())
            turns.name_cell(id_, [turn.id for turn in asked])

    def order(self) -> list[str]:
        """Return the ids of its cells in the file's order."""
        return [id_ for id_, _ in self.file_cells() if id_]

    def file_cells(self) -> Sequence[tuple[str, str]]:
        """Return the cells of the file: ids that last, empty for none, and digests of sources."""
        if self.file is None:
            return ()
        return [(cell.id or self._named.get(number, ""), cell.source) for number, cell in enumerate(self.file.cells)]

    def read_again(self) -> bool:
        """Read the file again if it has changed; return whether it has."""
        stamp = stamp_of(self.path)
        if self.file is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        self.file = self._read() or self.file
        self._named.clear()
        return True

    def _chosen(self, entries: Sequence[Entry]) -> tuple[list[tuple[Entry, Record]], list[Entry]]:
        ids = [entry.id for entry in entries]
        forgotten = self.store.forgotten(ids) if self.store is not None else set()
        stored = self.store.events(ids) if self.store is not None else {}
        trusted = self._trusted
        if self.store is not None:
            trusted = trusted | self.store.trusted([entry.digest for entry in entries])
        taken, left = [], []
        for entry in entries:
            if entry.id in forgotten:
                continue
            known = stored.get(entry.id)
            if known is not None and _is_same(entry.record, known):
                taken.append((entry, known))
            elif entry.digest in trusted:
                taken.append((entry, entry.record))
            elif entry.visible is not None and not entry.once:
                taken.append((entry, entry.visible))
            elif _has_effect(entry.record):
                left.append(entry)
        return taken, left

    def _read(self) -> NotebookFile | None:
        self._named: dict[int, str] = {}
        if self.path is None or not self.path.is_file():
            return None
        try:
            file = notebook_file.read(self.path)
        except (OSError, ValueError) as error:
            self.warnings.append(f"{self.path} could not be read ({error}); its own answers are left aside in it.")
            return None
        if file.problems:
            more = f", and {len(file.problems) - 1} more" if len(file.problems) > 1 else ""
            self.warnings.append(f"{self.path}: {file.problems[0]}{more}. The file is left as it is.")
        return file

    def _mentions_question(self, known: Known) -> bool:
        """Say whether the text notebook has a question that was asked in a notebook, or is not there at all."""
        if self.store is None or self.path is None or not self.path.is_file():
            return True
        try:
            text = letters(self.path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return True
        records = map(self.store.record, self.store.conversations(known.id).values())
        prompts = [event.get("prompt") for record in records if record for event in record["events"]]
        return any(isinstance(prompt, str) and letters(prompt) in text for prompt in prompts)


def _is_same(record: Record, stored: Record) -> bool:
    """Say whether the record in a file is that of the store; the store may have more of it."""
    plain = [name for name in ("kind", "given", "text", "turns") if record.get(name) != stored.get(name)]
    return not plain and (
        record.get("prompt") == stored.get("prompt") and letters(reply_of(record)) == letters(reply_of(stored))
    )


def _has_effect(record: Record) -> bool:
    """Say whether something would be sent, or hidden, if this record were taken."""
    return record.get("kind") != "turn" or bool(reply_of(record) or record.get("given"))
