"""The places in which the turns of a conversation stand; pure, with no network, kernel or clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from berlin_magic.conversations import serialization
from berlin_magic.conversations.cells import Event, Place, Removal, SystemPrompt, Version, in_the_order_of, merged
from berlin_magic.conversations.order import Order
from berlin_magic.conversations.serialization import Journal, Record
from berlin_magic.conversations.turn import Turn

__all__ = ["Places"]


class Places:
    """Where the turns of a conversation stand; `Turns` adds how it grows.

    Attributes
    ----------
    journal : Journal or None
        Receives every change.
    """

    def __init__(self, system: str = "") -> None:
        self._system = system
        self._places: list[Place] = []
        self._by_cell: dict[str, Place] = {}
        self._by_id: dict[str, Turn] = {}
        self._where: dict[str, tuple[Place, Version]] = {}
        self._prompts: list[Place] | None = None  # the places that set a system prompt
        self._order = Order()
        self.journal: Journal | None = None

    @property
    def system(self) -> str:
        """The system prompt, as it holds at the end; setting it holds from there on."""
        return self._system_before(len(self._places))

    @system.setter
    def system(self, text: str) -> None:
        if text == self.system:
            return
        if self._setting_prompts():
            self.set_system(text)
            return
        self._system = text
        if self.journal is not None:
            self.journal.system(text)

    @property
    def first_system(self) -> str:
        """The system prompt that holds until a cell sets another."""
        return self._system

    def system_for(self, cell: str | None) -> str:
        """Return the system prompt that a question of `cell` is asked with."""
        own = self._find(cell)
        return self._system_before(len(self._places) if own is None else own.number + 1)

    def set_system(self, text: str, *, cell: str | None = None, run: str | None = None) -> None:
        """Set the system prompt for what stands after `cell`."""
        place, version = self._version(cell, run)
        self._add(place, version, SystemPrompt(text))

    @property
    def places(self) -> Sequence[Place]:
        """Where its cells stand, the deleted ones included."""
        return tuple(self._places)

    def place_of_cell(self, cell: str | None) -> Place | None:
        """Return where a cell stands; None if it has none."""
        return self._find(cell)

    def leave(self, cells: Collection[str]) -> None:
        """Let the turns of these cells leave the conversation; running one again brings it back to its place."""
        for cell in cells:
            place = self._by_cell.get(cell)
            if place is not None and place.state == "in":
                place.state = "deleted"
                self._changed(place)

    def arrange(self, cells: Sequence[str]) -> None:
        """Put the places in the order of `cells`; what is not among them stays behind what it stood behind."""
        if cells:
            self._places = in_the_order_of(cells, self._places)
            self._renumber()

    def name_cell(self, cell: str, turns: Iterable[str]) -> None:
        """Let `cell` be the cell that the turns with these ids were asked in.

        What was asked with no cell known, or with another id for it, is then replaced when the cell is run again.
        """
        found = {self._where[id_][0].key: self._where[id_][0] for id_ in turns if id_ in self._where}
        places = sorted(found.values(), key=lambda place: place.number)
        if own := self._by_cell.get(cell):
            places = [own, *(place for place in places if place is not own)]
        if not places or (own is not None and len(places) == 1):
            return
        first, *others = places
        if first is not own:
            self._by_cell.pop(first.cell or "", None)
            first.cell = cell
        for other in others:
            self._join(first, other)
        for version in first.versions:
            for turn in version.turns:
                turn.cell = cell
        self._renumber()

    def before(self, place: Place) -> list[Turn]:
        """Return the turns that stand before what `place` does next."""
        return list(self._order.turns(self._places, place.number + 1))

    def stale(self) -> set[str]:
        """Return the ids of the turns that were asked on something else than what stands before them now."""
        return self._order.stale(self._places)

    def place_of(self, turn: Turn) -> Place:
        """Return where `turn` stands, also if it is a former version; ValueError if it is not of these."""
        if self._by_id.get(turn.id) is not turn:
            raise ValueError("the turn is not of this conversation")
        return self._where[turn.id][0]

    def make_current(self, place: Place, version: Version) -> None:
        """Put a former version of `place` in force again."""
        if version not in place.versions:
            raise ValueError("the version is not of this place")
        former, place.current = place.current, version
        place.state = "in"
        self._changed(place, former, version)

    def find(self, id_: str) -> Turn | None:
        """Return the turn with this id, former versions and deleted cells included."""
        return self._by_id.get(id_)

    def every_turn(self) -> list[Turn]:
        """Return all turns there are, former versions and deleted cells included."""
        return list(self._by_id.values())

    def every_event(self) -> Iterator[tuple[Place, Version, Event]]:
        """Yield all that happened, with where it stands, former versions and deleted cells included."""
        for place in self._places:
            for version in place.versions:
                for event in version.events:
                    yield place, version, event

    def record(self) -> Record:
        """Return everything as plain JSON."""
        return {
            "format": serialization.FORMAT,
            "system": self._system,
            "places": [serialization.place_record(place) for place in self._places],
            "events": [serialization.event_record(*entry, self._by_id.get) for entry in self.every_event()],
        }

    def read(self, record: Mapping[str, Any]) -> list[str]:
        """Add what `record` has made of another conversation; what is here already stays as it is.

        Returns
        -------
        list of str
            What could not be read, and was left out.
        """
        problems: list[str] = []
        if isinstance(text := record.get("system"), str) and not self._system:
            self._system = text
        places, events = record.get("places", []), record.get("events", [])
        self._places = merged(self._places, serialization.places_of(places, events, problems))
        self._renumber()
        return problems

    def add_copies(self, turns: Iterable[Turn]) -> None:
        """Add turns of another conversation, as they are, in no cell."""
        for turn in turns:
            version = Version(turn.run, [turn.copied()])
            self._places.append(Place(None, [version], version, number=len(self._places)))
        self._reindex()

    def forget(self) -> None:
        """Lose everything, former versions too; what is running goes on, and joins nothing."""
        self._places.clear()
        self._reindex()

    def note_everything(self) -> None:
        """Write everything to the journal."""
        for place in self._places:
            self._note_place(place)
        for entry in self.every_event():
            self._note_event(*entry)

    def note(self, turn: Turn) -> None:
        """Note a change of `turn`, also in the journal."""
        if turn.id in self._where:
            place, version = self._where[turn.id]
            self._order.cut(place)
            self._note_event(place, version, turn)

    def tell_from_file(self) -> None:
        """Take note that the user was told of what comes from a notebook file."""
        self._set_from_file("unsaid", "said")

    def trust(self, requests: Mapping[str, object]) -> int:
        """Count what comes from a notebook file as the user's own; return how many turns that are.

        Parameters
        ----------
        requests : mapping
            The digests of the turns' requests as the file tells them, by which their replies can be replayed.
        """
        turns = [turn for turn in self._by_id.values() if turn.from_file]
        for turn in turns:
            if isinstance(request := requests.get(turn.id), str):
                turn.request = request
        self._set_from_file("unsaid", "")
        self._set_from_file("said", "")
        return len(turns)

    def _set_from_file(self, before: str, after: str) -> None:
        for place, version, event in self.every_event():
            if not isinstance(event, Removal) and event.from_file == before:
                event.from_file = after
                self._note_event(place, version, event)

    def _find(self, cell: str | None) -> Place | None:
        return None if cell is None else self._by_cell.get(cell)

    def _version(self, cell: str | None, run: str | None) -> tuple[Place, Version]:
        """Return the place of a cell and the version that this run of it makes; both made if there is none."""
        place = self._find(cell)
        if place is None:
            version = Version(run)
            place = Place(cell, [version], version, number=len(self._places))
            self._places.append(place)
            if cell is not None:
                self._by_cell[cell] = place
            self._note_place(place)
        elif run is None or place.current.run != run or place.state != "in":
            former, version = place.current, Version(run)
            place.versions.append(version)
            place.current, place.state = version, "in"
            self._changed(place, former)
        return place, place.current

    def _add(self, place: Place, version: Version, event: Event) -> None:
        version.events.append(event)
        if isinstance(event, Turn):
            self._by_id[event.id] = event
            self._where[event.id] = place, version
            self._order.cut(place)
        else:
            self._forget_what_follows_from(place, version)
        self._note_event(place, version, event)

    def _changed(self, place: Place, *versions: Version) -> None:
        """Take note that something else counts at `place`: in place of, or with, what these versions did."""
        self._forget_what_follows_from(place, *versions)
        self._note_place(place)

    def _forget_what_follows_from(self, place: Place, *versions: Version) -> None:
        events = [event for version in versions for event in version.events]
        if any(isinstance(event, SystemPrompt) for event in events):
            self._prompts = None
        self._order.cut(place, removals=any(isinstance(event, Removal) for event in events))

    def _setting_prompts(self) -> list[Place]:
        if self._prompts is None:
            self._prompts = [
                place
                for place in self._places
                if any(isinstance(event, SystemPrompt) for event in place.current.events)
            ]
        return self._prompts

    def _system_before(self, end: int) -> str:
        """Return the system prompt that holds after the places up to number `end`: the last one set there."""
        places = [place for place in self._setting_prompts() if place.number < end]
        texts = [
            event.text for place in places[-1:] for event in place.current.events if isinstance(event, SystemPrompt)
        ]
        return texts[-1] if texts else self._system

    def _join(self, place: Place, other: Place) -> None:
        """Let what `other` did have been done at `place`: as a sequence, if neither knew its cell; else as versions."""
        fresh = len(place.versions) == len(other.versions) == 1 and other.cell is None and place.current.run is None
        if fresh:
            place.current.events += other.current.events
        else:
            place.versions += other.versions
            place.current, place.state = other.current, other.state
        self._places.remove(other)
        if other.cell is not None:
            self._by_cell.pop(other.cell, None)

    def _renumber(self) -> None:
        for number, place in enumerate(self._places):
            if place.number != number:
                place.number = number
                self._note_place(place)
        self._reindex()

    def _reindex(self) -> None:
        """Set up anew what is looked up by cells and by ids."""
        self._order.clear()
        self._prompts = None
        self._by_cell.clear()
        self._by_id.clear()
        self._where.clear()
        for place in self._places:
            if place.cell is not None:
                self._by_cell.setdefault(place.cell, place)
        for place, version, event in self.every_event():
            if isinstance(event, Turn):
                self._by_id[event.id] = event
                self._where[event.id] = place, version

    def _note_place(self, place: Place) -> None:
        if self.journal is not None:
            self.journal.place(serialization.place_record(place))

    def _note_event(self, place: Place, version: Version, event: Event) -> None:
        if self.journal is not None:
            self.journal.event(serialization.event_record(place, version, event, self._by_id.get))
