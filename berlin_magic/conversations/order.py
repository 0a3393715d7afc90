"""The turns that are part of a conversation, in order, as an index that is updated incrementally."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from berlin_magic.conversations.cells import Place, active_turns, removed
from berlin_magic.conversations.turn import Compared, Link, Turn, same_chain

__all__ = ["Order"]


class Order:
    """The turns that are part of a conversation, oldest first, place by place.

    Call `cut` for every change at a place; the places before it are not read again. So a question at the end takes
    the same time, however long the conversation is.
    """

    def __init__(self) -> None:
        self._ends: list[tuple[int, int]] = []  # after each place that was read: the number of turns and of answers
        self._turns: list[Turn] = []
        self._is_stale: list[bool] = []
        self._answered: list[Turn] = []
        self._links: list[Link] = []  # of the answered turns
        self._stale: list[int] = []  # the number of stale turns among the answered ones, up to each
        self._same: Compared = {}
        self._removed: set[str] | None = None

    def cut(self, place: Place, *, removals: bool = False) -> None:
        """Read `place` and those after it again; with `removals`, if the removed turns have changed, all places."""
        if removals:
            self.clear()
            return
        if place.number < len(self._ends):
            del self._ends[place.number :]
            turns, answers = self._ends[-1] if self._ends else (0, 0)
            del self._turns[turns:], self._is_stale[turns:]
            del self._answered[answers:], self._links[answers:], self._stale[answers:]

    def clear(self) -> None:
        """Read all places again."""
        self.__init__()  # type: ignore[misc]

    def turns(self, places: Sequence[Place], end: int | None = None) -> Sequence[Turn]:
        """Return the turns of all places, or of the first `end` places; the caller must not change the list."""
        count, _ = self._read(places, end)
        return self._turns if count == len(self._turns) else self._turns[:count]

    def answers(self, places: Sequence[Place], end: int | None = None) -> tuple[Sequence[Turn], int]:
        """Return the answered turns, and how many of them, from the first, belong to the first `end` places."""
        _, count = self._read(places, end)
        return self._answered, count

    def link(self, count: int) -> Link | None:
        """Return the linked list of the first `count` answered turns."""
        return self._links[count - 1] if count else None

    def stale_between(self, first: int, last: int) -> int:
        """Return how many of the answered turns from number `first` to `last` are stale."""
        return (self._stale[last - 1] if last else 0) - (self._stale[first - 1] if first else 0)

    def stale(self, places: Sequence[Place]) -> set[str]:
        """Return the ids of the stale turns: those whose context, when they were asked, is not what is before them now.

        Texts are compared, not ids: a notebook that was run again from top to bottom, with the same answers, has no
        stale turn.
        """
        self._read(places)
        return {turn.id for turn, is_stale in zip(self._turns, self._is_stale, strict=True) if is_stale}

    def _read(self, places: Sequence[Place], end: int | None = None) -> tuple[int, int]:
        """Read the places that were not read yet, up to `end`; return the number of turns and of answers."""
        end = len(places) if end is None else end
        if len(self._ends) < end:
            if self._removed is None:
                self._removed = removed(places)
            for place in islice(places, len(self._ends), end):
                for turn in active_turns(place, self._removed):
                    self._add(turn)
                self._ends.append((len(self._turns), len(self._answered)))
        return self._ends[end - 1] if end else (0, 0)

    def _add(self, turn: Turn) -> None:
        before = self._links[-1] if self._links else None
        stale = (
            turn.given is None
            and turn.finish != "running"
            and (turn.edited or not same_chain(turn.before, before, self._same))
        )
        self._turns.append(turn)
        self._is_stale.append(stale)
        if turn.context_messages:
            self._answered.append(turn)
            self._links.append(turn.link if turn.before is before else Link(turn.id, turn, before))
            self._stale.append((self._stale[-1] if self._stale else 0) + stale)
