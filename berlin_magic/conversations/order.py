"""The turns that are part of a conversation, in order, kept up to date with little work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from berlin_magic.conversations.cells import Place, removed, standing
from berlin_magic.conversations.turn import Compared, Link, Turn, same_chain

__all__ = ["Order"]


class Order:
    """The turns that are part of a conversation, oldest first, place by place.

    Call `cut` for every change at a place; what stands before it is not looked at again. So a question at the
    end costs the same, however long the conversation is.
    """

    def __init__(self) -> None:
        self._ends: list[tuple[int, int]] = []  # after each place that was looked at: how many turns, how many answers
        self._turns: list[Turn] = []
        self._is_stale: list[bool] = []
        self._answered: list[Turn] = []
        self._links: list[Link] = []  # of the answered turns
        self._stale: list[int] = []  # how many of the answered turns are stale, up to each
        self._same: Compared = {}
        self._removed: set[str] | None = None

    def cut(self, place: Place, *, removals: bool = False) -> None:
        """Take note that something has changed at `place`; with `removals`, what it takes out of the conversation."""
        if removals:
            self.clear()
            return
        if place.number < len(self._ends):
            del self._ends[place.number :]
            turns, answers = self._ends[-1] if self._ends else (0, 0)
            del self._turns[turns:], self._is_stale[turns:]
            del self._answered[answers:], self._links[answers:], self._stale[answers:]

    def clear(self) -> None:
        """Take note that everything may have changed."""
        self.__init__()  # type: ignore[misc]

    def turns(self, places: Sequence[Place], end: int | None = None) -> Sequence[Turn]:
        """Return the turns of all places, or of those up to number `end`; the caller does not change them."""
        count, _ = self._read(places, end)
        return self._turns if count == len(self._turns) else self._turns[:count]

    def answers(self, places: Sequence[Place], end: int | None = None) -> tuple[Sequence[Turn], int]:
        """Return the answered turns, of which the first so many are those of the places up to number `end`."""
        _, count = self._read(places, end)
        return self._answered, count

    def link(self, count: int) -> Link | None:
        """Return what is asked on, after the first `count` answered turns."""
        return self._links[count - 1] if count else None

    def stale_between(self, first: int, last: int) -> int:
        """Return how many of the answered turns from number `first` to `last` were answered on something else."""
        return (self._stale[last - 1] if last else 0) - (self._stale[first - 1] if first else 0)

    def stale(self, places: Sequence[Place]) -> set[str]:
        """Return the ids of the turns that were asked on something else than what stands before them now.

        The same text in another turn is nothing else: a notebook that was run again from top to bottom, with the same
        answers, has none.
        """
        self._read(places)
        return {turn.id for turn, is_stale in zip(self._turns, self._is_stale, strict=True) if is_stale}

    def _read(self, places: Sequence[Place], end: int | None = None) -> tuple[int, int]:
        """Look at what was not looked at yet, up to place `end`; return how many turns and answers there are."""
        end = len(places) if end is None else end
        if len(self._ends) < end:
            if self._removed is None:
                self._removed = removed(places)
            for place in islice(places, len(self._ends), end):
                for turn in standing(place, self._removed):
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
        if turn.standing:
            self._answered.append(turn)
            self._links.append(turn.link if turn.before is before else Link(turn.id, turn, before))
            self._stale.append((self._stale[-1] if self._stale else 0) + stale)
