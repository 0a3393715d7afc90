"""The provider for servers that speak the Berlin protocol."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from yarl import URL

from berlin_magic import transport
from berlin_magic.decoder import Decoder, Refusal
from berlin_magic.envelope import data_of, envelope_error, parse_envelope
from berlin_magic.errors import (
    BerlinError,
    IncompleteReplyError,
    IncorrectAnswerError,
    LoginRefusedError,
    NotAllowedError,
    NotConfiguredError,
)
from berlin_magic.messages import flatten
from berlin_magic.provider import Provider
from berlin_magic.secret import Secret

__all__ = ["DEFAULT_MODEL", "DEFAULT_SILENCE", "DEFAULT_URL", "Berlin"]

DEFAULT_URL = "https://ai.berlin4h.top"
"""Where the protocol comes from; the host is gone."""

DEFAULT_MODEL = "gpt-3.5-turbo"
"""The model of the protocol's original client."""

DEFAULT_SILENCE = 120.0
"""Seconds without a byte after which a reply counts as cut. Engines that read a long prompt are silent for long."""

_DEFAULT_OPTIONS: Mapping[str, Any] = {
    "temperature": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_tokens": 1888,
}


@dataclass(frozen=True, slots=True)
class _Access:
    """A server, and what is known to get in there."""

    url: URL
    account: str
    password: Secret
    token: Secret
    """Given for this one question."""
    standing_token: Secret
    """From the environment; a later login's goes before it."""
    proxy: str | None
    silence: float | None

    @property
    def key(self) -> tuple[str, str]:
        return transport.origin_of(self.url), self.account

    @property
    def where(self) -> str:
        return str(self.url)


class Berlin(Provider):
    """Asks a Berlin server: login, token, a stream of JSON chunks.

    Each setting is taken from the first of: the keyword of `create_async_generator`, `Berlin.url` where it was set,
    the environment (``BERLIN_URL``, ``BERLIN_ACCOUNT``, ``BERLIN_PASSWORD``, ``BERLIN_TOKEN``). What the environment
    holds is for the server of ``BERLIN_URL``, where that is set, and goes to no other.

    Attributes
    ----------
    url : str
        The default server.
    working : bool
        Whether that default server answers: it is gone.
    supports_gpt_35_turbo : bool
        Whether the protocol's default model is served.
    """

    name = "Berlin"
    url: ClassVar[str] = DEFAULT_URL
    working: ClassVar[bool] = False
    supports_gpt_35_turbo: ClassVar[bool] = True
    _token: ClassVar[str | None] = None
    # A token goes to the server that issued it and to no other: one for each origin and account. `_token` is the
    # latest of them; None means that none is kept.
    _tokens: ClassVar[Mapping[tuple[str, str], str]] = {}
    # One login at a time: each new one ends the token of the one before. A lock belongs to one loop.
    _locks: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()

    @classmethod
    def create_async_generator(
        cls,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        proxy: str | None = None,
        *,
        url: str | None = None,
        account: str | None = None,
        password: str | None = None,
        token: str | None = None,
        silence: float | None = DEFAULT_SILENCE,
        **kwargs: Any,
    ) -> AsyncGenerator[str, None]:
        """Ask `messages` and yield the reply's text, piece by piece, as it arrives.

        Closing the generator, or cancelling the task that reads it, closes the connection at once.

        Parameters
        ----------
        model : str
            The model to ask; empty for ``gpt-3.5-turbo``.
        messages : sequence of mapping
            ``{"role", "content"}``, oldest first. Several become one prompt with the roles labelled, as the protocol
            has room for one; a single user message goes as it is.
        proxy : str, optional
            An HTTP proxy for every request; else the environment's ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``.
        url, account, password, token : str, optional
            Where to ask, and how to get in.
        silence : float, optional
            Seconds without a byte after which the reply counts as cut; None for no limit.
        **kwargs
            The engine's options (``temperature``, ``max_tokens``, …); one that is None is left at its default.

        Returns
        -------
        async generator of str
            Pieces of the reply, never empty.

        Raises
        ------
        ValueError
            At the call, for a malformed list of messages; nothing is sent.
        NotConfiguredError
            Where there is no way in; nothing is sent.
        LoginRefusedError, NotAllowedError, NoBalanceError, ModelUnknownError, RateLimitError, ServerError
            As the server says (protocol page, "Every answer that is not a stream").
        ServerUnreachableError
            Where there is no connection.
        IncorrectAnswerError
            Where the answer is not the protocol; it names the offending text.
        IncompleteReplyError, SilentTooLongError
            Where the reply ends before the server says so, or the server falls silent.
        """
        chosen = model or DEFAULT_MODEL
        options = {"model": chosen, **_DEFAULT_OPTIONS}
        options.update({name: value for name, value in kwargs.items() if value is not None})
        # The whole conversation is in the prompt, so the id is fresh: under a used one the server would prepend
        # what it has stored there, and the context would arrive twice (protocol page, "Chat").
        body = {"prompt": flatten(messages), "parentMessageId": uuid.uuid4().hex, "options": options}
        access = cls._access(url, account, password, token, proxy, silence)
        return cls._ask(access, body, chosen)

    @classmethod
    async def models(
        cls,
        proxy: str | None = None,
        *,
        url: str | None = None,
        silence: float | None = DEFAULT_SILENCE,
        **kwargs: Any,
    ) -> list[str]:
        """Return the models that the server lists in ``/api/config``, which needs no token.

        Raises
        ------
        BerlinError
            As `create_async_generator`.
        """
        del kwargs
        access = cls._access(url, None, None, None, proxy, silence)
        config = await cls._fetch(access, "GET", "/api/config", headers=_headers(access))
        listed = config.get("chat_models") if isinstance(config, Mapping) else None
        if not isinstance(listed, list):
            raise IncorrectAnswerError(f"{access.where}/api/config gave an incorrect answer: it lists no models.")
        values = [entry.get("value") for entry in listed if isinstance(entry, Mapping)]
        return [value for value in values if isinstance(value, str)]

    @classmethod
    def configured(cls) -> bool:
        """Say whether the user has named a server or an account, in `Berlin.url` or the environment."""
        return cls.url != DEFAULT_URL or any(
            os.environ.get(name) for name in ("BERLIN_URL", "BERLIN_ACCOUNT", "BERLIN_TOKEN")
        )

    @classmethod
    def _access(
        cls,
        url: str | None,
        account: str | None,
        password: str | None,
        token: str | None,
        proxy: str | None,
        silence: float | None,
    ) -> _Access:
        named = os.environ.get("BERLIN_URL", "")
        server = transport.address(url or (cls.url if cls.url != DEFAULT_URL else "") or named or cls.url)
        if named and transport.origin_of(transport.address(named)) != transport.origin_of(server):
            environment: Mapping[str, str] = {}
        else:
            environment = os.environ
        return _Access(
            url=server,
            account=account or environment.get("BERLIN_ACCOUNT", ""),
            password=Secret(password or environment.get("BERLIN_PASSWORD", "")),
            token=Secret(token or ""),
            standing_token=Secret("" if account else environment.get("BERLIN_TOKEN", "")),
            proxy=proxy,
            silence=silence,
        )

    @classmethod
    async def _ask(cls, access: _Access, body: Mapping[str, Any], model: str) -> AsyncGenerator[str, None]:
        begun = False
        with _redacting(access):
            token = access.token or cls._known(access) or access.standing_token or await cls._login(access, "")
            try:
                async with aclosing(cls._stream(access, token, body, model)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except NotAllowedError:
                # A reply that has begun is never asked for a second time.
                if begun or not (access.account and access.password):
                    raise
            token = await cls._login(access, token)
            async with aclosing(cls._stream(access, token, body, model)) as pieces:
                async for piece in pieces:
                    yield piece

    @classmethod
    async def _stream(
        cls, access: _Access, token: str, body: Mapping[str, Any], model: str
    ) -> AsyncGenerator[str, None]:
        decoder = Decoder()
        request = transport.requested(
            "POST",
            access.url / "api/chat/completions",
            headers={**_headers(access), "token": token},
            proxy=access.proxy,
            silence=access.silence,
            json=body,
        )
        async with request as response:
            if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                text = await transport.whole_body(response, silence=access.silence)
                envelope = parse_envelope(text, status=response.status, where=access.where)
                raise envelope_error(envelope, status=response.status, where=access.where, model=model)
            try:
                async with aclosing(transport.received(response, silence=access.silence)) as reads:
                    async for data in reads:
                        for item in decoder.feed(data):
                            if isinstance(item, Refusal):
                                raise envelope_error(
                                    item.envelope, status=response.status, where=access.where, model=model
                                )
                            if item.content:
                                yield item.content
                            if item.last:
                                return
            except IncompleteReplyError:
                _tell_garbage(decoder)
                raise
            decoder.flush()
            raise IncompleteReplyError(f"{access.where} ended the reply without saying that it is complete.")

    @classmethod
    def _known(cls, access: _Access) -> str | None:
        """Return the token of an earlier login there; one set by hand is bound to the server that it first goes to."""
        if cls._token is None:
            cls._tokens = {}
        elif cls._token not in cls._tokens.values():
            cls._tokens = {access.key: Secret(cls._token)}
        return cls._tokens.get(access.key)

    @classmethod
    async def _login(cls, access: _Access, refused: str) -> str:
        """Return a token other than `refused`: another task's, where it has logged in meanwhile, else a new one."""
        lock = cls._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            known = cls._known(access)
            if known and known != refused:
                return known
            token = await cls._new_token(access)
            cls._tokens = {**cls._tokens, access.key: token}
            cls._token = token
            return token

    @classmethod
    async def _new_token(cls, access: _Access) -> Secret:
        if not access.account or not access.password:
            raise NotConfiguredError(
                f"No account is known for {access.where}.\n"
                "Set BERLIN_ACCOUNT and BERLIN_PASSWORD (or BERLIN_TOKEN) in the environment, and BERLIN_URL to your "
                "server.\nNo account anywhere? `berlin-server` needs none from outside: run it, and set BERLIN_URL to it."
            )
        credentials = {"account": access.account, "password": access.password, "invite_code": ""}
        try:
            data = await cls._fetch(
                access, "POST", "/api/login", headers=_headers(access), body=credentials, login=True
            )
        except IncompleteReplyError as error:
            raise type(error)(f"No login: {error}") from None
        token = data.get("token") if isinstance(data, Mapping) else None
        if not isinstance(token, str) or not token or any(char in token for char in "\r\n\0"):
            # The rest of the answer is the account's record: it is not shown (protocol page, "Login").
            raise LoginRefusedError(
                f"{access.where} accepted the login but gave no token.\nIs this the address of a Berlin server?"
            )
        return Secret(token)

    @classmethod
    async def _fetch(
        cls,
        access: _Access,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        login: bool = False,
    ) -> Any:
        """Return the ``data`` of an answer that is no stream, or raise the error that it is."""
        request = transport.requested(
            method,
            access.url / path.lstrip("/"),
            headers=headers,
            proxy=access.proxy,
            silence=access.silence,
            json=body,
        )
        async with request as response:
            text = await transport.whole_body(response, silence=access.silence)
            if login and any(word in text for word in ("user_info", "token")):
                text = text if _parses(text) else ""  # a broken record of the account: not to be quoted
            envelope = parse_envelope(text, status=response.status, where=access.where)
            if login and envelope.get("code") != 0:
                raise envelope_error(envelope, status=response.status, where=access.where, login=True)
            return data_of(envelope, status=response.status, where=access.where)


def _headers(access: _Access) -> dict[str, str]:
    """Return the headers that the original client sends; servers of the family look at them."""
    origin = transport.origin_of(access.url)
    return {
        "User-Agent": "Mozilla/5.0 (compatible; berlin_magic)",
        "Accept": "*/*",
        "Accept-Language": "en,*;q=0.5",
        "Referer": f"{origin}/",
        "Origin": origin,
        "Content-Type": "application/json",
    }


def _tell_garbage(decoder: Decoder) -> None:
    """Raise what the undecoded rest of a broken stream says, where it is no Berlin stream at all."""
    with suppress(IncompleteReplyError):
        decoder.flush()


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@contextmanager
def _redacting(access: _Access) -> Iterator[None]:
    """Take the user's own secrets out of an error: a server may repeat in its answer what it was sent."""
    try:
        yield
    except BerlinError as error:
        secrets = [secret for secret in (access.password, access.token, access.standing_token) if secret]
        for secret in secrets:
            error.args = tuple(str(arg).replace(secret, "<secret>") for arg in error.args)
            error.body = error.body.replace(secret, "<secret>") if error.body else error.body
        raise
