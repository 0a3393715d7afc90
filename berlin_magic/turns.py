"""The turns of a conversation, each in its place: pure, with no network, kernel or clock."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, overload

from berlin_magic.messages import Message

__all__ = ["Finish", "Turn", "Turns"]

Finish = Literal["running", "complete", "stopped", "cut", "failed"]
"""How a turn stands: being answered; answered whole; stopped by the user; cut by network or server; not answered."""


@dataclass(eq=False)
class Turn:
    """One question and its answer.

    Attributes
    ----------
    prompt : str
        The question.
    context : tuple of Message
        What it was asked on: the messages that stood before it when it was asked, never rewritten.
    cell : str or None
        The id of the cell that asked, where the front end tells it.
    run : str or None
        Which execution of that cell.
    model : str
        The model that was asked.
    finish : Finish
        How it ended.
    id : str
        Unique, for life.
    """

    prompt: str
    context: tuple[Message, ...] = ()
    cell: str | None = None
    run: str | None = None
    model: str = ""
    finish: Finish = "running"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _pieces: list[str] = field(default_factory=list, repr=False)
    _length: int = field(default=0, repr=False)

    @property
    def reply(self) -> str:
        """The answer so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def length(self) -> int:
        """Characters of the answer so far."""
        return self._length

    def add(self, piece: str) -> None:
        """Append `piece` to the reply; pieces are joined when read, so that a long reply costs its length."""
        self._pieces.append(piece)
        self._length += len(piece)

    @property
    def asked(self) -> list[Message]:
        """The messages that are sent for it: the context, then the question."""
        return [*self.context, {"role": "user", "content": self.prompt}]

    @property
    def messages(self) -> list[Message]:
        """What it adds to the context of later turns: nothing where it was not answered at all."""
        if self.finish == "running" or not self.reply:
            return []
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.reply}]


@dataclass(eq=False)
class _Place:
    """Where a cell stands in the conversation: its runs, the newest of them in force, the others kept."""

    cell: str | None
    runs: list[list[Turn]]

    @property
    def current(self) -> list[Turn]:
        return self.runs[-1]


class Turns:
    """The turns of a conversation, oldest first, as a sequence: iterate, index, slice.

    A cell is a place. A new cell's turn comes last; running the cell again replaces its turns where they stand, and
    asks with what stood before them. Turns without a cell are appended.

    Parameters
    ----------
    system : str
        The system prompt, which comes before every question; empty for none.
    """

    def __init__(self, system: str = "") -> None:
        self.system = system
        self._places: list[_Place] = []

    def __iter__(self) -> Iterator[Turn]:
        return (turn for place in self._places for turn in place.current)

    def __len__(self) -> int:
        return sum(len(place.current) for place in self._places)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> list[Turn]: ...
    def __getitem__(self, index: int | slice) -> Turn | list[Turn]:
        return list(self)[index]

    @property
    def messages(self) -> list[Message]:
        """The whole conversation as a plain list of ``{"role", "content"}``, the system prompt first."""
        return self._messages(self)

    def begin(
        self,
        prompt: str,
        *,
        cell: str | None = None,
        run: str | None = None,
        model: str = "",
        system: str | None = None,
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
        """
        index = next((i for i, place in enumerate(self._places) if cell is not None and place.cell == cell), None)
        before = self._places if index is None else self._places[:index]
        earlier = [turn for place in before for turn in place.current]
        place = None if index is None else self._places[index]
        again = place is not None and (run is None or place.current[0].run != run)
        if place is not None and not again:
            earlier += place.current
        turn = Turn(prompt, tuple(self._messages(earlier, system)), cell, run, model)
        if place is None:
            self._places.append(_Place(cell, [[turn]]))
        elif again:
            place.runs.append([turn])
        else:
            place.current.append(turn)
        return turn

    def reset(self) -> None:
        """Forget every turn; the system prompt stays."""
        self._places.clear()

    def _messages(self, turns: Iterable[Turn], system: str | None = None) -> list[Message]:
        chosen = self.system if system is None else system
        first: list[Message] = [{"role": "system", "content": chosen}] if chosen else []
        return first + [message for turn in turns for message in turn.messages]
