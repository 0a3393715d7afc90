"""The layout of a conversation: its places in order, and all that happened there, told to a journal; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from berlin_magic import records
from berlin_magic.arrangement import arranged, merged
from berlin_magic.journal import Journal
from berlin_magic.places import Event, Place, SystemPrompt, Version, standing, struck, system_of
from berlin_magic.records import Record
from berlin_magic.staleness import stale_turns
from berlin_magic.turn import Turn

__all__ = ["Layout"]


class Layout:
    """What a conversation is made of; `Turns` adds how it grows.

    Attributes
    ----------
    journal : Journal or None
        Is told of every change.
    """

    def __init__(self, system: str = "") -> None:
        self._system = system
        self._places: list[Place] = []
        self._by_id: dict[str, Turn] = {}
        self.journal: Journal | None = None

    @property
    def system(self) -> str:
        """The system prompt, as it holds at the end; setting it holds from there on."""
        return system_of(self._places, self._system)

    @system.setter
    def system(self, text: str) -> None:
        if text == self.system:
            return
        if any(isinstance(event, SystemPrompt) for place in self._places for event in place.current.events):
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
        return system_of(self._places if own is None else self._places[: self._places.index(own) + 1], self._system)

    def set_system(self, text: str, *, cell: str | None = None, run: str | None = None) -> None:
        """Set the system prompt for what stands after `cell`."""
        place, version = self._version(cell, run)
        self._add(place, version, SystemPrompt(text))

    @property
    def places(self) -> Sequence[Place]:
        """Where its cells stand, the deleted ones included."""
        return tuple(self._places)

    def leave(self, cells: Collection[str]) -> None:
        """Let the turns of these cells leave the conversation; running one again brings it back to its place."""
        for place in self._places:
            if place.cell in cells and place.state == "in":
                place.state = "deleted"
                self._note_place(place)

    def arrange(self, cells: Sequence[str]) -> None:
        """Put the places in the order of `cells`; what is not among them stays behind what it stood behind."""
        self._places = arranged(self._places, cells)
        self._renumber()

    def before(self, place: Place) -> list[Turn]:
        """Return the turns that stand before what `place` does next."""
        return standing(self._places[: self._places.index(place) + 1], struck(self._places))

    def stale(self) -> set[str]:
        """Return the ids of the turns that were asked on something else than what stands before them now."""
        return stale_turns(standing(self._places, struck(self._places)), self._by_id.get)

    def place_of(self, turn: Turn) -> Place:
        """Return where `turn` stands, also where it is a former version; ValueError where it is not of these."""
        for place in reversed(self._places):  # the newest is asked for most
            if any(turn in version.events for version in place.versions):
                return place
        raise ValueError("the turn is not of this conversation")

    def make_current(self, place: Place, version: Version) -> None:
        """Put a former version of `place` in force again."""
        if version not in place.versions:
            raise ValueError("the version is not of this place")
        place.current = version
        place.state = "in"
        self._note_place(place)

    def find(self, id_: str) -> Turn | None:
        """Return the turn with this id, former versions and deleted cells included."""
        return self._by_id.get(id_)

    def every_turn(self) -> list[Turn]:
        """Return all turns there are, former versions and deleted cells included."""
        return list(self._by_id.values())

    def record(self) -> Record:
        """Return everything as plain JSON."""
        return {
            "format": records.FORMAT,
            "system": self._system,
            "places": [records.place_record(place) for place in self._places],
            "events": [
                records.event_record(place, version, event, self._by_id.get)
                for place in self._places
                for version in place.versions
                for event in version.events
            ],
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
        self._admit(records.places_of(record.get("places", []), record.get("events", []), problems))
        return problems

    def forget(self) -> None:
        """Lose everything, former versions too; what is running goes on, and joins nothing."""
        self._places.clear()
        self._by_id.clear()

    def note_everything(self) -> None:
        """Tell the journal all that there is."""
        for place in self._places:
            self._note_place(place)
            for version in place.versions:
                for event in version.events:
                    self._note_event(place, version, event)

    def note(self, turn: Turn) -> None:
        """Tell the journal what has become of `turn`."""
        if self.journal is not None and turn.id in self._by_id:
            place = self.place_of(turn)
            self._note_event(place, next(v for v in place.versions if turn in v.events), turn)

    def _admit(self, places: Iterable[Place]) -> None:
        self._places = merged(self._places, places)
        self._renumber()
        for place in self._places:
            for version in place.versions:
                self._by_id.update((turn.id, turn) for turn in version.turns)

    def _find(self, cell: str | None) -> Place | None:
        return next((place for place in self._places if cell is not None and place.cell == cell), None)

    def _version(self, cell: str | None, run: str | None) -> tuple[Place, Version]:
        """Return the place of a cell and the version that this run of it makes; both made where there is none."""
        place = self._find(cell)
        if place is None:
            version = Version(run)
            place = Place(cell, [version], version, number=self._next_number())
            self._places.append(place)
            self._note_place(place)
        elif run is None or place.current.run != run or place.state != "in":
            version = Version(run)
            place.versions.append(version)
            place.current, place.state = version, "in"
            self._note_place(place)
        return place, place.current

    def _add(self, place: Place, version: Version, event: Event) -> None:
        version.events.append(event)
        if isinstance(event, Turn):
            self._by_id[event.id] = event
        self._note_event(place, version, event)

    def _next_number(self) -> int:
        return self._places[-1].number + 1 if self._places else 0

    def _renumber(self) -> None:
        for number, place in enumerate(self._places):
            if place.number != number:
                place.number = number
                self._note_place(place)

    def _note_place(self, place: Place) -> None:
        if self.journal is not None:
            self.journal.place(records.place_record(place))

    def _note_event(self, place: Place, version: Version, event: Event) -> None:
        if self.journal is not None:
            self.journal.event(records.event_record(place, version, event, self._by_id.get))
