"""The base class of all providers."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from berlin_magic.errors import IncorrectAnswerError, PromptError, clean
from berlin_magic.messages import Event, Text

__all__ = ["EventProvider", "Provider", "events_of", "text_of"]


class Provider(ABC):
    """A kind of server that answers questions. A provider is a class: it is never instantiated.

    A provider must have one method, `create_async_generator`, which yields text. A provider that yields more than text
    has `stream` as well, which yields events (`berlin_magic.messages.Event`), and builds the other from it:
    ``return text_of(cls.stream(model, messages, proxy, **kwargs))``.

    A provider gets only the settings that one of these two methods has as a named parameter: ``url``, ``account``,
    ``password``, ``token``, ``key``, ``headers``, ``silence``, ``retries``, ``reply_limit``. If its server keeps
    conversations, it has a parameter ``parent``: the id under which the server keeps the messages so far. If its server
    can hold a reply to a JSON schema, it has a parameter ``reply_schema``: a mapping with ``name`` and ``schema``. All
    other keywords are the engine's options. If it raises a `BerlinError`, the secrets that it was given are removed
    from the message; `berlin_magic.redacted` removes further ones.

    An entry point of the group ``berlin_magic.providers`` installs it under a name.
    """

    name: ClassVar[str] = "?"
    """Its name in the status line, e.g. ``"Berlin"``."""

    url: ClassVar[str] = ""
    """The usual address of its server; empty if there is none."""

    needs: ClassVar[str] = ""
    """What the user has to set or start first, in a few words: an environment variable, a program."""

    takes_files: ClassVar[bool] = False
    """Whether its servers take a PDF file as a part of a message, as OpenAI's do."""

    @classmethod
    def refuse_files(cls, messages: Iterable[Mapping[str, Any]]) -> None:
        """Refuse messages with a file among their parts, unless its servers take files.

        Raises
        ------
        PromptError
            Before anything is sent.
        """
        contents = [message.get("content") for message in messages]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        if not cls.takes_files and any(part.get("type") == "file" for part in parts):
            raise PromptError(
                f"{cls.name} takes no files, and there is one in the prompt or in the conversation before it.\n"
                "Nothing was sent: ask `openai:` or `openrouter:`, or quote the text of the file."
            )

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
            The server's address, the credentials, and the engine's options.

        Raises
        ------
        ValueError
            At the call, if `messages` is malformed; nothing is sent.
        NotConfiguredError
            At the call, if the address or a token can't be used; nothing is sent.
        BerlinError
            From the generator, if the reply is not complete. The text before the error was yielded.
        """

    @classmethod
    def stream(
        cls, model: str, messages: Sequence[Mapping[str, Any]], proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the events of the reply: its text, reasoning, usage and the like.

        Parameters and errors are those of `create_async_generator`, which yields the text of the `Text` events alone.
        A plain `str` counts as a `Text`.
        """
        return events_of(cls.create_async_generator(model, messages, proxy, **kwargs), cls.name)

    @classmethod
    def as_sent(cls, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return `messages` as the server would receive them, to show them before they are sent."""
        return [dict(message) for message in messages]

    @classmethod
    def where(cls, *, url: str | None = None, **settings: Any) -> str:
        """Return the server's address with these settings, for messages; empty if there is none."""
        del settings
        return url or cls.url

    @classmethod
    def parameters(cls) -> frozenset[str]:
        """Return the names of the parameters of `create_async_generator` and `stream`."""
        return _parameters(*(getattr(one, "__func__", one) for one in (cls.create_async_generator, cls.stream))) - {
            "cls"
        }

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        """Return the names of the server's models; an empty list if it does not list them."""
        del proxy, kwargs
        return []

    @classmethod
    def usual_model(cls) -> str:
        """Return the model to ask if none is named; empty if the server chooses it. May read files."""
        return ""

    @classmethod
    def about(cls, model: str) -> str:
        """Return a few words about a model, such as its size. May read files."""
        del model
        return ""

    @classmethod
    def caution(cls, model: str) -> str:
        """Return a warning about a model's answers for the status line; empty if there is none. May read files."""
        del model
        return ""

    @classmethod
    async def balance(cls, proxy: str | None = None, **kwargs: Any) -> float | None:
        """Return the balance of the user's account, in the server's own unit; None if the server does not give it."""
        del proxy, kwargs
        return None


class EventProvider(Provider):
    """A provider that implements `stream`; its text is that of the events."""

    @classmethod
    @abstractmethod
    def stream(
        cls, model: str, messages: Sequence[Mapping[str, Any]], proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the events of the reply."""

    @classmethod
    def create_async_generator(
        cls, model: str, messages: Sequence[Mapping[str, Any]], proxy: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[str, None]:
        """Ask `messages` and yield only the reply's text; parameters and errors are those of `stream`.

        A wait can't be announced in text, so there are no retries unless `retries` is given.
        """
        usual = {"retries": 0} if "retries" in inspect.signature(cls.stream).parameters else {}
        try:
            return text_of(cls.stream(model, messages, proxy, **{**usual, **kwargs}))
        finally:
            del proxy, kwargs  # a verbose traceback of what is raised here would show the secrets among them


@functools.lru_cache(100)  # they are needed for every question
def _parameters(*functions: Callable[..., object]) -> frozenset[str]:
    return frozenset(name for function in functions for name in inspect.signature(function).parameters)


async def events_of(stream: AsyncGenerator[object, None], provider: str) -> AsyncGenerator[Event, None]:
    """Yield the items of a provider's `stream` as events, and close it at the end.

    Parameters
    ----------
    stream : async generator
        Of events and of `str`. Each `str` becomes a `Text`; empty ones are left out.
    provider : str
        The provider's name, for the error.

    Raises
    ------
    IncorrectAnswerError
        If it yields anything else.
    """
    async with aclosing(stream):
        async for item in stream:
            if isinstance(item, Event):
                yield item
            elif not isinstance(item, str):
                kind = clean(type(item).__name__, 40)
                raise IncorrectAnswerError(
                    f"The provider {clean(provider, 40)} yielded {kind}, which is neither text nor an event.\n"
                    "Tell its author: a provider yields `str` or the events of `berlin_magic.messages`."
                )
            elif item:
                yield Text(item)


async def text_of(stream: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    """Yield only the text of `stream`, and close it at the end."""
    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, Text):
                yield event.text
