"""The upstream: any OpenAI-compatible server as the engine."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from yarl import URL

from berlin_magic.credentials.redaction import redacted
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import (
    BerlinError,
    IncompleteReplyError,
    NoBalanceError,
    NotAllowedError,
    NotConfiguredError,
    ReplyTooLargeError,
    ServerError,
    ServerUnreachableError,
    SilentTooLongError,
)
from berlin_magic.messages import AnyMessage, Event, Usage
from berlin_magic.providers.openai import api
from berlin_magic.providers.openai.api import Endpoint, endpoint_url
from berlin_magic.providers.openai.refused_options import RefusedOptions
from berlin_magic.server.engine import EngineError
from berlin_magic.server.options import UNASKED, chosen

__all__ = ["Upstream"]

_log = logging.getLogger(__name__)

_LISTING = 10.0  # seconds
_MODELS_FRESH = 60.0  # seconds
_LARGEST_REPLY = 2**30  # bytes: each piece comes in an object of some hundred; the server itself counts characters
_IDENTIFIER = re.compile(r"[A-Za-z][\w.-]{0,59}")
_KEY_REFUSED = (
    "The engine does not accept this server's key or its account is used up{status}: whoever runs the server must "
    "look at it"
)
_MESSAGES: Mapping[type[BerlinError], str] = {
    IncompleteReplyError: "The engine broke its reply off, or the connection to it",
    ReplyTooLargeError: "The engine's reply is too large",
}


class Upstream:
    """Asks an OpenAI-compatible server.

    Parameters
    ----------
    url : str
        Its address, with or without ``http://``, ``/v1`` or the whole path.
    key : str
        Sent to that address as the bearer token, and to no other; none if it is empty.
    models : sequence of str
        The models to serve, the default one first; asked from the server's ``/models`` if none is given.
    silence : float
        Seconds without a byte after which a reply counts as cut.

    Raises
    ------
    NotConfiguredError
        If `url` is not an HTTP address, or holds a user name or password, which the message does not repeat.
    """

    advice = ""

    def __init__(self, url: str, *, key: str = "", models: Sequence[str] = (), silence: float = 300.0) -> None:
        text = url if "://" in url else f"http://{url}"
        if "@" in text:  # first: no other message may quote it
            raise NotConfiguredError(
                "put the key into an environment variable and name it with --upstream-key-env, not into the URL"
            )
        self._endpoint = Endpoint(
            url=endpoint_url(text, "--upstream"),
            key=Secret(key.strip()),
            key_advice="",
            headers={"Accept-Encoding": "identity"},  # compressed streams arrive in lumps
            proxy=None,
            silence=silence,
            reply_limit=_LARGEST_REPLY,
            query=Secret(URL(text.strip()).query_string),
        )
        self._given = tuple(models)
        self._listed: tuple[str, ...] = ()
        self._listed_at = -_MODELS_FRESH
        self._listing = asyncio.Lock()
        self._refused_options = RefusedOptions(UNASKED)
        self._key_error_is_logged = False

    def __repr__(self) -> str:
        return f"<Upstream {self._endpoint.where}>"

    async def models(self) -> Sequence[str]:
        """Return the models that were given, else those that the server lists; empty if it does not list any.

        Raises
        ------
        EngineError
            If the server can't be reached.
        """
        if self._given:
            return self._given
        async with self._listing:
            if time.monotonic() - self._listed_at >= _MODELS_FRESH:
                self._listed = await self._list()
                self._listed_at = time.monotonic()
        return self._listed

    async def stream(self, messages: Sequence[AnyMessage], options: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Answer `messages`.

        Raises
        ------
        EngineError
            With the server's own status and error if it refuses; in the middle if the reply is cut.
        """
        body = {**chosen(options), "messages": list(messages), "stream": True}
        body["stream_options"] = UNASKED["stream_options"]
        try:
            async with api.chat(self._endpoint, body, self._refused_options) as events:
                self._key_error_is_logged = False  # it works: the next error with it is logged again
                yield Usage()
                async for event in events:
                    yield event
        except BerlinError as error:
            raise self._failure(error) from None

    async def close(self) -> None:
        """Do nothing: the connections are the event loop's, and closed with it."""

    async def _list(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_LISTING):
                return tuple(await api.models(self._endpoint))
        except TimeoutError:
            raise EngineError(f"request to {self._endpoint.where} failed, reason: it was silent for too long") from None
        except ServerUnreachableError as error:
            raise self._failure(error) from None
        except BerlinError:
            return ()

    def _failure(self, error: BerlinError) -> EngineError:
        """Return what a client is answered for `error`; engines quote the key that they refuse."""
        error = redacted(error, self._endpoint.secrets)
        # A client would take 401 and 402 for its own login and balance, and log in again without success.
        is_about_key = isinstance(error, NotAllowedError | NoBalanceError) and error.status != HTTPStatus.FORBIDDEN
        if is_about_key or error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return self._key_refused(error.status)
        if isinstance(error, ServerError):
            # With no words it is a redirect: the key is not carried to anywhere else.
            host = self._endpoint.url.host
            return _refusal(error) if error.body else EngineError(f"The engine at {host} answered HTTP {error.status}")
        if isinstance(error, ServerUnreachableError | SilentTooLongError):
            passing = isinstance(error, ServerUnreachableError) and error.passing
            reason = f"{'the connection failed: ' if passing else ''}{str(error).splitlines()[0]}"
            return EngineError(f"request to {self._endpoint.where} failed, reason: {reason}")
        return EngineError(_MESSAGES.get(type(error), "The engine gave an incorrect answer"))

    def _key_refused(self, status: int | None) -> EngineError:
        shown = f" (HTTP {status})" if status else ""
        if not self._key_error_is_logged:
            self._key_error_is_logged = True
            _log.error(
                "The engine does not accept the key, or its account is used up%s: no question is answered. "
                "Look at the variable that --upstream-key-env names, and at the account with the engine.",
                shown,
            )
        return EngineError(
            _KEY_REFUSED.format(status=shown),
            code=-1,
            reason=f"the engine does not accept this server's key{shown}",
        )


def _refusal(error: ServerError) -> EngineError:
    engine_error = {"message": error.body or "", **({} if error.code is None else {"code": error.code})}
    # Not its words: they may be what the user has said.
    is_code = isinstance(error.code, str) and _IDENTIFIER.fullmatch(error.code)
    return EngineError(
        "",
        status=error.status or HTTPStatus.INTERNAL_SERVER_ERROR,
        code=-1,
        data={"error": engine_error},
        retry_after="" if error.retry_after is None else str(math.ceil(error.retry_after)),
        reason=str(error.code) if is_code else f"HTTP {error.status or int(HTTPStatus.INTERNAL_SERVER_ERROR)}",
    )
