"""The engine of `berlin-server --local`: a model that runs on this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import BerlinError, clean
from berlin_magic.messages import AnyMessage, Event, Notice, Usage
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.engine_options import check_installed
from berlin_magic.providers.local.provider import Local
from berlin_magic.server.engine import EngineError
from berlin_magic.server.options import chosen

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

    advice = "only the local model is served here that berlin-server was started with"

    def __init__(self, name: str = "") -> None:
        check_installed()
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

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Answer `messages`.

        Raises
        ------
        EngineError
            If the model can't be loaded, refuses the question, or its process ended.
        """
        wanted = {name: value for name, value in chosen(options).items() if name != "model"}  # there is only one
        accepted = False
        try:
            async with aclosing(Local.stream(str(self._model.path), messages, **wanted)) as events:
                async for event in events:
                    if isinstance(event, Notice):  # the protocol has no place for it
                        continue
                    if not accepted:
                        accepted = True
                        yield Usage()
                    yield event
        except BerlinError as error:
            status = error.status or HTTPStatus.INTERNAL_SERVER_ERROR
            raise EngineError(clean(str(error)), status=status, reason=type(error).__name__) from None

    async def close(self) -> None:
        """Give the engine's process back: it ends if nobody else uses it."""
        await in_thread(engine.release_all)
