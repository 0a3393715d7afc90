"""The provider for models that run on this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, ClassVar

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import BerlinError, IncompleteReplyError, PromptError, ServerUnreachableError, clean
from berlin_magic.messages import Event, Notice, has_images, with_parts
from berlin_magic.providers.base import EventProvider
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.engine_options import Options, check_installed
from berlin_magic.providers.local.lease import Lease
from berlin_magic.providers.local.models import SMALL, ModelFile
from berlin_magic.providers.openai.provider import DEFAULT_SILENCE, OpenAICompatible
from berlin_magic.transport.request import REPLY_LIMIT

__all__ = ["Local"]

_QUIET = 0.2  # seconds before the user is told that the model is loaded; an engine that runs is found sooner
_END_DELAY = 0.5  # seconds in which the lease ends after a reply's connection, if the engine has ended
_RESTARTS = 2


class _Engine(OpenAICompatible):
    """Asks llama.cpp's server in an engine's process, whose address and key come with each question."""

    name = "local"
    url = issuer = "http://127.0.0.1"
    address_variable = key_variable = ""
    needs_key = False


class Local(EventProvider):
    """Asks a model in a file on this machine. An engine is started for it, shared by all notebooks of the user.

    The engine is a process of its own: a model that fails or takes too much memory does not take the kernel along. It
    ends when its last user has ended, or after ten minutes without a question.
    """

    name = "local"
    needs: ClassVar[str] = f'`pip install "berlin-magic[local]"`, and a model: `%berlin local get` ({SMALL.name})'

    @classmethod
    def stream(
        cls,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        proxy: str | None = None,
        *,
        silence: float | None = DEFAULT_SILENCE,
        reply_limit: int | None = REPLY_LIMIT,
        local_threads: int | None = None,
        local_context: int | None = None,
        local_gpu_layers: int | None = None,
        local_idle: float | None = None,
        reply_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the reply's text, at the end its usage and finish reason.

        Parameters
        ----------
        model : str
            The name of a file in ``BERLIN_MODELS`` or the user's folder, or the path of a ``.gguf`` file; empty for the
            model that `%berlin local get` fetches.
        messages : sequence of mapping
            ``{"role", "content"}``, oldest first; a content may be a list of parts, images among them if the model
            reads images.
        proxy
            Not used.
        silence, reply_limit
            As for `OpenAICompatible`.
        local_threads, local_context, local_gpu_layers, local_idle
            How the engine is started, if it does not run yet: see `engine_options.Options`.
        reply_schema : mapping, optional
            The ``schema`` that the reply has to fit, and its ``name``: the engine can write nothing else.
        **kwargs
            The engine's options (``temperature``, ``max_tokens``, …).

        Raises
        ------
        ValueError
            At the call, for a malformed list of messages.
        NotConfiguredError
            If there is no model, or the package that runs it is not installed.
        ModelUnknownError
            If there is no such model, or the file is not one.
        PromptError
            If there is an image among the messages, and the model can't read images.
        ServerUnreachableError
            If the engine can't load it.
        IncompleteReplyError
            If the engine ended in the middle of the reply. The pieces before it were yielded.
        """
        del proxy
        with_parts(messages)
        options = Options(local_threads, local_context, local_gpu_layers, local_idle)
        limits = {"silence": silence, "reply_limit": reply_limit, "reply_schema": reply_schema}
        return _stream(model, messages, options, {**limits, **kwargs})

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        """Return the names of the models on this machine, the default one first.

        Raises
        ------
        NotConfiguredError
            If there is none, or the package that runs them is not installed.
        """
        del proxy, kwargs
        await in_thread(check_installed)
        found = await in_thread(models.found)
        return [model.name for model in found or [await in_thread(lambda: models.find(""))]]

    @classmethod
    def usual_model(cls) -> str:
        """Return the name of the default model; empty if there is none."""
        model = models.default()
        return model.name if model is not None else ""

    @classmethod
    def about(cls, model: str) -> str:
        """Return the size of a model and how much it can read."""
        with suppress(BerlinError):
            return models.find(model).about
        return ""

    @classmethod
    def caution(cls, model: str) -> str:
        """Return a warning if it is a very small model, which makes mistakes."""
        with suppress(BerlinError):
            return models.find(model).caution
        return ""


async def _stream(
    name: str, messages: Sequence[Mapping[str, Any]], options: Options, settings: Mapping[str, Any]
) -> AsyncGenerator[Event, None]:
    model = await in_thread(lambda: models.find(name))
    if model.projector is None and has_images(messages):
        raise PromptError(
            f"The model {clean(model.name, 60)} reads text only, and there is an image in the prompt or in the "
            "conversation before it.\nAsk a model that reads images (`%berlin models`), or describe it: "
            "{{ fig | repr }}."
        )
    begun = False
    restarts = 0
    while True:
        async with aclosing(_acquire(model, options)) as steps:
            async for step in steps:
                if isinstance(step, Lease):
                    lease = step
                else:
                    yield step
        try:
            with lease.in_use():
                stream = _Engine.stream(model.name, messages, url=lease.url, key=str(lease.key), retries=0, **settings)
                async with aclosing(stream) as events:
                    async for event in events:
                        begun = True
                        yield event
            return
        except BerlinError as error:
            # An idle engine ends, and llama.cpp closes idle connections: the engine has not read the question then.
            if not begun and restarts < _RESTARTS and isinstance(error, ServerUnreachableError):
                restarts += 1
                continue
            if not await in_thread(partial(lease.ends_within, _END_DELAY)):
                raise _with_model_name(error, lease, model) from None
            kind = IncompleteReplyError if begun else ServerUnreachableError
            how = await in_thread(lease.exit_text)
            raise kind(
                f"The engine of {clean(model.name, 60)} ended in the middle of the reply{how and f': {how}'}.\n"
                "The next question starts it anew."
            ) from None


async def _acquire(model: ModelFile, options: Options) -> AsyncGenerator[Notice | Lease, None]:
    """Yield the lease of the engine; if that takes a while, first a notice that the model is loaded."""
    if (lease := await in_thread(lambda: engine.running_lease(model))) is not None:
        yield lease
        return
    cancelled = threading.Event()
    acquiring = asyncio.ensure_future(in_thread(lambda: engine.acquire(model, options, cancelled)))
    try:
        await asyncio.wait([acquiring], timeout=_QUIET)
        if not acquiring.done():
            yield Notice(f"loading {clean(model.name, 60)}, {model.size / 1e6:,.0f} MB")
        yield await acquiring
    finally:
        if not acquiring.done():
            cancelled.set()
            acquiring.cancel()


def _with_model_name(error: BerlinError, lease: Lease, model: ModelFile) -> BerlinError:
    """Return `error` with the model's name in place of the engine's address, which users do not know."""
    name = clean(model.name, 60)
    for address in (lease.url, lease.url.removesuffix("/v1")):
        error.args = tuple(arg.replace(address, name) if isinstance(arg, str) else arg for arg in error.args)
    return error
