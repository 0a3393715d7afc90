"""What a provider is: one class with one async generator that asks a server and yields its answer."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from berlin_magic.errors import IncorrectAnswerError, clean
from berlin_magic.messages import Event, Text

__all__ = ["Provider", "events_of", "text_of"]


class Provider(ABC):
    """A kind of server that can be asked. Nothing is ever instantiated: a provider is its class.

    One method has to be written, `create_async_generator`, which yields text. A provider that has more than text to
    yield writes `stream` as well, which yields events (`berlin_magic.messages.Event`), and makes the other out of it:
    ``return text_of(cls.stream(model, messages, proxy, **kwargs))``.

    What it takes by name, it is given: of the settings ``url``, ``account``, ``password``, ``token``, ``key``,
    ``headers``, ``silence``, ``retries`` and ``reply_limit`` those that one of these two methods names as a parameter.
    A provider whose server keeps conversations names ``parent``, the id under which the server has what was said
    before. All other keywords are the engine's options. What it raises as a `BerlinError` is shown without the secrets
    that it was given; `berlin_magic.redacted` takes out further ones.

    It is installed under a name by an entry point of the group ``berlin_magic.providers``.
    """

    name: ClassVar[str] = "?"
    """How it is called in the status line, e.g. ``"Berlin"``."""

    url: ClassVar[str] = ""
    """The usual address of its server, where it has one."""

    needs: ClassVar[str] = ""
    """What has to be there for it to answer, in a few words: a variable of the environment, a program that runs."""

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
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the reply as events: its text, and what else there is to know of it.

        Parameters and errors are those of `create_async_generator`, which yields the text of the `Text` events alone.
        A plain `str` that is yielded here counts as a `Text`.
        """
        return events_of(cls.create_async_generator(model, messages, proxy, **kwargs), cls.name)

    @classmethod
    def as_sent(cls, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return `messages` in the form in which the server gets them, for whoever wants to see that before."""
        return [dict(message) for message in messages]

    @classmethod
    def where(cls, *, url: str | None = None, **settings: Any) -> str:
        """Return the address that would be asked with these settings, for messages; empty where there is none."""
        del settings
        return url or cls.url

    @classmethod
    def parameters(cls) -> frozenset[str]:
        """Return what `create_async_generator` and `stream` take by name."""
        methods = (cls.create_async_generator, cls.stream)
        return frozenset(name for method in methods for name in inspect.signature(method).parameters)

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        """Return the names of the models that the server offers; an empty list where it can't tell."""
        del proxy, kwargs
        return []

    @classmethod
    def usual_model(cls) -> str:
        """Return the model that is asked if none is named; empty if only the server knows. It may read files."""
        return ""

    @classmethod
    def about(cls, model: str) -> str:
        """Return what is known of a model before it is asked, in a few words: its size. It may read files."""
        del model
        return ""

    @classmethod
    def caution(cls, model: str) -> str:
        """Return what users must know of a model's answers; the status line says it. It may read files."""
        del model
        return ""

    @classmethod
    async def balance(cls, proxy: str | None = None, **kwargs: Any) -> float | None:
        """Return what is left on the user's account, in the server's own unit; None where it can't tell."""
        del proxy, kwargs
        return None


async def events_of(stream: AsyncGenerator[object, None], provider: str) -> AsyncGenerator[Event, None]:
    """Yield what a provider yields as events, and close `stream` at the end.

    Parameters
    ----------
    stream : async generator
        Of events, and of `str`, each of which becomes a `Text`; empty ones are left out.
    provider : str
        The provider's name, for the error.

    Raises
    ------
    IncorrectAnswerError
        For anything else that is yielded.
    """
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, Event):
                yield item
            elif not isinstance(item, str):
                raise IncorrectAnswerError(
                    f"The provider {clean(provider, 40)} yielded {clean(type(item).__name__, 40)}, which is no text.\n"
                    "Tell whoever wrote it: a provider yields `str` or the events of `berlin_magic.messages`."
                )
            elif item:
                yield Text(item)


async def text_of(stream: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    """Yield the text of `stream` alone, and close it at the end."""
    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, Text):
                yield event.text
