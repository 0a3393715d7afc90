"""The places of a conversation, one for each cell, with a version for each run of the cell."""

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
    "active_turns",
    "in_order_of",
    "merged",
    "removed",
]


@dataclass(eq=False, slots=True)
class Removal:
    """The removal of turns from the conversation, by their ids: a cell that is run again has new ones, so it returns.

    Attributes
    ----------
    kind : str
        The command.
    turns : tuple of str
        The ids of the removed turns.
    """

    kind: RemovalKind
    turns: tuple[str, ...]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


RemovalKind = Literal["reset", "undo", "drop"]


@dataclass(eq=False, slots=True)
class SystemPrompt:
    """A system prompt, which holds from its cell on; `from_file` as in `Turn`."""

    text: str
    from_file: str = field(default="", kw_only=True)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


Event = Turn | Removal | SystemPrompt
"""A change that a cell can make to a conversation."""

State = Literal["in", "deleted"]
"""Whether a place is part of the conversation; its cell may be deleted, or ask in another conversation now."""


@dataclass(eq=False, slots=True)
class Version:
    """The events of one run of a cell, in order."""

    run: str | None
    events: list[Event] = field(default_factory=list)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def turns(self) -> list[Turn]:
        """The turns among the events."""
        return [event for event in self.events if isinstance(event, Turn)]


@dataclass(eq=False, slots=True)
class Place:
    """The position of a cell in the conversation, with its versions, oldest first; one of them is current.

    Attributes
    ----------
    cell : str or None
        The cell's id; None for questions that come from no cell.
    versions : list of Version
        All runs; no version is ever removed.
    current : Version
        The version that is part of the conversation.
    state : State
        Whether the place is part of the conversation.
    key : str
        A unique id that does not change.
    number : int
        The position among the places, from 0.
    """

    cell: str | None
    versions: list[Version]
    current: Version
    state: State = "in"
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0


def removed(places: Iterable[Place]) -> set[str]:
    """Return the ids of the turns that commands have removed from the conversation.

    They stay removed if the cell of the command is deleted: people delete the cell of a command that they have run.
    """
    return {
        id_ for place in places for event in place.current.events if isinstance(event, Removal) for id_ in event.turns
    }


def active_turns(place: Place, out: Collection[str]) -> list[Turn]:
    """Return the turns of a place that are part of the conversation; `out` are the ids of the removed ones."""
    return [
        event
        for event in place.current.events
        if isinstance(event, Turn)
        and (place.state == "in" or event.given is not None)  # an imported turn does not belong to its cell
        and event.id not in out
    ]


def in_order_of(cells: Sequence[str], places: Iterable[Place]) -> list[Place]:
    """Return `places` in the order of `cells`; a place of no such cell stays behind its predecessor."""
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
    """Return `places` with the events of `others` that they lack; nothing of either is lost.

    Two places of the same cell are the same place. A version that only the other side has is added to the place; if
    it is current on the other side, it becomes current here too: somebody has run the cell there since.
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
