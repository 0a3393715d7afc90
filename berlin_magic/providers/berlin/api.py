"""Send the requests of the Berlin protocol."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, IncompleteReplyError, IncorrectAnswerError, LoginRefusedError
from berlin_magic.messages import Event, Finish, Text
from berlin_magic.providers.berlin.envelope import data_of, envelope_error, envelope_in, parse_envelope
from berlin_magic.providers.berlin.settings import Access
from berlin_magic.providers.berlin.stream import Decoder, Refusal
from berlin_magic.providers.retries import retry_after
from berlin_magic.transport import request as http
from berlin_magic.transport.response import object_limit

__all__ = ["balance", "chat", "login", "models"]

_OK = 200
_OBJECT = re.compile(r"[{\[]|%[57]B|&#0*(?:91|123);|&(?:lbrace|lcub|lbrack|lsqb);", re.IGNORECASE)


async def login(access: Access) -> Secret:
    """Log in and return the new token; the account's earlier token is no longer valid (protocol page, "Login").

    Raises
    ------
    LoginRefusedError, RateLimitError, ServerError
        If the server refuses.
    IncorrectAnswerError
        If the answer is not an envelope. It is quoted only if it can't hold the account's record.
    ServerUnreachableError, SilentTooLongError
        As `request.requested` and `request.whole_body`.
    """
    credentials = {"account": access.account, "password": access.password, "invite_code": ""}
    status, text, wait = await _answer(access, "POST", "api/login", credentials)
    if envelope_in(text) is None and _OBJECT.search(text):
        text = "(not shown: it may hold a record of the account)"
    envelope = parse_envelope(text, status=status, where=access.where, retry_after=wait)
    data = data_of(envelope, status=status, where=access.where, login=True, retry_after=wait)
    token = data.get("token") if isinstance(data, Mapping) else None
    if not isinstance(token, str) or not token or http.has_line_break(token):
        raise LoginRefusedError(
            f"{access.where} accepted the login but gave no token.\nCheck the address: is it a Berlin server's?",
            status=status,
        )
    return Secret(token)


async def models(access: Access) -> list[str]:
    """Return the names of the models that the server lists in ``/api/config``, which needs no token."""
    status, text, _ = await _answer(access, "GET", "api/config")
    envelope = parse_envelope(text, status=status, where=access.where)
    config = data_of(envelope, status=status, where=access.where)
    listed = config.get("chat_models") if isinstance(config, Mapping) else None
    if not isinstance(listed, list):
        raise IncorrectAnswerError(
            f"{access.where}/api/config gave an incorrect answer: it lists no models.\n"
            "Check the address: is it a Berlin server's?",
            status=status,
        )
    values = [entry.get("value") for entry in listed if isinstance(entry, Mapping)]
    return [value for value in values if isinstance(value, str)]


async def balance(access: Access, token: str) -> float | None:
    """Return the balance of the token's account; None if the server does not give it as a number.

    The rest of the answer is the account's record, with the hash of its password, and is dropped.

    Raises
    ------
    BerlinError
        If there is no answer, or it is an error. The answer is never quoted.
    """
    status, text, _ = await _answer(access, "GET", "api/user/info", token=token)
    try:
        data = data_of(parse_envelope(text, status=status, where=access.where), status=status, where=access.where)
    except BerlinError as error:
        raise type(error)(f"{access.where} does not tell the balance.\nAsk whoever runs it.", status=status) from None
    left = data.get("integral") if isinstance(data, Mapping) else None
    known = isinstance(left, int | float) and not isinstance(left, bool) and math.isfinite(left)
    return left if known else None


async def chat(access: Access, token: str, body: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
    """Send the question in `body`, and yield the text of the reply; then a `Finish`, if the server gives a reason.

    Raises
    ------
    ServerError
        The subclass for the server's error; `NotAllowedError` if it does not accept `token`.
    IncorrectAnswerError, ReplyTooLargeError
        As `stream.Decoder`.
    IncompleteReplyError, SilentTooLongError
        If the reply ends before the server says that it is complete. The text before the error was yielded.
    ServerUnreachableError
        As `request.requested`.
    """
    model = str(body["options"]["model"])
    decoder = Decoder(object_limit(access.reply_limit))
    named = failed = False
    request = http.requested(
        "POST",
        access.url / "api/chat/completions",
        headers={**_headers(access), "token": token},
        proxy=access.proxy,
        silence=access.silence,
        json=body,
    )
    async with request as response:
        status = response.status
        if status != _OK:
            text = await http.whole_body(response, silence=access.silence)
            wait = retry_after(response.headers)
            envelope = parse_envelope(text, status=status, where=access.where, retry_after=wait)
            raise envelope_error(envelope, status=status, where=access.where, model=model, retry_after=wait)
        try:
            async with aclosing(http.received(response, silence=access.silence, limit=access.reply_limit)) as reads:
                async for data in reads:
                    for item in decoder.feed(data):
                        if isinstance(item, Refusal):
                            raise envelope_error(item.envelope, status=status, where=access.where, model=model)
                        if item.content:
                            yield Text(item.content)
                        # ChatGPT-Web sends an engine's error in the middle of a reply like this (protocol page).
                        failed = failed or (named and not (item.named or item.content or item.last))
                        named = named or item.named
                        if item.last and failed:
                            raise _engine_failed(access.where)
                        if item.last:
                            if item.finish:
                                yield Finish(item.finish)
                            return
        except IncompleteReplyError:
            with suppress(IncompleteReplyError):
                decoder.flush()  # if the rest is not the Berlin protocol, its error is more useful
            raise
        decoder.flush()
        raise IncompleteReplyError(
            f"{access.where} ended the reply without saying that it is complete.\nRun the cell again for a whole one."
        )


def _engine_failed(where: str) -> IncompleteReplyError:
    return IncompleteReplyError(
        f"The engine behind {where} failed in the middle of the reply.\nRun the cell again for a whole one."
    )


async def _answer(
    access: Access, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str = ""
) -> tuple[int, str, float | None]:
    """Return status and body of an answer that is not a stream, and the seconds of its ``Retry-After``."""
    headers = {**_headers(access), **({"token": token} if token else {})}
    request = http.requested(
        method, access.url / path, headers=headers, proxy=access.proxy, silence=access.silence, json=body
    )
    async with request as response:
        text = await http.whole_body(response, silence=access.silence)
        return response.status, text, retry_after(response.headers)


def _headers(access: Access) -> dict[str, str]:
    """Return the headers that the original client sends, as some Berlin servers check them."""
    origin = http.origin_of(access.url)
    return {
        "User-Agent": "Mozilla/5.0 (compatible; berlin_magic)",
        "Accept": "*/*",
        "Accept-Language": "en,*;q=0.5",
        "Referer": f"{origin}/",
        "Origin": origin,
        "Content-Type": "application/json",
    }
