"""The engine that answers if no other is connected: a guide to this package, not a language model.

It quotes the package's documentation (`guide`), at a pace that can be read along with and stopped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from berlin_magic.messages import AnyMessage, Event, Text
from berlin_magic.providers.guide.answers import GUIDE, Passage, answer

__all__ = ["EmbeddedEngine"]

_PIECE = re.compile(r"\s*\S+[^\S\n]*\n*|\s+")


class EmbeddedEngine:
    """Answers questions about this package from its documentation, reports what it was sent, shows examples of output.

    The same messages always have the same answer. It needs no network, and knows only this package.

    Parameters
    ----------
    pace : float
        Seconds from one piece (about a word) to the next; with 0, as fast as they are taken.
    """

    advice = (
        "nothing is connected here but the built-in guide, which is not a language model. "
        "`%berlin use ollama:llama3.2` or `%berlin use openai:gpt-4o-mini` connects one; "
        "`%berlin providers` lists them all"
    )

    def __init__(self, pace: float = 0.02) -> None:
        self._pace = pace

    async def models(self) -> Sequence[str]:
        """Return the one name that it answers to."""
        return (GUIDE,)

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Answer `messages` about a word at a time, the first at once.

        Of the `options`, ``max_tokens`` limits the words of the answer; the others have no meaning here.
        """
        pause: float | None = None
        for piece, next_pause in _limited(_pieces(answer(messages)), options.get("max_tokens")):
            if pause is not None:
                await asyncio.sleep(self._pace * pause)  # with 0, too: other streams and a Stop come through
            yield Text(piece)
            pause = next_pause

    async def close(self) -> None:
        """Release nothing: there is nothing held."""


def _pieces(parts: Sequence[Passage]) -> Iterator[tuple[str, float]]:
    for part in parts:
        for piece in _PIECE.findall(part.text):
            yield piece, part.pause


def _limited(pieces: Iterator[tuple[str, float]], limit: object) -> Iterator[tuple[str, float]]:
    """Cut `pieces` after `limit` of them, saying so; a code block that is open then is closed."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        yield from pieces
        return
    said = ""
    for number, (piece, pause) in enumerate(pieces):
        if number == limit:
            fence = "\n```" if len(re.findall(r"^```", said, re.MULTILINE)) % 2 else ""
            yield f"{'' if said[-1:].isspace() else ' '}…{fence}\n\n", pause
            yield f"*Cut after {limit} words, as max_tokens asked.*", pause
            return
        said += piece
        yield piece, pause
