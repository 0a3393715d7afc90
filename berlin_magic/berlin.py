"""The provider for servers that speak the Berlin protocol."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from berlin_magic import protocol
from berlin_magic.access import Access, access_to, sendable
from berlin_magic.credentials import password_from_keyring, stored_login
from berlin_magic.envelope import UNAUTHORIZED_CODE
from berlin_magic.errors import BerlinError, NotAllowedError, NotConfiguredError
from berlin_magic.messages import flatten
from berlin_magic.provider import Provider
from berlin_magic.redaction import redacted
from berlin_magic.secret import Secret
from berlin_magic.shared_token import SharedToken
from berlin_magic.state_folder import state_folder
from berlin_magic.transport import REPLY_LIMIT, origin_of

__all__ = ["DEFAULT_MODEL", "DEFAULT_SILENCE", "DEFAULT_URL", "Berlin"]

DEFAULT_URL = "https://ai.berlin4h.top"
"""Where the protocol comes from; the host is gone."""

DEFAULT_MODEL = "gpt-3.5-turbo"
"""The model of the protocol's original client."""

DEFAULT_SILENCE = 120.0
"""Seconds without a byte after which a reply counts as cut. Engines that read a long prompt are silent for long."""

_MOST_TOKENS = 4
"""Tokens that are tried for one question, where the server refuses what other processes have just been given."""

_DEFAULT_OPTIONS: Mapping[str, Any] = {
    "temperature": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_tokens": 1888,
}


class Berlin(Provider):
    """Asks a Berlin server: login, token, a stream of JSON chunks.

    Each setting is taken from the first of: the keyword of `create_async_generator`, `Berlin.url` where it was set,
    the environment (``BERLIN_URL``, ``BERLIN_ACCOUNT``, ``BERLIN_PASSWORD``, ``BERLIN_TOKEN``), the login that
    ``%berlin login`` has stored. What the environment holds is for the server of ``BERLIN_URL``, where that is set, and
    goes to no other. A token is shared by the user's processes, as a new login would end it for the others.

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
    _forgotten: ClassVar[Mapping[tuple[str, str], Secret]] = {}  # tokens in the file that are not to be used any more
    # One login at a time: each new one ends the token of the one before. A lock belongs to one loop.
    _locks: ClassVar[MutableMapping[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Lock]]] = (
        WeakKeyDictionary()
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a subclass, which may be for another server, a token of its own."""
        super().__init_subclass__(**kwargs)
        cls._token = cls.__dict__.get("_token")
        cls._tokens = cls._forgotten = {}

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
        shared: bool = True,
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
        shared : bool, optional
            Whether the token is shared with the user's other processes, through a file that only the user can read.
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
                shared=shared,
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
        """Say whether the user has named a server or an account, in `Berlin.url` or the environment, or logged in."""
        named = (os.environ.get(name) for name in ("BERLIN_URL", "BERLIN_ACCOUNT", "BERLIN_TOKEN"))
        return cls.url != DEFAULT_URL or any(named) or stored_login() is not None

    @classmethod
    def _access(cls, url: str | None, **given: Any) -> Access:
        return access_to(url, class_url=cls.url, default_url=DEFAULT_URL, **given)

    @classmethod
    async def _ask(cls, access: Access, body: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        sent = [*access.secrets]
        refused: list[Secret] = []
        try:
            refusal: NotAllowedError | None = None
            token, renewed = await cls._first_token(access), False
            while True:  # until the reply, or the refusal of a token that is new
                if refusal is not None:
                    token, renewed = await cls._other_token(access, refused)
                if not token:
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
                    refused.append(token)
                    # A reply that has begun is never asked for again.
                    if begun or renewed or not expired or len(refused) == _MOST_TOKENS:
                        raise
                    refusal = redacted(error, sent)
        except BerlinError as error:
            raise redacted(error, sent) from None

    @classmethod
    async def _first_token(cls, access: Access) -> Secret:
        known = access.token or cls._known(access) or access.standing_token
        return known or (await cls._other_token(access, ()))[0]

    @classmethod
    async def _other_token(cls, access: Access, refused: Sequence[Secret]) -> tuple[Secret, bool]:
        """Return a token that is none of `refused`, and whether it is new; an empty one where there is none.

        One that is not new is another task's or another process's, which has logged in meanwhile.
        """
        async with cls._lock(access):
            known = cls._known(access)
            if known and known not in refused:
                return known, False
            shared = _shared(access)
            unwanted = {"", *refused, cls._forgotten.get(access.key, "")}
            if (token := await shared.read()) not in unwanted:
                return cls._keep(access, token), False
            if not access.can_login:
                return (Secret() if access.standing_token in refused else access.standing_token), False
            async with shared.turn():
                if (token := await shared.read()) not in unwanted:
                    return cls._keep(access, token), False
                return await cls._new_token(access, shared), True

    @classmethod
    async def _new_token(cls, access: Access, shared: SharedToken) -> Secret:
        """Log in, and let everybody know the new token; to be called by one at a time."""
        if not access.password:
            password = await password_from_keyring(origin_of(access.url), access.account)
            access = replace(access, password=password)
        try:
            token = cls._keep(access, await protocol.login(access))
        except BerlinError as error:
            raise redacted(error, access.secrets) from None
        await shared.write(token)
        return token

    @classmethod
    def _lock(cls, access: Access) -> asyncio.Lock:
        return cls._locks.setdefault(asyncio.get_running_loop(), {}).setdefault(access.key, asyncio.Lock())

    @classmethod
    def _keep(cls, access: Access, token: Secret) -> Secret:
        cls._tokens = {**cls._tokens, access.key: token}
        cls._token = token
        return token

    @classmethod
    def _known(cls, access: Access) -> Secret | None:
        """Return the token of an earlier login there; one set by hand is bound to the server that it first goes to."""
        if cls._token is None:
            cls._forgotten = {**cls._forgotten, **cls._tokens}
            cls._tokens = {}
        elif cls._token not in cls._tokens.values():
            cls._token = token = sendable(cls._token)
            cls._tokens = {access.key: token}
        return cls._tokens.get(access.key)


def _shared(access: Access) -> SharedToken:
    return SharedToken(access.key, state_folder() if access.shared else None)


def _no_way_in(access: Access) -> NotConfiguredError:
    return NotConfiguredError(
        f"No account is known for {access.where}.\n"
        "Log in with `%berlin login`; or set BERLIN_ACCOUNT and BERLIN_PASSWORD (or BERLIN_TOKEN) in the environment,\n"
        "and BERLIN_URL to your server. "
        "No account anywhere? `berlin-server` needs none from outside: run it, and set BERLIN_URL to its address."
    )
