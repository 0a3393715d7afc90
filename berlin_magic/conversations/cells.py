"""Cells as places in a conversation: what each run of a cell did, and which one counts."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from berlin_magic.conversations.turn import Turn

__all__ = [
    "Event",
    "Place",
    "Removal",
    "RemovalKind",
    "State",
    "SystemPrompt",
    "Version",
    "in_the_order_of",
    "merged",
    "removed",
    "standing",
]


@dataclass(eq=False, slots=True)
class Removal:
    """What takes turns out of the conversation: by their ids, so that a cell that is run again comes back.

    Attributes
    ----------
    kind : str
        Which command it was.
    turns : tuple of str
        The ids of what it took out.
    """

    kind: RemovalKind
    turns: tuple[str, ...]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


RemovalKind = Literal["reset", "undo", "drop"]


@dataclass(eq=False, slots=True)
class SystemPrompt:
    """The system prompt from its cell on; `from_file` as that of a turn."""

    text: str
    from_file: str = field(default="", kw_only=True)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


Event = Turn | Removal | SystemPrompt
"""What a cell can do to a conversation."""

State = Literal["in", "deleted"]
"""A place is part of the conversation; or its cell was deleted, or asks elsewhere by now."""


@dataclass(eq=False, slots=True)
class Version:
    """What one run of a cell did, in order."""

    run: str | None
    events: list[Event] = field(default_factory=list)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def turns(self) -> list[Turn]:
        """Its turns alone."""
        return [event for event in self.events if isinstance(event, Turn)]


@dataclass(eq=False, slots=True)
class Place:
    """Where a cell stands: its versions, oldest first, one of them in force.

    Attributes
    ----------
    cell : str or None
        The cell's id; None for what was asked from nowhere in particular.
    versions : list of Version
        All runs; none is ever taken out.
    current : Version
        The one in force.
    state : State
        Whether it counts.
    key : str
        Unique, for life.
    number : int
        Grows along the conversation.
    """

    cell: str | None
    versions: list[Version]
    current: Version
    state: State = "in"
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0


def removed(places: Iterable[Place]) -> set[str]:
    """Return the ids of the turns that have been taken out of the conversation.

    What a cell has taken out stays out when the cell is deleted: people delete the cell of a command that they have
    run.
    """
    return {
        id_ for place in places for event in place.current.events if isinstance(event, Removal) for id_ in event.turns
    }


def standing(place: Place, out: Collection[str]) -> list[Turn]:
    """Return the turns of a place that are part of the conversation; `out` are the ids of those that were taken out."""
    return [
        event
        for event in place.current.events
        if isinstance(event, Turn)
        and (place.state == "in" or event.given is not None)  # what was imported was no cell's own
        and event.id not in out
    ]


def in_the_order_of(cells: Sequence[str], places: Iterable[Place]) -> list[Place]:
    """Return `places` in the order of `cells`; what is not among them stays behind what it stood behind."""
    order = {cell: number for number, cell in enumerate(cells)}
    groups: list[tuple[int, list[Place]]] = [(-1, [])]
    for place in places:
        if place.cell is not None and place.cell in order:
            groups.append((order[place.cell], [place]))
        else:
            groups[-1][1].append(place)
    groups.sort(key=lambda group: group[0])
    return [place for _, group in groups for place in group]


def merged(places: Iterable[Place], others: Iterable[Place]) -> list[Place]:
    """Return `places` with what `others` have that they lack; nothing of either is lost.

    A place of the same cell is the same place. A version that only the other side has joins the versions there, and
    if it is in force on the other side, it is here too: somebody has run the cell there since.
    """
    result = list(places)
    cells = {place.cell: place for place in result if place.cell is not None}
    keys = {place.key: place for place in result}
    known = {event.id for place in result for version in place.versions for event in version.events}
    for other in others:
        mine = keys.get(other.key) or (cells.get(other.cell) if other.cell is not None else None)
        fresh = [v for v in other.versions if not all(event.id in known for event in v.events)]
        if mine is None:
            if fresh:
                result.append(other)
            continue
        for version in fresh:
            version.events = [event for event in version.events if event.id not in known]
            mine.versions.append(version)
            if version is other.current:
                mine.current, mine.state = version, "in"
    return result
