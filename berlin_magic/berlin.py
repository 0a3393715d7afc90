"""The provider for servers that speak the Berlin protocol."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from berlin_magic import protocol
from berlin_magic.access import Access, access_to, sendable
from berlin_magic.envelope import UNAUTHORIZED_CODE
from berlin_magic.errors import BerlinError, NotAllowedError, NotConfiguredError
from berlin_magic.messages import flatten
from berlin_magic.provider import Provider
from berlin_magic.redaction import redacted
from berlin_magic.secret import Secret
from berlin_magic.transport import REPLY_LIMIT

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
    _tokens: ClassVar[Mapping[tuple[str, str], Secret]] = {}
    # One login at a time: each new one ends the token of the one before. A lock belongs to one loop.
    _locks: ClassVar[MutableMapping[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Lock]]] = (
        WeakKeyDictionary()
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a subclass, which may be for another server, a token of its own."""
        super().__init_subclass__(**kwargs)
        cls._token = cls.__dict__.get("_token")

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
        reply_limit: int | None = REPLY_LIMIT,
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
        reply_limit : int, optional
            The most bytes that the reply may have, as it comes over the wire; None for no limit.
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
        ReplyTooLargeError
            Where it exceeds `reply_limit`.
        IncompleteReplyError, SilentTooLongError
            Where the reply ends before the server says so, or the server falls silent.
        """
        try:
            access = cls._access(
                url,
                account=account,
                password=password,
                token=token,
                proxy=proxy,
                silence=silence,
                reply_limit=reply_limit,
            )
        except BerlinError as error:
            raise redacted(error, [password or "", token or ""]) from None
        finally:
            del password, token  # a verbose traceback of what is raised here would show them
        options = {"model": model or DEFAULT_MODEL, **_DEFAULT_OPTIONS}
        options.update({name: value for name, value in kwargs.items() if value is not None})
        try:
            json.dumps(options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the options must be numbers, texts, lists and dicts: {error}") from None
        # The whole conversation is in the prompt, so the id is fresh: under a used one the server would prepend
        # what it has stored there, and the context would arrive twice (protocol page, "Chat").
        body = {"prompt": flatten(messages), "parentMessageId": uuid.uuid4().hex, "options": options}
        return cls._ask(access, body)

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
        try:
            return await protocol.models(cls._access(url, proxy=proxy, silence=silence))
        except BerlinError as error:
            raise redacted(error, ()) from None

    @classmethod
    def configured(cls) -> bool:
        """Say whether the user has named a server or an account, in `Berlin.url` or the environment."""
        return cls.url != DEFAULT_URL or any(
            os.environ.get(name) for name in ("BERLIN_URL", "BERLIN_ACCOUNT", "BERLIN_TOKEN")
        )

    @classmethod
    def _access(cls, url: str | None, **given: Any) -> Access:
        return access_to(url, class_url=cls.url, default_url=DEFAULT_URL, **given)

    @classmethod
    async def _ask(cls, access: Access, body: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        sent = [*access.secrets]
        try:
            refusal: NotAllowedError | None = None
            while True:  # until the reply, or the second refusal: a token is renewed once
                token = await (cls._other_token(access, sent[-1]) if refusal else cls._first_token(access))
                if token is None:
                    raise refusal or _no_way_in(access)
                sent.append(token)
                begun = False
                try:
                    async with aclosing(protocol.chat(access, token, body)) as pieces:
                        async for piece in pieces:
                            begun = True
                            yield piece
                    return
                except NotAllowedError as error:
                    expired = error.status == HTTPStatus.UNAUTHORIZED or error.code == UNAUTHORIZED_CODE
                    if begun or refusal or not expired:  # a reply that has begun is never asked for again
                        raise
                    refusal = redacted(error, sent)
        except BerlinError as error:
            raise redacted(error, sent) from None

    @classmethod
    async def _first_token(cls, access: Access) -> Secret | None:
        return access.token or cls._known(access) or access.standing_token or await cls._other_token(access, Secret())

    @classmethod
    async def _other_token(cls, access: Access, refused: Secret) -> Secret | None:
        """Return a token other than `refused`: another task's, where it has logged in meanwhile, or a new one."""
        async with cls._locks.setdefault(asyncio.get_running_loop(), {}).setdefault(access.key, asyncio.Lock()):
            known = cls._known(access)
            if known and known != refused:
                return known
            if not access.can_login:
                return access.standing_token if access.standing_token not in {"", refused} else None
            token = await protocol.login(access)
            cls._tokens = {**cls._tokens, access.key: token}
            cls._token = token
            return token

    @classmethod
    def _known(cls, access: Access) -> Secret | None:
        """Return the token of an earlier login there; one set by hand is bound to the server that it first goes to."""
        if cls._token is None:
            cls._tokens = {}
        elif cls._token not in cls._tokens.values():
            cls._token = token = sendable(cls._token)
            cls._tokens = {access.key: token}
        return cls._tokens.get(access.key)


def _no_way_in(access: Access) -> NotConfiguredError:
    return NotConfiguredError(
        f"No account is known for {access.where}.\n"
        "Set BERLIN_ACCOUNT and BERLIN_PASSWORD (or BERLIN_TOKEN) in the environment, and BERLIN_URL to your server.\n"
        "No account anywhere? `berlin-server` needs none from outside: run it, and set BERLIN_URL to its address."
    )
