"""The provider for servers that speak OpenAI's chat completions."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, ClassVar

from yarl import URL

from berlin_magic.credentials.redaction import redacted, without_secrets_each
from berlin_magic.credentials.secret import Secret, hidden_headers
from berlin_magic.errors import BerlinError, NotConfiguredError, clean
from berlin_magic.messages import Event, with_parts
from berlin_magic.providers.base import EventProvider
from berlin_magic.providers.openai import api
from berlin_magic.providers.openai.api import Endpoint, endpoint_url
from berlin_magic.providers.openai.refused_options import RefusedOptions
from berlin_magic.providers.openai.structured_output import structured_output
from berlin_magic.providers.retries import RETRIES, with_retries
from berlin_magic.providers.safe_errors import with_safe_errors
from berlin_magic.transport.request import REPLY_LIMIT, has_line_break, origin_of

__all__ = ["OpenAICompatible"]

OPENAI_URL = "https://api.openai.com/v1"

_OPENAI = "https://api.openai.com"
"""OpenAI's own server: ``max_tokens`` is deprecated there, and reasoning models refuse it (API reference)."""

DEFAULT_SILENCE = 300.0
"""Seconds without a byte after which a reply counts as cut. A model sends nothing while it thinks or is loaded."""

_DEFAULT_OPTIONS: Mapping[str, Any] = {"stream_options": {"include_usage": True}}


class OpenAICompatible(EventProvider):
    """Ask any server that has OpenAI's ``/chat/completions``: OpenAI, Ollama, vLLM, llama.cpp, LM Studio, LiteLLM.

    The address is the first of: the keyword ``url``, ``OpenAICompatible.url`` if it was set, ``OPENAI_BASE_URL``,
    OpenAI's own. ``OPENAI_API_KEY`` is for the server of ``OPENAI_BASE_URL``, else for OpenAI, and goes to no other.

    Attributes
    ----------
    url : str
        The usual address; for a subclass, that of its servers.
    issuer : str
        The server that the environment's key is for, if the environment names no address.
    address_variable, key_variable : str
        The environment variables for address and key; empty for none.
    needs_key : bool
        Whether the issuer requires a key.
    """

    name = "OpenAI-compatible"
    takes_files: ClassVar[bool] = True
    url: ClassVar[str] = OPENAI_URL
    issuer: ClassVar[str] = OPENAI_URL
    address_variable: ClassVar[str] = "OPENAI_BASE_URL"
    key_variable: ClassVar[str] = "OPENAI_API_KEY"
    needs_key: ClassVar[bool] = True

    @classmethod
    def stream(
        cls,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        proxy: str | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = DEFAULT_SILENCE,
        reply_limit: int | None = REPLY_LIMIT,
        retries: int = RETRIES,
        reply_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Event, None]:
        """Ask `messages` and yield the reply's text and reasoning, then its usage and finish reason.

        Parameters
        ----------
        model : str
            The model to ask; empty if the server has only one.
        messages : sequence of mapping
            ``{"role", "content"}``, oldest first; a content may be a list of parts, images among them.
        proxy : str, optional
            An HTTP proxy; else the environment's ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``.
        url, key : str, optional
            The server's address, with or without ``/v1`` at the end, and the key for it.
        headers : mapping, optional
            Further headers. They are treated as secrets, except those that only name the client (``X-Title``).
        silence : float, optional
            Seconds without a byte after which the reply counts as cut; None for no limit.
        reply_limit : int, optional
            The most bytes that the reply may have, after decompression; None for no limit.
        retries : int, optional
            The most retries of a question that failed for a temporary reason before the first word
            (`berlin_magic.providers.retries`); 0 for none. A `berlin_magic.messages.Notice` announces each.
        reply_schema : mapping, optional
            The ``schema`` that the reply has to fit, and its ``name``: sent as the option ``response_format``, unless
            the server refuses that.
        **kwargs
            The engine's options (``temperature``, ``max_tokens``, …). One that is None is not sent, even if it
            has a default: ``stream_options=None`` is for a server that does not know it.

        Raises
        ------
        ValueError
            At the call, for a malformed list of messages or an option that is not JSON; nothing is sent.
        NotConfiguredError
            If the address can't be used or the key is missing; nothing is sent.
        NotAllowedError, NoBalanceError, ModelUnknownError, RateLimitError, ServerError
            If the server refuses, also in the middle of a reply.
        ServerUnreachableError, IncorrectAnswerError, ReplyTooLargeError, IncompleteReplyError, SilentTooLongError
            As for `berlin_magic.Berlin`.
        """
        try:
            endpoint = cls._endpoint(
                url=url, key=key, headers=headers, proxy=proxy, silence=silence, reply_limit=reply_limit
            )
        except BerlinError as error:
            raise redacted(error, [key or ""]) from None
        except ValueError as error:
            raise error.with_traceback(None) from None
        finally:
            del key, headers, proxy  # a verbose traceback of what is raised here would show them
        defaults = {**_DEFAULT_OPTIONS, **structured_output(reply_schema)}
        options = {"stream": True, **defaults, **kwargs}
        if origin_of(endpoint.url) == _OPENAI and "max_tokens" in options:
            options.setdefault("max_completion_tokens", options.pop("max_tokens"))
        if not options["stream"]:
            del options["stream_options"]  # OpenAI refuses it then
        body = {
            "model": model,
            "messages": with_parts(messages),
            **{name: value for name, value in options.items() if value is not None},
        }
        try:
            json.dumps(body)
        except (TypeError, ValueError) as error:
            raise ValueError(f"messages and options must be numbers, texts, lists and dicts: {error}") from None
        attempts = with_retries(_attempt(endpoint, body, RefusedOptions(defaults)), retries)
        return with_safe_errors(attempts, endpoint.secrets, model, lambda: api.models(endpoint))

    @classmethod
    async def models(
        cls,
        proxy: str | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = DEFAULT_SILENCE,
        **kwargs: Any,
    ) -> list[str]:
        """Return the models that the server lists under ``/models``.

        Raises
        ------
        BerlinError
            As `stream`.
        """
        del kwargs
        secrets = [Secret(key or "")]
        try:
            endpoint = cls._endpoint(url=url, key=key, headers=headers, proxy=proxy, silence=silence)
            secrets = endpoint.secrets
            return without_secrets_each(await api.models(endpoint), secrets)
        except BerlinError as error:
            raise redacted(error, secrets) from None
        finally:
            del key, headers, proxy  # as above

    @classmethod
    def configured(cls) -> bool:
        """Return whether the environment names such a server or a key for it."""
        return any(os.environ.get(name) for name in (cls.address_variable, cls.key_variable) if name)

    @classmethod
    def where(cls, *, url: str | None = None, **settings: Any) -> str:
        """Return the address that these settings lead to."""
        del settings
        set_url = cls.url if cls.url != cls.issuer else ""
        return url or set_url or os.environ.get(cls.address_variable or "-", "") or cls.url

    @classmethod
    def _endpoint(
        cls,
        *,
        url: str | None,
        key: str | None,
        headers: Mapping[str, str] | None,
        proxy: str | None,
        silence: float | None,
        reply_limit: int | None = None,
    ) -> Endpoint:
        if silence is not None and not silence > 0:
            raise ValueError(f"silence must be a number of seconds above 0, or None for no limit, not {silence!r}")
        setting = cls.address_variable or "the address"
        named = os.environ.get(cls.address_variable, "") if cls.address_variable else ""
        text = cls.where(url=url)
        server = endpoint_url(text, setting)
        is_for_server = origin_of(server) == origin_of(endpoint_url(named or cls.issuer, setting))
        from_environment = os.environ.get(cls.key_variable, "") if cls.key_variable else ""
        secret = Secret((key or (from_environment if is_for_server else "")).strip())
        extra = hidden_headers(headers or {}, secret)
        for what, value in (
            (f"key {cls.key_variable}".strip(), secret),
            *((f"header {name!r}", extra[name]) for name in extra),
        ):
            if has_line_break(value):
                raise NotConfiguredError(
                    f"The {clean(what, 60)} has a line break in it, and can't be sent.\nSet it anew."
                )
        at_issuer = origin_of(server) == origin_of(endpoint_url(cls.issuer, setting))
        if cls.needs_key and at_issuer and not secret and not extra:
            raise NotConfiguredError(
                f"No key is known for {origin_of(server)}.\nSet {cls.key_variable} in the environment."
            )
        advice = cls._key_advice(server, sent=bool(secret), is_for_server=is_for_server, has_key=bool(from_environment))
        query = Secret(URL(text.strip()).query_string)
        return Endpoint(server, secret, advice, extra, proxy, silence, reply_limit, query)

    @classmethod
    def _key_advice(cls, server: URL, *, sent: bool, is_for_server: bool, has_key: bool) -> str:
        """Return advice if the server does not accept the key that was sent, or requires one."""
        if not cls.key_variable:
            return "The key is missing or not accepted: give the right one."
        if sent or is_for_server:
            wrong = "not accepted: check" if sent else "missing: set"
            return f"The key is {wrong} {cls.key_variable} in the environment."
        stayed = "is for another server, and was not sent there" if has_key else "is not set"
        return (
            f"The key in {cls.key_variable} {stayed}.\n"
            f"Start Jupyter with {cls.address_variable or 'OPENAI_BASE_URL'}={server} and "
            f"{cls.key_variable if cls.address_variable else 'OPENAI_API_KEY'} in its environment."
        )


def _attempt(
    endpoint: Endpoint, body: Mapping[str, Any], options: RefusedOptions
) -> Callable[[], AsyncGenerator[Event, None]]:
    """Return a function that asks `body` once."""

    async def once() -> AsyncGenerator[Event, None]:
        asked = {**body, "model": body["model"] or await api.only_model(endpoint)}
        async with api.chat(endpoint, asked, options) as events:
            async for event in events:
                yield event

    return once
