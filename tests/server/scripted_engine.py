"""An engine that says what a test tells it to, when it tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from berlin_magic.messages import AnyMessage
from berlin_magic.server.engine import Piece


class ScriptedEngine:
    """Yields what is put into `script`: pieces, an exception to raise, or None to end the reply."""

    advice = ""

    def __init__(self, *script: Piece | Exception | None, models: Sequence[str] = ("m-1", "m-2")) -> None:
        self.script: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()
        self.say(*script)
        self.asked: list[tuple[list[AnyMessage], dict[str, Any]]] = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.closed = False
        self._models = models

    def say(self, *script: Piece | Exception | None) -> None:
        for step in script:
            self.script.put_nowait(step)

    async def models(self) -> Sequence[str]:
        return self._models

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        self.asked.append((list(messages), dict(options)))
        self.ended.clear()
        self.started.set()
        try:
            while (step := await self.script.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            self.ended.set()

    async def close(self) -> None:
        self.closed = True
