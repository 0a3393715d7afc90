"""The limit of a context, in tokens: how many of the earlier turns fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from berlin_magic.messages import Message, text_in

__all__ = ["Measure", "estimate", "fitting"]

Measure = Callable[[str], int]
"""Counts the tokens of a text."""

_EACH = 4  # tokens around every message: role, separators (as OpenAI's cookbook counts them)


def estimate(text: str) -> int:
    """Return about how many tokens `text` has: one for four ASCII characters, one for each other character.

    Tokenizers differ, and no tokenizer is used here, so each place that shows the number calls it an estimate.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    return -(-ascii_characters // 4) + len(text) - ascii_characters


def fitting(
    newest_first: Iterable[Iterable[Message]], fixed: Iterable[Message], limit: int, measure: Measure = estimate
) -> int:
    """Return how many of the earlier turns fit; older ones are not read.

    Parameters
    ----------
    newest_first : iterable of iterable of Message
        The messages of each earlier turn, the newest first.
    fixed : iterable of Message
        The messages that are always sent: the system prompt and the new question.
    limit : int
        The most tokens of all messages together.
    measure : callable
        Counts the tokens of a text.

    Returns
    -------
    int
        The newest turns, with no gap.
    """
    left = limit - _cost(fixed, measure)
    count = 0
    for messages in newest_first:
        left -= _cost(messages, measure)
        if left < 0:
            break
        count += 1
    return count


def _cost(messages: Iterable[Message], measure: Measure) -> int:
    return sum(measure(text_in(message["content"])) + _EACH for message in messages)
