"""The provider for servers that speak the Berlin protocol."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, ClassVar

from berlin_magic.credentials.logins import stored_login
from berlin_magic.credentials.redaction import redacted, without_secrets_each
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, NotAllowedError, NotConfiguredError, PromptError
from berlin_magic.messages import Event, Notice, flatten, text_in
from berlin_magic.providers.base import EventProvider
from berlin_magic.providers.berlin import api
from berlin_magic.providers.berlin.envelope import UNAUTHORIZED_CODE
from berlin_magic.providers.berlin.settings import DEFAULT_URL, Access, access_to
from berlin_magic.providers.berlin.tokens import KeptTokens, shared_token
from berlin_magic.providers.retries import RETRIES, with_retries
from berlin_magic.providers.safe_errors import safe_error, with_safe_errors
from berlin_magic.transport.request import REPLY_LIMIT

__all__ = ["DEFAULT_MODEL", "DEFAULT_SILENCE", "Berlin"]

DEFAULT_MODEL = "gpt-3.5-turbo"
"""The model of the protocol's original client."""

DEFAULT_SILENCE = 120.0
"""Seconds without a byte after which a reply counts as cut. Engines send nothing while they read a long prompt."""

_MOST_TOKENS = 4
"""Tokens to try for one question, if the server refuses tokens that other processes have just received."""

_LOGIN_JITTER = 1.0
"""Seconds of random delay before a new login, if processes can't share a token; three times as much for each more."""

_DEFAULT_OPTIONS: Mapping[str, Any] = {
    "temperature": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_tokens": 1888,
}


class Berlin(KeptTokens, EventProvider):
    """Ask a Berlin server.

    Each setting is taken from the first of: the keyword of `create_async_generator`, `Berlin.url` if it was set, the
    environment (``BERLIN_URL``, ``BERLIN_ACCOUNT``, ``BERLIN_PASSWORD``, ``BERLIN_TOKEN``), the login that ``%berlin
    login`` has stored. If ``BERLIN_URL`` is set, the environment's login goes to that server only. The user's processes
    share a token, as a new login would make it invalid for the others.

    Attributes
    ----------
    url : str
        The default server.
    working : bool
        Whether that default server answers. It no longer exists.
    supports_gpt_35_turbo : bool
        Whether the protocol's default model is served.
    """

    name = "Berlin"
    needs = "`%berlin login`, or BERLIN_URL, BERLIN_ACCOUNT and BERLIN_PASSWORD"
    url: ClassVar[str] = DEFAULT_URL
    working: ClassVar[bool] = False
    supports_gpt_35_turbo: ClassVar[bool] = True

    @classmethod
    def stream(
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
        parent: str | None = None,
        reply_limit: int | None = REPLY_LIMIT,
        shared: bool = True,
        retries: int = RETRIES,
        **kwargs: Any,
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the events of the reply as they arrive.

        Closing the generator, or cancelling the task that reads it, closes the connection at once.

        Parameters
        ----------
        model : str
            The model to ask; empty for ``gpt-3.5-turbo``.
        messages : sequence of mapping
            ``{"role", "content"}``, oldest first. The protocol has room for one prompt: several messages
            become one, with their roles as labels; a single user message is sent as it is.
        proxy : str, optional
            An HTTP proxy for every request; else the environment's ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``.
        url, account, password, token : str, optional
            The server's address, and the login or token for it.
        silence : float, optional
            Seconds without a byte after which the reply counts as cut; None for no limit.
        parent : str, optional
            The ``parentMessageId`` of a conversation that the server keeps, and prepends to the question; None for a
            new one.
        reply_limit : int, optional
            The most bytes that the reply may have, after decompression; None for no limit.
        shared : bool, optional
            Whether the token is shared with the user's other processes, through a file that only the user can read.
        retries : int, optional
            The most retries of a question that failed for a temporary reason before the first word
            (`berlin_magic.providers.retries`); 0 for none. A `berlin_magic.messages.Notice` announces each.
        **kwargs
            The engine's options (``temperature``, ``max_tokens``, …); one that is None is left at its default.

        Returns
        -------
        async generator of Event
            No text is empty.

        Raises
        ------
        ValueError
            At the call, for a malformed list of messages; nothing is sent.
        NotConfiguredError
            If there is no login and no token; nothing is sent.
        LoginRefusedError, NotAllowedError, NoBalanceError, ModelUnknownError, RateLimitError, ServerError
            If the server refuses (protocol page, "Every answer that is not a stream").
        ServerUnreachableError
            If there is no connection.
        IncorrectAnswerError
            If the answer is not the Berlin protocol; the message quotes it.
        ReplyTooLargeError
            If the reply exceeds `reply_limit`.
        IncompleteReplyError, SilentTooLongError
            If the reply ends before the server says that it is complete, or no byte comes for `silence` seconds.
        """
        try:
            access = access_to(
                url,
                class_url=cls.url,
                account=account,
                password=password,
                token=token,
                proxy=proxy,
                silence=silence,
                reply_limit=reply_limit,
                shared=shared,
            )
        finally:
            del password, token, proxy  # a verbose traceback of what is raised here would show them
        options = {"model": model or DEFAULT_MODEL, **_DEFAULT_OPTIONS}
        options.update({name: value for name, value in kwargs.items() if value is not None})
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the options must be numbers, texts, lists and dicts: {error}") from None
        # The whole conversation is in the prompt, so the id is fresh: under a used one the server would prepend
        # what it has stored there, and the context would arrive twice (protocol page, "Chat").
        body = {"prompt": _one_prompt(messages), "parentMessageId": parent or uuid.uuid4().hex, "options": options}
        sent = [*access.secrets]
        attempts = with_retries(cls._attempt(access, body, sent), retries)
        return with_safe_errors(attempts, sent, model or DEFAULT_MODEL, lambda: api.models(access))

    @classmethod
    def as_sent(cls, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the one prompt that `messages` become."""
        return [{"role": "user", "content": _one_prompt(messages)}]

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
        try:
            access = access_to(url, class_url=cls.url, proxy=proxy, silence=silence)
        finally:
            del proxy, kwargs  # as above
        try:
            return without_secrets_each(await api.models(access), access.secrets)
        except (BerlinError, asyncio.CancelledError) as error:
            raise safe_error(error, access.secrets) from None

    @classmethod
    async def balance(
        cls,
        proxy: str | None = None,
        *,
        url: str | None = None,
        account: str | None = None,
        token: str | None = None,
        silence: float | None = DEFAULT_SILENCE,
        **kwargs: Any,
    ) -> float | None:
        """Return the account's balance, as ``/api/user/info`` tells it; None without an earlier login.

        It does not log in, as that would make the token of another program invalid.

        Raises
        ------
        BerlinError
            As `create_async_generator`.
        """
        shared = bool(kwargs.get("shared", True))
        try:
            access = access_to(
                url, class_url=cls.url, account=account, token=token, proxy=proxy, silence=silence, shared=shared
            )
        finally:
            del token, proxy, kwargs  # as above
        known = access.token or cls._known(access) or access.environment_token or await shared_token(access).read()
        try:
            return await api.balance(access, known) if known else None
        except (BerlinError, asyncio.CancelledError) as error:
            raise safe_error(error, [known, *access.secrets]) from None

    @classmethod
    def configured(cls) -> bool:
        """Return whether `Berlin.url`, the environment or a stored login names a server or an account."""
        named = (os.environ.get(name) for name in ("BERLIN_URL", "BERLIN_ACCOUNT", "BERLIN_TOKEN"))
        return cls.url != DEFAULT_URL or any(named) or stored_login() is not None

    @classmethod
    def _attempt(
        cls, access: Access, body: Mapping[str, Any], sent: list[Secret]
    ) -> Callable[[], AsyncGenerator[Event, None]]:
        """Return a function that asks `body` with a token that the server accepts, and adds each token to `sent`."""
        refused: list[Secret] = []  # a token that was refused in one attempt is not tried in the next
        refusal: NotAllowedError | None = None
        logins = renewals = 0

        async def once() -> AsyncGenerator[Event, None]:
            nonlocal refusal, logins, renewals
            while True:  # until there is a reply, or a new token is refused
                if refusal is None:
                    token, new = await cls._first_token(access)
                else:
                    token, new = await cls._other_token(access, refused)
                    renewals += new
                logins += new
                if not token:
                    raise refusal or _no_login(access)
                sent.append(token)
                begun = False
                try:
                    async with aclosing(api.chat(access, token, body)) as pieces:
                        async for piece in pieces:
                            begun = True
                            yield piece
                    return
                except NotAllowedError as error:
                    # Older servers of the family say 401 with another code; an engine's 401 is a `ServerError`.
                    expired = error.status == HTTPStatus.UNAUTHORIZED or error.code == UNAUTHORIZED_CODE
                    refused.append(token)
                    alone = not shared_token(access).usable
                    # Never retry after the reply has begun.
                    if begun or not expired or len(refused) == _MOST_TOKENS or (renewals and not alone):
                        raise
                    refusal = redacted(error, sent)
                if alone and logins:
                    # Another process's login ended the token. Without jitter, each would go on ending the other's.
                    wait = random.uniform(0, _LOGIN_JITTER * 3**renewals)  # noqa: S311 - no secret depends on it
                    yield Notice(f"the account has logged in elsewhere, trying again in {math.ceil(wait)} s")
                    await asyncio.sleep(wait)

        return once


def _one_prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return `messages` as one prompt.

    Raises
    ------
    PromptError
        If there is an image among them.
    ValueError
        If they are malformed.
    """
    contents = [message.get("content") for message in messages if isinstance(message, Mapping)]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    if any(isinstance(part, Mapping) and part.get("type") != "text" for part in parts):
        raise PromptError(
            "A Berlin server takes text only, and there is an image in the prompt or in the conversation before it.\n"
            "Ask a provider that takes images (`%berlin providers`), or describe it: {{ fig | repr }}."
        )
    plain = (
        [
            {**message, "content": text_in(message["content"])} if isinstance(message.get("content"), list) else message
            for message in messages
        ]
        if parts
        else messages
    )
    return flatten(plain)


def _no_login(access: Access) -> NotConfiguredError:
    return NotConfiguredError(
        f"No account is known for {access.where}.\n"
        "Log in with `%berlin login`; or set BERLIN_ACCOUNT and BERLIN_PASSWORD (or BERLIN_TOKEN) in the environment,\n"
        "and BERLIN_URL to your server. "
        "No account anywhere? `berlin-server` needs none from outside: run it, and set BERLIN_URL to its address."
    )
