"""The engine that answers where no other is connected: a guide to this package, and no language model.

It quotes the package's documentation (`guide`), at a pace that can be read along with and stopped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from berlin_magic.messages import AnyMessage
from berlin_magic.providers.guide.answers import GUIDE, Part, answer
from berlin_magic.server.engine import EngineError

__all__ = ["EmbeddedEngine"]

# The second is what the original clients ask for by default; the answer says that no GPT is behind it.
_MODELS = (GUIDE, "gpt-3.5-turbo")
_PIECE = re.compile(r"\s*\S+[^\S\n]*\n*|\s+")


class EmbeddedEngine:
    """Answers questions about this package from its documentation; reports what it was sent; shows off on request.

    The same messages always have the same answer. It needs no network and knows nothing of the world.

    Parameters
    ----------
    pace : float
        Seconds from one piece (about a word) to the next; with 0, as fast as they are taken.
    """

    def __init__(self, pace: float = 0.02) -> None:
        self._pace = pace

    async def models(self) -> Sequence[str]:
        """Return the names that it answers to, the default one first."""
        return _MODELS

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        """Answer `messages` about a word at a time, the first at once.

        Of the `options`, ``model`` must be one of `models` (or empty) and ``max_tokens`` limits the words of the
        answer; the others have no meaning here.

        Raises
        ------
        EngineError
            On the first step, for a model that it does not serve.
        """
        model = str(options.get("model") or GUIDE)
        if model not in _MODELS:
            raise EngineError(f"Model {model} is not supported", status=500, code=5000)
        pause: float | None = None
        for piece, next_pause in _limited(_pieces(answer(messages, model)), options.get("max_tokens")):
            if pause is not None:
                await asyncio.sleep(self._pace * pause)  # with 0, too: other streams and a Stop come through
            yield piece
            pause = next_pause

    async def close(self) -> None:
        """Release nothing: there is nothing held."""


def _pieces(parts: Sequence[Part]) -> Iterator[tuple[str, float]]:
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
