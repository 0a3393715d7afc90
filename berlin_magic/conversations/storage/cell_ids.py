"""Lasting ids of cells, for front ends that make new ids each time they open a notebook."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["CellIds", "is_lasting", "new_id"]

_OURS = "~"
_MADE_UP = "vscode-notebook-cell:"  # VS Code numbers the cells in the order of opening


def is_lasting(sent: str) -> bool:
    """Say whether an id can be one that the notebook file keeps."""
    return not sent.startswith(_MADE_UP)


def new_id() -> str:
    """Return a new id for a cell that has no lasting id."""
    return f"{_OURS}{uuid.uuid4().hex}"


class CellIds:
    """The cells of a notebook whose front end sends ids that are valid in one session only.

    In a session, an id is the cell that it was first sent for. Such a cell is found by its source: among the
    cells of the file, those after the one that ran last first; then among those that the store knows; then by the
    question alone.

    Parameters
    ----------
    sources : mapping
        What the store knows: ids that last, each with the digest of the cell's source when it last asked.
    asked : callable
        Gives the ids of the cells whose last question is the given one.
    """

    def __init__(self, sources: Mapping[str, str], asked: Callable[[str], Iterable[str]]) -> None:
        self._sources = dict(sources)
        self._asked = asked
        self._file: Sequence[tuple[str, str]] = ()
        self._sessions: dict[str, dict[str, str]] = {}
        self._last = ""

    def see(self, cells: Iterable[tuple[str, str]]) -> None:
        """Take note of the cells in the file: ids that last, empty for none, and digests of sources; in order."""
        self._file = tuple(cells)

    def rename(self, former: str, now: str) -> None:
        """Take note that a cell has another lasting id: the one in the file that it was saved to."""
        for found in self._sessions.values():
            found.update({sent: now for sent, id_ in found.items() if id_ == former})
        if former in self._sources:
            self._sources[now] = self._sources.pop(former)
        self._last = now if self._last == former else self._last

    def known(self, session: str, sent: str) -> str | None:
        """Return the id that lasts of what was sent earlier in this session."""
        return self._sessions.get(session, {}).get(sent)

    def find(self, session: str, sent: str, source: str, questions: Iterable[str]) -> str:
        """Return the id that lasts of the running cell; its source is given by its digest."""
        found = self._sessions.setdefault(session, {})
        id_ = found.get(sent)
        if id_ is None or self._is_another_cell(id_, source):
            found.pop(sent, None)
            id_ = found[sent] = self._first(set(found.values()), source, questions) or new_id()
        self._sources[id_] = source
        self._last = id_
        return id_

    def _is_another_cell(self, id_: str, source: str) -> bool:
        """Say whether an id of this session has gone to another cell, as when a notebook is closed and opened again.

        Then the file has the former cell, as it was when it last asked, and the running cell.
        """
        there = dict(self._file)
        as_it_was = id_ in there and there[id_] == self._sources.get(id_) != source
        return as_it_was and any(other == source for _, other in self._file)

    def _first(self, taken: set[str], source: str, questions: Iterable[str]) -> str | None:
        in_file = [id_ for id_, _ in self._file if id_]
        found = [id_ for id_, other in self._file if id_ and other == source and id_ not in taken]
        if not found:
            taken.update(in_file)
            found = [id_ for id_, other in self._sources.items() if other == source and id_ not in taken]
        if not found:
            found = [id_ for question in questions for id_ in self._asked(question) if id_ not in taken]
        order = {id_: number for number, id_ in enumerate(in_file or self._sources)}
        last = order.get(self._last, -1)
        return next((id_ for id_ in found if order.get(id_, -1) > last), next(iter(found), None))
