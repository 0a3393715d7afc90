"""Envelopes: every answer of the server that is not a stream."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from http import HTTPStatus
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler

from berlin_magic.server.access_log import log_entry
from berlin_magic.server.engine import EngineError
from berlin_magic.server.segments import encode
from berlin_magic.server.state import error_name

__all__ = ["body_of", "errors_in_envelopes", "log_failure", "success", "too_many"]

_log = logging.getLogger(__name__)


def success(data: Any, *, message: str = "") -> web.Response:
    """Return an answer with ``code`` 0."""
    return _envelope(0, data, message)


def too_many(message: str, *, retry_after: int) -> web.Response:
    """Return a refusal for now; `retry_after` is in seconds."""
    return _envelope(-1, [], message, status=HTTPStatus.TOO_MANY_REQUESTS, retry_after=str(retry_after))


@web.middleware
async def errors_in_envelopes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put what a route raises into an envelope."""
    try:
        return await handler(request)
    except EngineError as error:
        log_entry().outcome = f"refused: {error.reason}"
        return _envelope(error.code, error.data, error.message, status=error.status, retry_after=error.retry_after)
    except web.HTTPException as error:
        return _envelope(-1, [], HTTPStatus(error.status).phrase, status=error.status)
    except sqlite3.Error as error:  # e.g. a full disk
        _log.error("Conversations and logins can't be read or written: %s", error_name(error))
        log_entry().outcome = f"failed: {error_name(error)}"
        return _envelope(5000, [], "The server can't read or write what it keeps: ask whoever runs it",
                         status=500)  # fmt: skip
    except Exception as error:  # noqa: BLE001 - an engine is anybody's code; its fault is one answer, not the server
        log_failure(error)
        log_entry().outcome = f"failed: {type(error).__name__}"
        return _envelope(5000, [], "The engine failed", status=500)


async def body_of(request: web.Request, *, most: int, within: float | None = None) -> Any:
    """Return the JSON of a request, whose Content-Type must be JSON.

    A web page can have a browser send any text to a server on its user's machine; what calls itself JSON is sent only
    if the server has allowed it, which this one never does (the Fetch Standard, "CORS-preflight fetch").

    Parameters
    ----------
    request : web.Request
        The request.
    most : int
        The most bytes that it may have.
    within : float, optional
        Seconds within which it must have arrived.

    Raises
    ------
    EngineError
        If it is something else, compressed, too long, or not there in time.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise EngineError("This server takes no compressed request: send it as it is", status=415, code=-1)
    if request.content_type != "application/json":
        raise EngineError("The request must have the Content-Type application/json", status=415, code=-1)
    try:
        async with asyncio.timeout(within):
            return json.loads(await request.clone(client_max_size=most).read(), parse_constant=_no_number)
    except web.HTTPRequestEntityTooLarge:
        raise EngineError(
            f"That is longer than the {most:,} bytes that this server takes: shorten it", status=413, code=-1
        ) from None
    except TimeoutError:
        raise EngineError("The request did not arrive in time", status=408, code=-1) from None
    except (ValueError, RecursionError):
        raise EngineError("The body is not JSON", status=400, code=-1) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not know (RFC 8259, section 6)


def log_failure(error: Exception) -> None:
    """Log what failed and where, without the error's words: they may be a user's."""
    if isinstance(error, ConnectionError):
        return  # the client went away
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "?"
    _log.info("A reply failed: %s at %s", type(error).__name__, where)


def _envelope(code: int, data: Any, message: str, *, status: int = 200, retry_after: str = "") -> web.Response:
    body = encode({"code": code, "data": data, "message": message})
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8", headers=headers)
