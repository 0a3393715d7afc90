"""Turn an engine's error object into an exception."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from berlin_magic.errors import (
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    RateLimitError,
    ServerError,
    clean,
)
from berlin_magic.providers.error_kinds import (
    TOO_LONG,
    concerns_key,
    concerns_region,
    error_kind,
    is_loading,
    is_too_long,
)

__all__ = ["engine_error"]


def engine_error(
    where: str,
    error: Mapping[str, Any],
    status: int | None,
    *,
    model: str,
    key_advice: str,
    retry_after: float | None = None,
) -> ServerError:
    """Return the exception for an engine's error object: its class, the engine's words, and advice.

    Parameters
    ----------
    where : str
        The address that was asked.
    error : mapping
        The object: ``message``, ``type`` and ``code``, of any type.
    status : int or None
        The HTTP status, or the one that an error within a stream gives; None if it gives none.
    model : str
        The model that was asked.
    key_advice : str
        Advice if the key is not accepted.
    retry_after : float, optional
        Seconds to wait before the next request, if the server gives them.
    """
    message, code = _message(error), error.get("code") or error.get("type")
    words = f"{message} {code} {error.get('type', '')}"
    kind = error_kind(status, words)
    wait = "a little" if retry_after is None else f"{math.ceil(retry_after)} s"
    advice = _ADVICE[kind].format(model=clean(model, 80), key=key_advice, wait=wait)
    if kind is NotAllowedError and status == HTTPStatus.FORBIDDEN:
        advice = _forbidden(words, advice)
    if kind is ServerError:
        advice = _advice(status, words, wait if retry_after else "")
    quoted = f"“{clean(message)}”" if message else "no reason given"
    return kind(
        f"{where}: {quoted}{f' (HTTP {status})' if status else ''}.\n{advice}",
        status=status,
        code=code if isinstance(code, (int, str)) else None,
        body=clean(message, 2000),
        retry_after=retry_after,
    )


def _forbidden(words: str, key_advice: str) -> str:
    """Return advice for a 403. It is about the key only if the server says so."""
    if concerns_region(words):
        return "The server does not serve your country or region: ask through another provider (`%berlin providers`)."
    if concerns_key(words):
        return f"The server does not allow this: read what it says. {key_advice}"
    return "The server does not allow this: read what it says, or ask whoever runs it."


def _message(error: Mapping[str, Any]) -> str:
    """Return the message of an error, as JSON if it is not a text."""
    message = error.get("message")
    if message and not isinstance(message, str):
        return json.dumps(message, ensure_ascii=False, default=str)
    return next((error[name] for name in ("message", "code", "type") if isinstance(error.get(name), str)), "")


def _advice(status: int | None, words: str, wait: str) -> str:
    if is_too_long(words):
        return TOO_LONG
    if is_loading(words):
        return "The model is still being loaded: run the cell again in a minute."
    if status == HTTPStatus.NOT_FOUND:
        return "Check the address; it usually ends in /v1."
    if wait:
        return f"The server wants no request for {wait}: run the cell again after that."
    return "The server failed or did not accept the question: read what it says, or try again."


_ADVICE: Mapping[type[ServerError], str] = {
    NotAllowedError: "{key}",
    NoBalanceError: "The account has no balance left: top it up, or use another key.",
    RateLimitError: "Too many requests: wait {wait}, then run the cell again.",
    ModelUnknownError: "The server does not serve the model {model!r}: `%berlin models` lists what it has.",
    ServerError: "",
}
