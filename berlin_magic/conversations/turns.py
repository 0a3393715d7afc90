"""The turns of a conversation, each in its place: what is asked on what; pure, with no network, kernel or clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

from berlin_magic.conversations import serialization
from berlin_magic.conversations.cells import (
    Event,
    Place,
    Strike,
    SystemPrompt,
    Version,
    arranged,
    merged,
    standing,
    struck,
    system_of,
)
from berlin_magic.conversations.context_window import Measure, estimate, left_out
from berlin_magic.conversations.serialization import Journal, Record
from berlin_magic.conversations.staleness import stale_turns
from berlin_magic.conversations.turn import Finish, Turn, copied
from berlin_magic.messages import Message, Part, Text, content_of, text_in

__all__ = ["Finish", "Layout", "Turn", "Turns"]


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
            "format": serialization.FORMAT,
            "system": self._system,
            "places": [serialization.place_record(place) for place in self._places],
            "events": [
                serialization.event_record(place, version, event, self._by_id.get)
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
        self._admit(serialization.places_of(record.get("places", []), record.get("events", []), problems))
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
            self.journal.place(serialization.place_record(place))

    def _note_event(self, place: Place, version: Version, event: Event) -> None:
        if self.journal is not None:
            self.journal.event(serialization.event_record(place, version, event, self._by_id.get))


class Turns(Layout):
    """The turns of a conversation, oldest first, as a sequence: iterate, index, slice.

    A cell is a place. A new cell's turns come last; running the cell again replaces its turns where they stand, and
    asks with what stood before them. Its former versions are kept. What comes from no cell is appended.

    Parameters
    ----------
    system : str
        The system prompt, which comes before every question; empty for none.

    Attributes
    ----------
    context_limit : int or None
        The most tokens that are sent with a question; older turns are left out. None for no limit.
    measure : callable
        Counts the tokens of a text; an estimate, where nothing better is known.
    """

    def __init__(self, system: str = "") -> None:
        super().__init__(system)
        self.context_limit: int | None = None
        self.measure: Measure = estimate

    def __iter__(self) -> Iterator[Turn]:
        return iter(standing(self._places, struck(self._places)))

    def __len__(self) -> int:
        return len(standing(self._places, struck(self._places)))

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Turn | Self:
        if isinstance(index, int):
            return list(self)[index]
        part = self._alike()
        part.system = self.system
        for number, turn in enumerate(list(self)[index]):
            place = self.place_of(turn)
            event = serialization.event_record(place, place.current, turn, lambda _: None)
            event |= {"place": turn.id, "number": 0, "position": 0}
            part.read({"places": [{"key": turn.id, "number": number}], "events": [event]})
        return part

    @property
    def messages(self) -> list[Message]:
        """The whole conversation as a plain list of ``{"role", "content"}``, the system prompt first."""
        return copied(_messages(self, self.system))

    def begin(
        self,
        prompt: str,
        *,
        cell: str | None = None,
        run: str | None = None,
        model: str = "",
        system: str | None = None,
        options: Mapping[str, Any] | None = None,
        begun: float | None = None,
        question: Sequence[Part] = (),
    ) -> Turn:
        """Put a new turn in its place and return it, running.

        Parameters
        ----------
        prompt : str
            The question.
        cell, run : str, optional
            Which cell asks, in which execution. A cell seen before is asked in its old place, and its turns of an
            earlier run are no longer part of the conversation; within one run, questions follow each other.
        model : str
            The model that will be asked.
        system : str, optional
            A system prompt for this question instead of the conversation's.
        options : mapping, optional
            The engine's.
        begun : float, optional
            When, in seconds since the epoch.
        question : sequence of Part, optional
            What is sent for the prompt, if that is more than its text.
        """
        place, version = self._version(cell, run)
        earlier = [turn for turn in self.before(place) if turn.standing]
        chosen = self.system_for(cell) if system is None else system
        content = content_of(question) if question else prompt
        fixed: list[Message] = [{"role": "system", "content": chosen}, {"role": "user", "content": content}]
        count = left_out([turn.standing for turn in earlier], fixed, self.context_limit, self.measure)
        stale = self.stale()
        turn = Turn(
            prompt,
            _messages(earlier[count:], chosen),
            cell,
            run,
            model,
            chain=tuple(turn.id for turn in earlier),
            left_out=count,
            stale_before=sum(one.id in stale for one in earlier[count:]),
            system=chosen,
            options=dict(options or {}),
            begun=begun,
            question=tuple(question),
        )
        self._add(place, version, turn)
        return turn

    def earlier(self, cell: str | None = None, run: str | None = None) -> list[Turn]:
        """Return the turns that a question of this cell, in this run, would be asked on."""
        own = self._find(cell)
        if own is None:
            return list(self)
        again = run is None or own.current.run != run
        return [turn for turn in self.before(own) if not (again and turn in own.current.events)]

    def going_on(self, cell: str | None = None, run: str | None = None) -> str | None:
        """Return the question that has the last reply gone on with; None where that is complete, or there is none."""
        return _GO_ON if self.partial(cell, run) is not None else None

    def partial(self, cell: str | None = None, run: str | None = None) -> Turn | None:
        """Return the last turn before a question of this cell, where its reply is not complete; None otherwise."""
        earlier = self.earlier(cell, run)
        last = next((turn for turn in reversed(earlier) if turn.standing), None)
        partial = last is not None and (last.finish in {"stopped", "cut"} or last.reason == "length")
        return last if partial else None

    def end(self, turn: Turn, finish: Finish, *, ended: float | None = None) -> None:
        """Let `turn` have ended, as `finish` says; it does not change any more."""
        turn.finish, turn.ended = finish, ended
        self.note(turn)

    def reset(self, *, cell: str | None = None, run: str | None = None) -> int:
        """Begin anew: what was asked so far is no longer part of the conversation; return how many turns that were.

        A cell that is run again comes back. The system prompt stays.
        """
        place, version = self._version(cell, run)
        gone = list(self)
        self._add(place, version, Strike("reset", tuple(turn.id for turn in gone)))
        return len(gone)

    def undo(self, count: int = 1, *, cell: str | None = None, run: str | None = None) -> list[Turn]:
        """Take the last `count` turns that stand before `cell` back, and return them."""
        if count < 1:
            raise ValueError(f"at least one turn can be taken back, not {count}")
        place, version = self._version(cell, run)
        gone = self.before(place)[-count:]
        self._add(place, version, Strike("undo", tuple(turn.id for turn in gone)))
        return gone

    def drop(self, number: int, *, cell: str | None = None, run: str | None = None) -> Turn:
        """Take one turn out, by its number as `cell` finds the conversation; return it.

        Raises
        ------
        ValueError
            Where there is no such turn; nothing has changed.
        """
        own = self._find(cell)
        again = own is not None and (run is None or own.current.run != run)
        places = [place for place in self.places if not (again and place is own)]
        turns = standing(places, struck(places))
        if not 1 <= number <= len(turns):
            raise ValueError(f"there is no turn {number}: the conversation has {len(turns)}")
        gone = turns[number - 1]
        place, version = self._version(cell, run)
        self._add(place, version, Strike("drop", (gone.id,)))
        return gone

    def add_messages(
        self, messages: Iterable[Message], *, cell: str | None = None, run: str | None = None
    ) -> list[Turn]:
        """Append what was said elsewhere, and return it as turns.

        A question and its answer make one turn; whatever else there is stands in a turn of its own, so that no message
        is lost. Leading system messages become the system prompt, where there is none.
        """
        left = list(messages)
        if not left:
            return []
        begins = not self.system and not len(self)
        place, version = self._version(cell, run)
        if begins and left[0]["role"] == "system" and left[0]["content"]:
            self._add(place, version, SystemPrompt(text_in(left.pop(0)["content"])))
        turns: list[Turn] = []
        while left:
            pair = [message["role"] for message in left[:2]] == ["user", "assistant"]
            taken, left = (left[:2], left[2:]) if pair else (left[:1], left[1:])
            turn = Turn(
                text_in(taken[0]["content"]) if taken[0]["role"] == "user" else "",
                cell=cell,
                run=run,
                finish="complete",
                given=tuple(copied(tuple(taken))),
            )
            if taken[-1]["role"] == "assistant":
                turn.take(Text(text_in(taken[-1]["content"])))
            self._add(place, version, turn)
            turns.append(turn)
        return turns

    def fork(self) -> Self:
        """Return a copy that goes its own way: places, versions and all. What was running is cut off in the copy."""
        copy = self._alike()
        copy.read(self.record())
        return copy

    def _alike(self) -> Self:
        """Return an empty one with the same settings; what a subclass adds, it adds here."""
        other = type(self)(self.first_system)
        other.context_limit, other.measure = self.context_limit, self.measure
        return other


_GO_ON = (
    "Continue your last reply exactly where it broke off. Begin with the very next word, and repeat nothing of what is "
    "already there."
)


def _messages(turns: Iterable[Turn], system: str) -> tuple[Message, ...]:
    first: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    return (*first, *(message for turn in turns for message in turn.standing))
