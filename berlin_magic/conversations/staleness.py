"""Staleness: which turns were answered on something else than what stands before them now; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from berlin_magic.conversations.turn import Turn

__all__ = ["stale_turns"]

Find = Callable[[str], Turn | None]


def stale_turns(turns: Iterable[Turn], find: Find) -> set[str]:
    """Return the ids of those of `turns` that were asked on something else than what stands before them.

    The same text in another turn is nothing else: a notebook that was run again from top to bottom, with the same
    answers, has none.

    Parameters
    ----------
    turns : iterable of Turn
        The conversation as it stands, oldest first.
    find : callable
        Gives a turn, former versions included, by its id.
    """
    found: set[str] = set()
    before: list[Turn] = []
    for turn in turns:
        if turn.given is None and turn.finish != "running":
            fresh = _follows(turn, before, found) or _is_chain(turn.chain, before, find)
            if turn.edited or not fresh:
                found.add(turn.id)
        if turn.standing:
            before.append(turn)
    return found


def _follows(turn: Turn, before: list[Turn], stale: set[str]) -> bool:
    """Say whether `turn` was asked on the one before it and all that this one was asked on: quickly told, and usual."""
    if len(turn.chain) != len(before):
        return False
    if not before:
        return True
    last = before[-1]
    return last.given is None and last.id not in stale and turn.extends(last)


def _is_chain(chain: tuple[str, ...], before: list[Turn], find: Find) -> bool:
    if len(chain) != len(before):
        return False
    for id_, turn in zip(reversed(chain), reversed(before), strict=True):
        if id_ != turn.id:
            then = find(id_)
            if then is None or then.standing != turn.standing:
                return False
    return True
