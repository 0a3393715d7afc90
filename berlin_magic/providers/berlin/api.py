"""The requests of the Berlin protocol, one function each: they keep nothing, and what they return is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, IncompleteReplyError, IncorrectAnswerError, LoginRefusedError
from berlin_magic.messages import Event, Finish, Text
from berlin_magic.providers.berlin.envelope import data_of, envelope_error, is_envelope, parse_envelope
from berlin_magic.providers.berlin.settings import Access
from berlin_magic.providers.berlin.stream import Decoder, Refusal
from berlin_magic.providers.retries import retry_after
from berlin_magic.transport import request as http
from berlin_magic.transport.response import object_limit

__all__ = ["balance", "chat", "login", "models"]

_OK = 200
_OBJECT = re.compile(r"[{\[]|%[57]B|&#0*(?:91|123);|&(?:lbrace|lcub|lbrack|lsqb);", re.IGNORECASE)


async def login(access: Access) -> Secret:
    """Return a new token. The server ends the account's former one with it (protocol page, "Login").

    Raises
    ------
    LoginRefusedError, RateLimitError, ServerError
        As the server says.
    IncorrectAnswerError
        Where the answer is no envelope. It is quoted only where nothing in it can be a record of the account.
    ServerUnreachableError, SilentTooLongError
        As `request.requested` and `request.whole_body`.
    """
    credentials = {"account": access.account, "password": access.password, "invite_code": ""}
    status, text, wait = await _answer(access, "POST", "api/login", credentials)
    if not _is_envelope(text) and _OBJECT.search(text):
        text = "(what may hold a record of the account, and is not shown)"
    envelope = parse_envelope(text, status=status, where=access.where, retry_after=wait)
    data = data_of(envelope, status=status, where=access.where, login=True, retry_after=wait)
    token = data.get("token") if isinstance(data, Mapping) else None
    if not isinstance(token, str) or not token or any(char in token for char in "\r\n\0"):
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
    """Return what is left on the token's account; None where the server does not tell it as a number.

    The rest of the answer is the account's record, down to its password's hash, and is dropped.

    Raises
    ------
    BerlinError
        Where there is no answer, or it is a refusal; nothing of it is quoted.
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
    """Ask `body` and yield the text of the reply, never empty, as it arrives; then why it ended, where that is told.

    Raises
    ------
    ServerError
        Its subclass for what the server says; `NotAllowedError` where it does not accept `token`.
    IncorrectAnswerError, ReplyTooLargeError
        As `decoder.Decoder`.
    IncompleteReplyError, SilentTooLongError
        Where the reply ends before the server says so. The pieces before it were yielded.
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
                        # How ChatGPT-Web passes on an engine's error in the middle of a reply (protocol page).
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
                decoder.flush()  # what was left of the stream may be no Berlin at all: that is worth more to know
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
    """Return status and body of an answer that is no stream, and the seconds to wait that it names."""
    headers = {**_headers(access), **({"token": token} if token else {})}
    request = http.requested(
        method, access.url / path, headers=headers, proxy=access.proxy, silence=access.silence, json=body
    )
    async with request as response:
        text = await http.whole_body(response, silence=access.silence)
        return response.status, text, retry_after(response.headers)


def _headers(access: Access) -> dict[str, str]:
    """Return the headers that the original client sends; servers of the family look at them."""
    origin = http.origin_of(access.url)
    return {
        "User-Agent": "Mozilla/5.0 (compatible; berlin_magic)",
        "Accept": "*/*",
        "Accept-Language": "en,*;q=0.5",
        "Referer": f"{origin}/",
        "Origin": origin,
        "Content-Type": "application/json",
    }


def _is_envelope(text: str) -> bool:
    try:
        return is_envelope(json.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError):
        return False
