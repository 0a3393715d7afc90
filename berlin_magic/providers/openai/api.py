"""Send the requests of OpenAI's chat completions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from yarl import URL

from berlin_magic.credentials.secret import Secret, secrets_among
from berlin_magic.errors import (
    BerlinError,
    IncompleteReplyError,
    IncorrectAnswerError,
    ModelUnknownError,
    clean,
)
from berlin_magic.messages import Event, Finish, Image, Reasoning, Text, Usage
from berlin_magic.providers.openai.delta import Delta
from berlin_magic.providers.openai.errors import engine_error
from berlin_magic.providers.openai.refused_options import RefusedOptions
from berlin_magic.providers.openai.stream import CompletionDecoder, parsed_json
from berlin_magic.providers.retries import retry_after
from berlin_magic.transport import request
from berlin_magic.transport.errors import page_words
from berlin_magic.transport.proxies import proxy_secrets
from berlin_magic.transport.response import object_limit

__all__ = ["Endpoint", "chat", "endpoint_url", "models", "only_model"]

_AFTER_FINISH = 2.0  # seconds to wait for the events after the last text: the usage, [DONE]
_AFTER_FINISH_WITH_TEXT = 60.0  # the same, if the finish reason came with text, after which more may follow
_FAILED = {"error", "abort", "insufficient_system_resource"}  # OpenRouter; SGLang; DeepSeek


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, with the key and headers for it."""

    url: URL
    key: Secret
    key_advice: str
    """Advice for the user if the key is missing or not accepted."""
    headers: Mapping[str, str]
    proxy: str | None = field(repr=False)  # its address may hold a password
    silence: float | None
    reply_limit: int | None
    query: Secret
    """The query of the address, such as ``api-version=1``."""

    @property
    def where(self) -> str:
        """The address, for messages."""
        return str(self.url)

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that no message may show."""
        queried = [Secret(value) for _, value in parse_qsl(self.query)]
        return [self.key, *secrets_among([self.headers]), *queried, *proxy_secrets(self.url, self.proxy)]


def endpoint_url(text: str, setting: str) -> URL:
    """Return the base address of ``chat/completions``, from `text` with or without ``/v1`` or that path.

    Raises
    ------
    NotConfiguredError
        If `text` is not an address; the message names the `setting`.
    """
    url = request.address(text, setting)
    path = url.path.removesuffix("/chat/completions").rstrip("/")
    return url.with_path(path or "/v1")


@asynccontextmanager
async def chat(
    endpoint: Endpoint, body: Mapping[str, Any], options: RefusedOptions
) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """Send the question in `body`; once the server has accepted it, give the events of the reply.

    The events are text and reasoning as they arrive, then the usage, then the finish reason. If the server refuses an
    option that the user has not chosen, the question is sent again without it.

    Raises
    ------
    ServerError
        The subclass for the server's error; from the events, if it comes in the middle of a reply.
    ServerUnreachableError
        As `request.requested`.
    IncorrectAnswerError, ReplyTooLargeError
        From the events, as `stream.CompletionDecoder` and `request.received`.
    IncompleteReplyError, SilentTooLongError
        From the events, if the reply ends without a finish reason.
    """
    model = str(body["model"])
    chat_request = options.request(body)
    while True:
        async with _request(endpoint, "POST", "chat/completions", chat_request.body) as response:
            if response.status == HTTPStatus.OK:
                chat_request.accepted()
                async with aclosing(_events(endpoint, response, model)) as events:
                    yield events
                return
            error = await _error_in(endpoint, response)
            if not chat_request.refused(response.status, error):
                raise _refusal(endpoint, response, error, model)


async def _events(endpoint: Endpoint, response: aiohttp.ClientResponse, model: str) -> AsyncGenerator[Event, None]:
    usage: Usage | None = None
    finish = ""
    async with aclosing(_deltas(endpoint, response)) as deltas:
        async for delta in deltas:
            if delta.error is not None:
                raise engine_error(
                    endpoint.where, delta.error, delta.status, model=model, key_advice=endpoint.key_advice
                )
            if delta.reasoning or delta.signature:
                yield Reasoning(delta.reasoning, delta.signature)
            if delta.text:
                yield Text(delta.text)
            for url in delta.images:
                yield Image(url)
            usage, finish = delta.usage or usage, delta.finish or finish
    if usage:
        yield usage
    if finish in _FAILED:
        raise IncompleteReplyError(
            f"The engine at {endpoint.where} broke the reply off: “{clean(finish, 40)}”.\n"
            "Run the cell again for a whole one."
        )
    if finish:
        yield Finish(finish)


async def models(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the server lists."""
    async with _request(endpoint, "GET", "models") as response:
        if response.status != HTTPStatus.OK:
            raise _refusal(endpoint, response, await _error_in(endpoint, response), "")
        text = await request.whole_body(response, silence=endpoint.silence)
    listed = parsed_json(text)
    rows = listed
    if isinstance(listed, Mapping) and (key := next((name for name in ("data", "models") if name in listed), "")):
        rows = listed[key] or []  # null: an Ollama without models
    if not isinstance(rows, list):
        raise IncorrectAnswerError(
            f"{endpoint.where}/models gave an incorrect answer: {clean(text)}\n"
            "That is not a list of models: check the address; it usually ends in /v1.",
            status=HTTPStatus.OK,
        )
    names = [row.get("id") or row.get("name") for row in rows if isinstance(row, Mapping)]
    return [name for name in names if isinstance(name, str) and name]


async def only_model(endpoint: Endpoint) -> str:
    """Return the server's only model, as the user has named none.

    Raises
    ------
    ModelUnknownError
        If it has none or several; the message lists them.
    """
    names = await models(endpoint)
    if len(names) == 1:
        return names[0]
    some = ", ".join(clean(name, 60) for name in names[:5]) + (", …" if len(names) > 5 else "")  # noqa: PLR2004 - a line
    raise ModelUnknownError(
        f"No model was named, and {endpoint.where} has {len(names) or 'none'}{f': {some}' if names else ''}.\n"
        "Name one: `%berlin use MODEL` or BERLIN_MODEL."
    )


def _request(
    endpoint: Endpoint, method: str, path: str, body: Mapping[str, Any] | None = None
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    headers: dict[str, str] = {"Accept": "text/event-stream, application/json", "User-Agent": "berlin_magic"}
    if endpoint.key:
        headers["Authorization"] = Secret(f"Bearer {endpoint.key!s}")
    return request.requested(
        method,
        (endpoint.url / path).with_query(str(endpoint.query) or None),
        headers={**headers, **endpoint.headers},
        proxy=endpoint.proxy,
        silence=endpoint.silence,
        json=body,
    )


async def _deltas(endpoint: Endpoint, response: aiohttp.ClientResponse) -> AsyncGenerator[Delta, None]:
    decoder = CompletionDecoder(object_limit(endpoint.reply_limit))
    cut: IncompleteReplyError | None = None
    begun = False  # some servers give a finish reason with every chunk, before the first word too
    deadline: float | None = None  # set once the reply is complete
    try:
        received = request.received(response, silence=endpoint.silence, limit=endpoint.reply_limit)
        async with aclosing(received) as reads:
            while not decoder.done:
                has_text = False
                if deadline is None:  # an unused timeout costs as much time as the rest of this loop
                    data = await anext(reads, b"")
                else:
                    async with asyncio.timeout_at(deadline):
                        data = await anext(reads, b"")
                if not data:
                    break
                for delta in decoder.feed(data):
                    yield delta
                    has_text = has_text or bool(delta.text or delta.reasoning or delta.images)
                begun = begun or has_text
                if decoder.finished and (has_text or (begun and deadline is None)):
                    deadline = asyncio.get_running_loop().time() + (
                        _AFTER_FINISH if decoder.finished_without_text else _AFTER_FINISH_WITH_TEXT
                    )
    except TimeoutError:
        return  # the reply is complete, but the server does not end its stream
    except IncompleteReplyError as error:
        cut = error
    try:
        for delta in decoder.flush():
            yield delta
    except IncompleteReplyError as error:
        raise cut or error from None


async def _error_in(endpoint: Endpoint, response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return the error object of a response with an error status."""
    text = await request.whole_body(response, silence=endpoint.silence)
    if response.status < HTTPStatus.BAD_REQUEST:
        raise IncorrectAnswerError(
            f"{endpoint.where} gave an incorrect answer, HTTP {response.status}: {clean(text) or 'an empty body'}\n"
            "Check the address; it usually ends in /v1.",
            status=response.status,
        )
    value = parsed_json(text)
    return Delta.read(value).error or {"message": _message(value) or page_words(text) or "an empty body"}


def _refusal(endpoint: Endpoint, response: aiohttp.ClientResponse, error: Mapping[str, Any], model: str) -> BerlinError:
    return engine_error(
        endpoint.where,
        error,
        response.status,
        model=model,
        key_advice=endpoint.key_advice,
        retry_after=retry_after(response.headers),
    )


def _message(value: object) -> str:
    message = value.get("message") if isinstance(value, Mapping) else None
    return message if isinstance(message, str) else ""
