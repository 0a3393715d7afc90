"""The places of a conversation: its cells in order, each with the turns of its runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from berlin_magic.conversations import deserialization, serialization
from berlin_magic.conversations.cells import Event, Place, Removal, SystemPrompt, Version, in_order_of, merged
from berlin_magic.conversations.order import Order
from berlin_magic.conversations.serialization import Journal, Record
from berlin_magic.conversations.turn import Turn

__all__ = ["Places"]


class Places:
    """The places of a conversation; its subclass `Turns` asks questions and runs commands.

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
        self._location: dict[str, tuple[Place, Version]] = {}
        self._prompts: list[Place] | None = None  # the places that set a system prompt
        self._order = Order()
        self.journal: Journal | None = None

    @property
    def system(self) -> str:
        """The system prompt at the end of the conversation; a new one holds from there on."""
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
        """The system prompt up to the first cell that sets another."""
        return self._system

    def system_for(self, cell: str | None) -> str:
        """Return the system prompt of a question of `cell`."""
        own = self.place_of_cell(cell)
        return self._system_before(len(self._places) if own is None else own.number + 1)

    def set_system(self, text: str, *, cell: str | None = None, run: str | None = None) -> None:
        """Set the system prompt for the places after `cell`."""
        place, version = self._version(cell, run)
        self._add(place, version, SystemPrompt(text))

    @property
    def places(self) -> Sequence[Place]:
        """The places in order, those of deleted cells included."""
        return tuple(self._places)

    def place_of_cell(self, cell: str | None) -> Place | None:
        """Return the place of a cell; None if it has no place."""
        return None if cell is None else self._by_cell.get(cell)

    def remove_cells(self, cells: Collection[str]) -> None:
        """Remove the turns of these cells from the conversation; a cell that is run again returns to its place."""
        for cell in cells:
            place = self._by_cell.get(cell)
            if place is not None and place.state == "in":
                place.state = "deleted"
                self._changed(place)

    def arrange(self, cells: Sequence[str]) -> None:
        """Put the places in the order of `cells`; a place of no such cell stays behind its predecessor."""
        if cells:
            self._places = in_order_of(cells, self._places)
            self._renumber()

    def name_cell(self, cell: str, turns: Iterable[str]) -> None:
        """Set the cell of the turns with these ids.

        Turns that had no cell, or another id for it, are then replaced when the cell is run again.
        """
        found = {self._location[id_][0].key: self._location[id_][0] for id_ in turns if id_ in self._location}
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
        """Return the turns up to the last event of `place`."""
        return list(self._order.turns(self._places, place.number + 1))

    def stale(self) -> set[str]:
        """Return the ids of the turns whose context has changed since they were asked."""
        return self._order.stale(self._places)

    def place_of(self, turn: Turn) -> Place:
        """Return the place of `turn`, which may be a former version; ValueError if it is not of this conversation."""
        if self._by_id.get(turn.id) is not turn:
            raise ValueError("the turn is not of this conversation")
        return self._location[turn.id][0]

    def make_current(self, place: Place, version: Version) -> None:
        """Make a former version of `place` the current one."""
        if version not in place.versions:
            raise ValueError("the version is not of this place")
        former, place.current = place.current, version
        place.state = "in"
        self._changed(place, former, version)

    def find(self, id_: str) -> Turn | None:
        """Return the turn with this id, former versions and deleted cells included."""
        return self._by_id.get(id_)

    def every_turn(self) -> list[Turn]:
        """Return all turns, former versions and deleted cells included."""
        return list(self._by_id.values())

    def every_event(self) -> Iterator[tuple[Place, Version, Event]]:
        """Yield all events, each with its place and version, former versions and deleted cells included."""
        for place in self._places:
            for version in place.versions:
                for event in version.events:
                    yield place, version, event

    def record(self) -> Record:
        """Return the whole conversation as plain JSON."""
        return {
            "format": serialization.FORMAT,
            "system": self._system,
            "places": [serialization.place_record(place) for place in self._places],
            "events": [serialization.event_record(*entry, self._by_id.get) for entry in self.every_event()],
        }

    def read(self, record: Mapping[str, Any]) -> list[str]:
        """Add the conversation that `record` has returned; events that are here already are not changed.

        Returns
        -------
        list of str
            A message for each record that could not be read, and was left out.
        """
        problems: list[str] = []
        if isinstance(text := record.get("system"), str) and not self._system:
            self._system = text
        places, events = record.get("places", []), record.get("events", [])
        self._places = merged(self._places, deserialization.places_of(places, events, problems))
        self._renumber()
        return problems

    def add_copies(self, turns: Iterable[Turn]) -> None:
        """Add copies of another conversation's turns, in no cell."""
        for turn in turns:
            version = Version(turn.run, [turn.copied()])
            self._places.append(Place(None, [version], version, number=len(self._places)))
        self._reindex()

    def forget(self) -> None:
        """Delete all places, former versions too; a running turn goes on, and is not part of the conversation."""
        self._places.clear()
        self._reindex()

    def note_everything(self) -> None:
        """Write everything to the journal."""
        for place in self._places:
            self._note_place(place)
        for entry in self.every_event():
            self._note_event(*entry)

    def note(self, turn: Turn) -> None:
        """Take a change of `turn` into account, and write it to the journal."""
        if turn.id in self._location:
            place, version = self._location[turn.id]
            self._order.cut(place)
            self._note_event(place, version, turn)

    def mark_as_announced(self) -> None:
        """Record that a message has told the user which turns come from a notebook file."""
        self._set_from_file("unsaid", "said")

    def trust(self, requests: Mapping[str, object]) -> int:
        """Trust the turns that come from a notebook file; return how many they are.

        Parameters
        ----------
        requests : mapping
            The digests of the turns' requests in the file, by turn; with them the replies can be replayed.
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

    def _version(self, cell: str | None, run: str | None) -> tuple[Place, Version]:
        """Return the place and the version of a run of a cell; both are made if they do not exist."""
        place = self.place_of_cell(cell)
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
            self._location[event.id] = place, version
            self._order.cut(place)
        else:
            self._invalidate(place, version)
        self._note_event(place, version, event)

    def _changed(self, place: Place, *versions: Version) -> None:
        """Take a change of `place`, to or from these versions, into account, and write it to the journal."""
        self._invalidate(place, *versions)
        self._note_place(place)

    def _invalidate(self, place: Place, *versions: Version) -> None:
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
        """Return the system prompt after the first `end` places: the last one that they set."""
        places = [place for place in self._setting_prompts() if place.number < end]
        texts = [
            event.text for place in places[-1:] for event in place.current.events if isinstance(event, SystemPrompt)
        ]
        return texts[-1] if texts else self._system

    def _join(self, place: Place, other: Place) -> None:
        """Move the events of `other` to `place`: into its version if neither had a cell, else as further versions."""
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
        """Build the indexes by cell and by turn again."""
        self._order.clear()
        self._prompts = None
        self._by_cell.clear()
        self._by_id.clear()
        self._location.clear()
        for place in self._places:
            if place.cell is not None:
                self._by_cell.setdefault(place.cell, place)
        for place, version, event in self.every_event():
            if isinstance(event, Turn):
                self._by_id[event.id] = event
                self._location[event.id] = place, version

    def _note_place(self, place: Place) -> None:
        if self.journal is not None:
            self.journal.place(serialization.place_record(place))

    def _note_event(self, place: Place, version: Version, event: Event) -> None:
        if self.journal is not None:
            self.journal.event(serialization.event_record(place, version, event, self._by_id.get))
