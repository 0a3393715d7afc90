"""The turns of a conversation: a sequence to which cells add questions, and which commands change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

from berlin_magic.conversations.cells import Place, Removal, SystemPrompt, Version, active_turns, removed
from berlin_magic.conversations.context_window import Measure, estimate, fitting
from berlin_magic.conversations.places import Places
from berlin_magic.conversations.turn import Finish, Turn, copied
from berlin_magic.messages import Message, Part, Text, content_of, text_in

__all__ = ["GO_ON", "Finish", "Turn", "Turns"]


class Turns(Places):
    """The turns of a conversation, oldest first, as a sequence: iterate, index, slice.

    Each cell has a place. The turns of a new cell come last. Running the cell again replaces its turns at their place,
    with the turns before them as the context; the former versions are kept. Turns of no cell are appended.

    Parameters
    ----------
    system : str
        The system prompt; empty for no system prompt.

    Attributes
    ----------
    context_limit : int or None
        The most tokens that are sent with a question; older turns are left out. None for no limit.
    measure : callable
        Counts the tokens of a text; by default an estimate.
    """

    def __init__(self, system: str = "") -> None:
        super().__init__(system)
        self.context_limit: int | None = None
        self.measure: Measure = estimate

    def __iter__(self) -> Iterator[Turn]:
        return iter(tuple(self._order.turns(self._places)))

    def __len__(self) -> int:
        return len(self._order.turns(self._places))

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Turn | Self:
        turns = self._order.turns(self._places)
        if isinstance(index, int):
            return turns[index]
        part = self._empty_copy()
        part.system = self.system
        part.add_copies(turns[index])
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
        values: Sequence[Mapping[str, Any]] = (),
    ) -> Turn:
        """Add a new turn at the place of its cell and return it, running.

        Parameters
        ----------
        prompt : str
            The question.
        cell, run : str, optional
            The ids of the cell and of its execution. A known cell keeps its place, and its turns of an earlier run
            leave the conversation; questions of one run follow each other.
        model : str
            The model that will be asked.
        system : str, optional
            A system prompt for this question instead of the conversation's.
        options : mapping, optional
            Options of the engine.
        begun : float, optional
            The time of the question, in seconds since the epoch.
        question : sequence of Part, optional
            The parts that are sent for the prompt, if they are more than its text.
        values : sequence of mapping, optional
            The records of the values in it (`Turn.values`).
        """
        place, version = self._version(cell, run)
        answers, count = self._order.answers(self._places, place.number + 1)
        chosen = self.system_for(cell) if system is None else system
        content = content_of(question) if question else prompt
        fixed: list[Message] = [{"role": "system", "content": chosen}, {"role": "user", "content": content}]
        newest_first = (answers[number].context_messages for number in range(count - 1, -1, -1))
        kept = count if self.context_limit is None else fitting(newest_first, fixed, self.context_limit, self.measure)
        turn = Turn(
            prompt,
            self._order.link(count),
            cell,
            run,
            model,
            left_out=count - kept,
            stale_before=self._order.stale_between(count - kept, count),
            system=chosen,
            options=dict(options or {}),
            begun=begun,
            question=tuple(question),
            values=tuple(values),
        )
        self._add(place, version, turn)
        return turn

    def earlier(self, cell: str | None = None, run: str | None = None) -> list[Turn]:
        """Return the turns before a question of this cell, in this run."""
        own = self.place_of_cell(cell)
        if own is None:
            return list(self)
        again = run is None or own.current.run != run
        return [turn for turn in self.before(own) if not (again and turn in own.current.events)]

    def going_on(self, cell: str | None = None, run: str | None = None) -> str | None:
        """Return the question that asks for the rest of the last reply; None if there is nothing to continue."""
        return GO_ON if self.partial(cell, run) is not None else None

    def partial(self, cell: str | None = None, run: str | None = None) -> Turn | None:
        """Return the last turn before a question of this cell, if its reply is not complete; None otherwise."""
        earlier = self.earlier(cell, run)
        last = next((turn for turn in reversed(earlier) if turn.context_messages), None)
        partial = last is not None and (last.finish in {"stopped", "cut"} or last.reason == "length")
        return last if partial else None

    def end(self, turn: Turn, finish: Finish, *, ended: float | None = None) -> None:
        """End `turn` with the state `finish`; it does not change any more."""
        turn.finish, turn.ended = finish, ended
        self.note(turn)

    def reset(self, *, cell: str | None = None, run: str | None = None) -> int:
        """Remove all turns from the conversation; return how many they were.

        A cell that is run again returns to the conversation. The system prompt stays.
        """
        place, version = self._version(cell, run)
        gone = list(self)
        self._add(place, version, Removal("reset", tuple(turn.id for turn in gone)))
        return len(gone)

    def undo(self, count: int = 1, *, cell: str | None = None, run: str | None = None) -> list[Turn]:
        """Remove the last `count` turns before `cell`, and return them."""
        if count < 1:
            raise ValueError(f"at least one turn can be taken back, not {count}")
        place, version = self._version(cell, run)
        gone = self.before(place)[-count:]
        self._add(place, version, Removal("undo", tuple(turn.id for turn in gone)))
        return gone

    def drop(self, number: int, *, cell: str | None = None, run: str | None = None) -> Turn:
        """Remove one turn, by its number in the conversation before `cell` runs; return it.

        Raises
        ------
        ValueError
            If there is no such turn; nothing has changed.
        """
        own = self.place_of_cell(cell)
        again = own is not None and (run is None or own.current.run != run)
        places = [place for place in self._places if not (again and place is own)]
        out = removed(places)
        turns = [turn for place in places for turn in active_turns(place, out)]
        if not 1 <= number <= len(turns):
            raise ValueError(f"there is no turn {number}: the conversation has {len(turns)}")
        gone = turns[number - 1]
        place, version = self._version(cell, run)
        self._add(place, version, Removal("drop", (gone.id,)))
        return gone

    def add_messages(
        self, messages: Iterable[Message], *, cell: str | None = None, run: str | None = None
    ) -> list[Turn]:
        """Append messages of another source, and return them as turns.

        A question and its answer make one turn; each other message makes a turn of its own, so that no message is
        lost. A leading system message becomes the system prompt from there on.
        """
        left = list(messages)
        if not left:
            return []
        place, version = self._version(cell, run)
        if left[0]["role"] == "system" and isinstance(text := left[0]["content"], str) and text:
            self._add_system(place, version, text)
            del left[0]
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

    def add_turns(self, other: Turns, *, cell: str | None = None, run: str | None = None) -> list[Turn]:
        """Append the turns of another conversation, and return them.

        Its system prompt holds from there on, if it has one; a turn keeps its model and how it ended.
        """
        answered = [turn for turn in other if turn.context_messages]
        if not answered and not other.system:
            return []
        place, version = self._version(cell, run)
        if other.system:
            self._add_system(place, version, other.system)
        turns = []
        for one in answered:
            turn = Turn(
                one.prompt,
                cell=cell,
                run=run,
                model=one.model,
                finish=one.finish,
                provider=one.provider,
                reason=one.reason,
                begun=one.begun,
                ended=one.ended,
                given=tuple(copied(one.context_messages)),
            )
            turn.parts = one.parts
            self._add(place, version, turn)
            turns.append(turn)
        return turns

    def _add_system(self, place: Place, version: Version, text: str) -> None:
        if self._system_before(place.number + 1) != text:
            self._add(place, version, SystemPrompt(text))

    def fork(self) -> Self:
        """Return an independent copy, with all places and versions; a running turn is cut in the copy."""
        copy = self._empty_copy()
        copy.read(self.record())
        return copy

    def _empty_copy(self) -> Self:
        """Return an empty conversation with the same settings; a subclass adds its own settings."""
        other = type(self)(self.first_system)
        other.context_limit, other.measure = self.context_limit, self.measure
        return other


GO_ON = (
    "Continue your last reply exactly where it broke off. Begin with the very next word, and repeat nothing of what is "
    "already there."
)
"""The question that asks for the rest of a reply."""


def _messages(turns: Iterable[Turn], system: str) -> tuple[Message, ...]:
    first: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    return (*first, *(message for turn in turns for message in turn.context_messages))
