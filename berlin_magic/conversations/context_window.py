"""The budget of a context: which of the earlier turns fit, and which are left out; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from berlin_magic.messages import Message, text_in

__all__ = ["Measure", "estimate", "left_out"]

Measure = Callable[[str], int]
"""Counts the tokens of a text."""

_EACH = 4  # tokens around every message: role, separators (as OpenAI's cookbook counts them)


def estimate(text: str) -> int:
    """Return about how many tokens `text` has: one for four ASCII characters, one for each other character.

    It is an estimate, and is called one wherever it is shown: tokenizers differ, and none is asked here.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    return -(-ascii_characters // 4) + len(text) - ascii_characters


def left_out(
    turns: Sequence[Iterable[Message]], fixed: Iterable[Message], limit: int | None, measure: Measure = estimate
) -> int:
    """Return how many of the `turns`, from the oldest on, have to be left out.

    Parameters
    ----------
    turns : sequence of iterable of Message
        The messages of each earlier turn, oldest first.
    fixed : iterable of Message
        What is sent in any case: the system prompt and the new question.
    limit : int or None
        The most tokens that the whole may have; None for no limit.
    measure : callable
        Counts the tokens of a text.

    Returns
    -------
    int
        Never a gap: what is sent is an unbroken row up to the newest turn.
    """
    if limit is None:
        return 0
    left = limit - _cost(fixed, measure)
    for count in range(len(turns), 0, -1):
        left -= _cost(turns[count - 1], measure)
        if left < 0:
            return count
    return 0


def _cost(messages: Iterable[Message], measure: Measure) -> int:
    return sum(measure(text_in(message["content"])) + _EACH for message in messages)
