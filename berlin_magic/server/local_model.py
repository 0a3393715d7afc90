"""The engine of `berlin-server --local`: a model that runs on this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import BerlinError, clean
from berlin_magic.messages import AnyMessage, Finish, Reasoning, Text, Usage
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.provider import Local
from berlin_magic.server.engine import EngineError, Piece
from berlin_magic.server.sampling import sampling

__all__ = ["LocalModel"]


class LocalModel:
    """Answers with a model in a file on this machine, whose process notebooks of the same user share.

    Parameters
    ----------
    name : str
        The model's name or path, as in ``local:NAME``; empty for the usual one.

    Raises
    ------
    BerlinError
        If there is no such model, or the package that runs it is not installed.
    """

    def __init__(self, name: str = "") -> None:
        engine.check_installed()
        self._model = models.find(name)

    def __repr__(self) -> str:
        return f"<LocalModel {self._model.name}>"

    @property
    def caution(self) -> str:
        """What users must know of its answers."""
        return self._model.caution

    async def models(self) -> Sequence[str]:
        """Return the name of the one model."""
        return (self._model.name,)

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        """Answer `messages`.

        Raises
        ------
        EngineError
            On the first step, for a model that it does not serve; if the model can't be loaded, or ended.
        """
        wanted = sampling(options)
        named = wanted.pop("model", "")
        if named not in {"", self._model.name}:
            raise EngineError(f"Model {clean(str(named), 80)} is not supported", status=500, code=5000)
        yield Usage()
        try:
            async with aclosing(Local.stream(str(self._model.path), messages, **wanted)) as events:
                async for event in events:
                    if isinstance(event, Text):
                        yield event.text
                    elif isinstance(event, Reasoning | Usage | Finish):
                        yield event
        except BerlinError as error:
            status = error.status or HTTPStatus.INTERNAL_SERVER_ERROR
            raise EngineError(clean(str(error)), status=status, reason=type(error).__name__) from None

    async def close(self) -> None:
        """Give the engine's process back: it ends if nobody else uses it."""
        await in_thread(engine.release_all)
