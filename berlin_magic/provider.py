"""What a provider is: one class with one async generator that asks a server and yields its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from berlin_magic.events import Event

__all__ = ["Provider", "text_of"]


class Provider(ABC):
    """A kind of server that can be asked. Nothing is ever instantiated: a provider is its class.

    One method has to be written, `create_async_generator`. A provider that has more to tell than text writes `stream`
    as well, and makes the other out of it: ``return text_of(cls.stream(model, messages, proxy, **kwargs))``.
    """

    name: ClassVar[str]
    """How it is called in the status line, e.g. ``"Berlin"``."""

    @classmethod
    @abstractmethod
    def create_async_generator(
        cls, model: str, messages: Sequence[Mapping[str, Any]], proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str, None]:
        """Ask `messages` and yield the reply's text, piece by piece, as it arrives.

        Parameters
        ----------
        model : str
            The model to ask; empty for the provider's own default.
        messages : sequence of mapping
            ``{"role", "content"}``, oldest first, the question last.
        proxy : str, optional
            The address of an HTTP proxy for every request.
        **kwargs
            Where to ask, with what credentials, and the engine's options.

        Raises
        ------
        ValueError
            At the call, where `messages` is malformed; nothing is sent.
        NotConfiguredError
            At the call, where the address or a token can't be used; nothing is sent.
        BerlinError
            From the generator: whatever kept the reply from being whole. The pieces before it were yielded.
        """

    @classmethod
    def stream(
        cls, model: str, messages: Sequence[Mapping[str, Any]], proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str | Event, None]:
        """Ask `messages` and yield the reply's text, and with it what else there is to know of it.

        Parameters and errors are those of `create_async_generator`, whose pieces are exactly the `str` of this one.
        """
        return cls.create_async_generator(model, messages, proxy, **kwargs)

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        """Return the names of the models that the server offers; an empty list where it can't tell."""
        del proxy, kwargs
        return []

    @classmethod
    async def balance(cls, proxy: str | None = None, **kwargs: Any) -> float | None:
        """Return what is left on the user's account, in the server's own unit; None where it can't tell."""
        del proxy, kwargs
        return None


async def text_of(stream: AsyncGenerator[str | Event, None]) -> AsyncGenerator[str, None]:
    """Yield the text of `stream` alone, and close it at the end."""
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, str):
                yield item
