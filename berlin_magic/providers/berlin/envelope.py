"""Read the envelope ``{"code", "data", "message"}`` of Berlin answers that are not streams."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from berlin_magic.credentials.account_record import quotable
from berlin_magic.errors import (
    BerlinError,
    IncorrectAnswerError,
    LoginRefusedError,
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    RateLimitError,
    ServerError,
    clean,
)
from berlin_magic.providers.error_kinds import TOO_LONG, concerns_key, error_kind, is_prohibited, is_too_long
from berlin_magic.transport.errors import page_words

__all__ = ["UNAUTHORIZED_CODE", "data_of", "envelope_error", "envelope_in", "is_envelope", "parse_envelope"]

Envelope = Mapping[str, Any]

UNAUTHORIZED_CODE = 4001
"""The code for a token that is missing, unknown, expired or replaced (wire/chat-bad-token)."""

_UNAUTHORIZED_STATUS = 401
_TOO_MANY_STATUS = 429
_FAILED_STATUS = 500
_BODY_SHOWN = 2000
_ADDRESS = "Check the address: is it a Berlin server's?"


def is_envelope(value: object) -> bool:
    """Return whether `value` is an envelope: an object with a ``code`` that is not a stream chunk."""
    return isinstance(value, Mapping) and "code" in value and "segment" not in value


def envelope_in(body: str) -> Envelope | None:
    """Return the envelope in the body of an answer; None if it is not one."""
    try:
        value = json.loads(body.removeprefix("\ufeff"))  # servers in PHP sometimes begin with a byte order mark
    except (ValueError, RecursionError):
        return None
    return value if is_envelope(value) else None


def parse_envelope(body: str, *, status: int, where: str, retry_after: float | None = None) -> Envelope:
    """Return the envelope in `body`.

    Parameters
    ----------
    body : str
        The body of an answer.
    status : int
        Its HTTP status.
    where : str
        The address that was asked, for the message.
    retry_after : float, optional
        Seconds to wait before the next request, if the server gives them.

    Raises
    ------
    IncorrectAnswerError
        If `body` is not an envelope; the message quotes it.
    ServerError
        If `body` is not an envelope and the HTTP status is an error, such as a gateway's page.
    """
    if (envelope := envelope_in(body)) is not None:
        return envelope
    shown = quotable(body) or "an empty body"
    if status in (_UNAUTHORIZED_STATUS, _TOO_MANY_STATUS):
        return {"code": -1, "data": [], "message": shown}
    if status >= 400:  # noqa: PLR2004 - HTTP's errors
        raise ServerError(
            f"{where} answered with HTTP {status}: {quotable(page_words(body)) or 'an empty body'}\n"
            f"{_page_advice(status, retry_after)}",
            status=status,
            body=quotable(body, _BODY_SHOWN),
            retry_after=retry_after,
        )
    raise IncorrectAnswerError(
        f"{where} gave an incorrect answer: {shown}\n{_ADDRESS}",
        status=status,
        body=quotable(body, _BODY_SHOWN),
    )


def _page_advice(status: int, retry_after: float | None) -> str:
    """Return advice for an error without an envelope, which comes from a gateway or another kind of server."""
    if status >= _FAILED_STATUS:
        when = "later" if retry_after is None else f"in {math.ceil(retry_after)} s"
        return f"If that is a gateway's page, the server behind it is down: try again {when}, or check the address."
    return _PAGE_ADVICE.get(status, "It does not take the question as it is: read what it says, or check the address.")


_PAGE_ADVICE: Mapping[int, str] = {
    403: "Something in front of the server lets nobody through: ask whoever runs it, or check the address.",
    404: _ADDRESS,
    405: _ADDRESS,
    408: "The question did not arrive in its time: run the cell again.",
    410: _ADDRESS,
    413: TOO_LONG,
}


def data_of(
    envelope: Envelope, *, status: int, where: str, login: bool = False, retry_after: float | None = None
) -> object:
    """Return the ``data`` of a success (``code`` 0, with any HTTP status), or raise the envelope's error."""
    if envelope.get("code") == 0:
        return envelope.get("data")
    raise envelope_error(envelope, status=status, where=where, login=login, retry_after=retry_after)


def envelope_error(
    envelope: Envelope,
    *,
    status: int,
    where: str,
    model: str = "",
    login: bool = False,
    retry_after: float | None = None,
) -> BerlinError:
    """Return the error for `envelope`.

    Its ``code`` is the envelope's. Its message quotes the server, or the engine's error in ``data``.

    Parameters
    ----------
    envelope : mapping
        The envelope. With ``code`` 0 it is an incorrect answer: a success without a reply.
    status : int
        The HTTP status of the answer.
    where : str
        The address that was asked.
    model : str
        The model that was asked, if any.
    login : bool
        Whether it is the answer to a login.
    retry_after : float, optional
        Seconds to wait before the next request, if the server gives them.
    """
    code = envelope.get("code")
    if code == 0:
        # Its `data` is not quoted: in the answer to a login it is the account's whole record.
        said = quotable(_reason(envelope, {}))
        quoted = f", “{said}”" if said else ""
        return IncorrectAnswerError(
            f"{where} gave an incorrect answer, a success without a reply{quoted}.\n{_ADDRESS}", status=status, code=0
        )
    engine = _engine_error(envelope.get("data"))
    said = _reason(envelope, engine)
    words = f"{said} {engine.get('code', '')} {engine.get('type', '')}"
    quoted = f"“{quotable(said)}”" if said else "no reason given"
    kind = _kind(status, code, words, login=login)
    if engine and kind is NotAllowedError:
        kind = ServerError  # the engine does not accept the server's key; the user's token is fine
    wait = "a little" if retry_after is None else f"{math.ceil(retry_after)} s"
    again = "" if retry_after is None else f" in {wait}"
    advice = _advice_by_words(kind, words, from_engine=bool(engine)) or _ADVICE[kind].format(
        model=clean(model, 80), wait=wait, again=again
    )
    return kind(
        f"{where}: {quoted} (HTTP {status}, code {quotable(str(code), 20)}).\n{advice}",
        status=status,
        code=code if isinstance(code, (int, str)) else None,
        body=quotable(said, _BODY_SHOWN),
        retry_after=retry_after,
    )


def _kind(status: int, code: object, words: str, *, login: bool) -> type[ServerError]:
    kind = NotAllowedError if code == UNAUTHORIZED_CODE else error_kind(status, words)
    if login and status < _FAILED_STATUS and kind is not RateLimitError:
        kind = LoginRefusedError
    return kind


def _advice_by_words(kind: type[ServerError], words: str, *, from_engine: bool) -> str:
    """Return the advice for the error's words, if there is one; else an empty string."""
    if is_too_long(words):
        return TOO_LONG
    if is_prohibited(words):
        return (
            "The server's administrator forbids words that are in the question, or in the conversation before it:\n"
            "ask in other words, or begin anew with `%berlin reset`."
        )
    if from_engine and kind is NoBalanceError:
        return "It is the account of the engine behind the server, not yours, that is used up: ask whoever runs it."
    if from_engine and kind is ServerError and concerns_key(words):
        return "The engine behind the server does not accept the server's key, not yours: ask whoever runs it."
    return ""


_ADVICE: Mapping[type[ServerError], str] = {
    LoginRefusedError: "The login was refused: check BERLIN_ACCOUNT and BERLIN_PASSWORD, or `%berlin login` anew.",
    NotAllowedError: "The token is not accepted: `%berlin login`, or set BERLIN_TOKEN (or account and password) anew.",
    NoBalanceError: "The account has no balance left: top it up, or use another account.",
    RateLimitError: "Too many requests: wait {wait}, then run the cell again.",
    ModelUnknownError: "The server does not serve the model {model!r}: `%berlin models` lists what it has.",
    ServerError: "The server or its engine failed: try again{again}, or ask whoever runs it.",
}


def _engine_error(data: object) -> Mapping[str, Any]:
    """Return the engine's own error object in `data` (wire/chat-upstream-429), or an empty mapping."""
    if isinstance(data, Mapping):
        error = data.get("error")
        if isinstance(error, Mapping):
            return error
        if isinstance(error, str):
            return {"message": error}
    return {}


def _reason(envelope: Envelope, engine: Mapping[str, Any]) -> str:
    own = (envelope.get("message"), envelope.get("data"))  # some servers put the reason in `data`
    for value in (*own, engine.get("message"), engine.get("code"), engine.get("type")):
        if isinstance(value, str) and value.strip():
            return value
    return ""
