"""The context that a server keeps: whether a question can continue it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import ContextOnServerError

__all__ = ["continued"]


def continued(turns: Iterable[Turn], earlier: Sequence[Turn], system: str, *, renewed: bool) -> str:
    """Return the server's id of the conversation that a question continues; "" if it begins a new one.

    A server that keeps the context adds each complete turn to the conversation of one ``parentMessageId``; it can
    neither change nor remove a turn (protocol page, "Chat").

    Parameters
    ----------
    turns : iterable of Turn
        All turns, former versions too; `begun` gives the order in which they were asked.
    earlier : sequence of Turn
        The turns before the question.
    system : str
        The system prompt of the question.
    renewed : bool
        Whether the user wants a new conversation on the server.

    Raises
    ------
    ContextOnServerError
        If the context on the server is another; nothing has been sent.
    """
    asked = sorted((turn for turn in turns if turn.server), key=lambda turn: turn.begun or 0.0)
    if renewed or not earlier or not asked:
        return ""
    id_ = asked[-1].server
    there = [turn for turn in asked if turn.server == id_ and turn.finish == "complete"]
    if not there:
        return ""
    held = (*there[0].chain, *(turn.id for turn in there))
    if held != tuple(turn.id for turn in earlier):
        raise ContextOnServerError(
            "The server keeps this conversation's context, and it differs from the turns before this question: "
            "the server can't go back, and it can't leave out or insert a turn.\n"
            "`%berlin renew` begins a new conversation there, with the turns before this question."
        )
    if there[0].system != system:
        raise ContextOnServerError(
            "The server keeps this conversation's context, with another system prompt.\n"
            "`%berlin renew` begins a new conversation there, with the turns before this question."
        )
    return id_
