"""An engine that says what a test tells it to, when it tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from berlin_magic.messages import AnyMessage, Event, Text

Step = str | Event | Exception | None


class ScriptedEngine:
    """Yields what is put into `script`: texts, other events, an exception to raise, or None to end the reply."""

    advice = ""

    def __init__(self, *script: Step, models: Sequence[str] = ("m-1", "m-2")) -> None:
        self.script: asyncio.Queue[Step] = asyncio.Queue()
        self.say(*script)
        self.asked: list[tuple[list[AnyMessage], dict[str, Any]]] = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.closed = False
        self._models = models

    def say(self, *script: Step) -> None:
        for step in script:
            self.script.put_nowait(step)

    async def models(self) -> Sequence[str]:
        return self._models

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        self.asked.append((list(messages), dict(options)))
        self.ended.clear()
        self.started.set()
        try:
            while (step := await self.script.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield Text(step) if isinstance(step, str) else step
        finally:
            self.ended.set()

    async def close(self) -> None:
        self.closed = True
