"""The upstream: any OpenAI-compatible server as the engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import IncompleteReplyError, IncorrectAnswerError, ReplyTooLargeError, clean
from berlin_magic.messages import AnyMessage, Finish, Reasoning, Usage
from berlin_magic.providers.openai.delta import Delta
from berlin_magic.providers.openai.stream import CompletionDecoder
from berlin_magic.server.engine import EngineError, Piece
from berlin_magic.server.refusal import Refusals
from berlin_magic.server.sampling import RefusedOptions, sampling
from berlin_magic.transport.request import is_loopback

__all__ = ["Upstream", "base_url"]

_CONNECT = 10.0  # seconds
_AFTERWARDS = 2.0  # seconds for what follows the last word: usage, [DONE]
_MORE = 15.0  # the same where the reason to finish came with text: it may not have been the last
_MODELS_FRESH = 60.0  # seconds
_LARGEST_OBJECT = 32 * 2**20  # bytes
_LARGEST_ERROR = 64 * 2**10  # bytes
_VERSION = re.compile(r"/v\d+[a-z]*(/|$)")
_FAILED = 500
# OpenRouter; SGLang; DeepSeek.
_BROKEN_OFF = {"error", "abort", "insufficient_system_resource"}


def base_url(url: str) -> URL:
    """Return the address under which ``chat/completions`` lies, from `url` with or without ``/v1`` or the whole path.

    Raises
    ------
    ValueError
        Where `url` is no HTTP address, or holds a user name or password, which the message does not repeat.
    """
    text = url if "://" in url else f"http://{url}"
    if "@" in text.partition("://")[2].partition("/")[0]:  # first: no other message may quote it
        raise ValueError(
            "put the key into an environment variable and name it with --upstream-key-env, not into the URL"
        )
    try:
        given = URL(text)
    except ValueError:
        given = URL()
    if given.scheme not in {"http", "https"} or not given.host:
        quoted = "the URL" if "@" in text else repr(clean(url))
        raise ValueError(f"{quoted} is no address of a server: http://HOST:PORT is one")
    path = given.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    if not path:
        path = "/v1"
    return given.with_path(path, keep_query=True).with_fragment(None)


class Upstream:
    """Answers with what an OpenAI-compatible server says.

    Parameters
    ----------
    url : str
        Its address, see `base_url`.
    key : str
        Sent to that address as the bearer token, and to no other; none where it is empty.
    models : sequence of str
        The models to serve, the default one first; asked from the server's ``/models`` where none is given.
    silence : float
        Seconds without a byte after which a reply counts as cut.
    """

    advice = ""

    def __init__(self, url: str, *, key: str = "", models: Sequence[str] = (), silence: float = 300.0) -> None:
        self._base = base_url(url)
        self._key = Secret(key)
        self._given = tuple(models)
        self._silence = silence
        self._session: aiohttp.ClientSession | None = None
        self._listed: tuple[str, ...] = ()
        self._listed_at = -_MODELS_FRESH
        self._listing = asyncio.Lock()
        self._refused_options = RefusedOptions()
        self._refusals = Refusals([key, *self._base.query.values()])

    def __repr__(self) -> str:
        return f"<Upstream {self._base.with_query(None)}>"

    async def models(self) -> Sequence[str]:
        """Return the models that were given, else those that the server lists; empty where it does not list any.

        Raises
        ------
        EngineError
            Where the server can't be reached.
        """
        if self._given:
            return self._given
        async with self._listing:
            if time.monotonic() - self._listed_at >= _MODELS_FRESH:
                self._listed = await self._list()
                self._listed_at = time.monotonic()
        return self._listed

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        """Answer `messages`.

        Raises
        ------
        EngineError
            With the server's own status and error object where it refuses; in the middle where the reply is cut.
        """
        body = {**sampling(options), "messages": list(messages), "stream": True}
        try:
            async with self._asked(body) as answer, aclosing(self._pieces(answer)) as pieces:
                async for piece in pieces:
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._out_of_reach(error) from None
        except ReplyTooLargeError as error:
            raise EngineError(str(error)) from None
        except IncompleteReplyError:
            raise EngineError("The engine's reply was cut") from None
        except IncorrectAnswerError:
            raise EngineError("The engine gave an incorrect answer") from None

    async def close(self) -> None:
        """Close the connections to the server."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def _asked(self, body: Mapping[str, Any]) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Ask for a chat completion and give its answer, which is no refusal.

        What was refused was not answered: it is asked again where only an option was wrong that nobody has chosen.
        """
        asking = self._refused_options.asking(body)
        while True:
            async with self._request("POST", "chat/completions", json=asking.request) as answer:
                if answer.status == HTTPStatus.OK:
                    asking.accepted()
                    self._refusals.accepted()
                    yield answer
                    return
                refusal = await self._refused(answer)
            if not asking.refused(refusal):
                raise refusal

    async def _pieces(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[Piece, None]:
        yield Usage()
        finish = ""
        async with aclosing(self._deltas(answer)) as deltas:
            async for delta in deltas:
                if delta.error is not None:
                    raise self._refusals.read(delta.status or _FAILED, delta.error)
                if delta.reasoning:
                    yield Reasoning(delta.reasoning)
                if delta.text:
                    yield delta.text
                if delta.usage is not None:
                    yield delta.usage
                finish = delta.finish or finish
        if finish in _BROKEN_OFF:
            raise EngineError("The engine broke its reply off")
        if finish:
            yield Finish(clean(finish, 40))

    async def _deltas(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[Delta, None]:
        """Yield what comes, and what comes after the last word for a moment: that may be the usage."""
        decoder = CompletionDecoder(_LARGEST_OBJECT)
        parts = answer.content.iter_any()
        latest: float | None = None
        while not decoder.done:
            worded = False
            try:
                async with asyncio.timeout_at(latest):
                    data = await anext(parts, b"")
            except (aiohttp.ClientError, TimeoutError):
                if not decoder.finished:
                    raise
                return
            if not data:
                break
            for delta in decoder.feed(data):
                yield delta
                worded = worded or bool(delta.text or delta.reasoning)
            if decoder.finished and (latest is None or worded):
                latest = asyncio.get_running_loop().time() + (_AFTERWARDS if decoder.ended_apart else _MORE)
        else:
            await _read_rest(answer)
        for delta in decoder.flush():
            yield delta

    async def _refused(self, answer: aiohttp.ClientResponse) -> EngineError:
        if answer.status < HTTPStatus.BAD_REQUEST:  # a redirect: the key is not carried to anywhere else
            return EngineError(f"The engine at {self._base.host} answered with HTTP {answer.status}")
        text = await _limited(answer, _LARGEST_ERROR)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        given = value if isinstance(value, dict) and value else {"message": self._refusals.shown(text)}
        retry_after = answer.headers.get("Retry-After", "")
        return self._refusals.read(
            answer.status,
            Delta.read(value).error or given,
            retry_after if retry_after.isascii() and retry_after.isdigit() else "",
        )

    def _out_of_reach(self, error: Exception) -> EngineError:
        reason = "it was silent for too long" if isinstance(error, TimeoutError) else "the connection failed"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = os.strerror(error.errno) if error.errno else "no connection"
        return EngineError(f"request to {self._base.with_query(None)} failed, reason: {reason}")

    async def _list(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_CONNECT), self._request("GET", "models") as answer:
                if answer.status != HTTPStatus.OK:
                    return ()
                value = json.loads(await _limited(answer, _LARGEST_OBJECT))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._out_of_reach(error) from None
        except (ValueError, RecursionError):
            return ()
        rows = value.get("data") if isinstance(value, dict) else None
        names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return tuple(name for name in names if isinstance(name, str) and name)

    def _request(self, method: str, path: str, **more: Any) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # its default of 100 would keep the next reply waiting
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=self._silence),
                headers={"Accept-Encoding": "identity"},  # compressed streams arrive in lumps
            )
        url = self._base.with_path(f"{self._base.path}/{path}", keep_query=True)
        headers = {"Authorization": f"Bearer {self._key!s}"} if self._key else {}
        return self._session.request(method, url, headers=headers, allow_redirects=False, proxy=_proxy(url), **more)


def _proxy(url: URL) -> str | None:
    """Return the proxy that the environment names for `url`; never one for this machine."""
    # Not aiohttp's `trust_env`: that would send a password out of ~/.netrc to a server that was given no key.
    return None if is_loopback(url) or proxy_bypass(url.host or "") else getproxies().get(url.scheme)


async def _limited(answer: aiohttp.ClientResponse, limit: int) -> str:
    body = b""
    async for data in answer.content.iter_any():
        body += data
        if len(body) > limit:
            break
    return body[:limit].decode("utf-8", "replace")


async def _read_rest(answer: aiohttp.ClientResponse) -> None:
    """Read what follows the last word: to a server that counts, a connection closed before it is a reply given up."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_AFTERWARDS):
            async for _ in answer.content.iter_any():
                pass
