"""Envelopes: every answer of the server that is not a stream."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from berlin_magic.server.engine import EngineError
from berlin_magic.server.segments import encode

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
        return _envelope(error.code, error.data, error.message, status=error.status, retry_after=error.retry_after)
    except web.HTTPException as error:
        return _envelope(-1, [], HTTPStatus(error.status).phrase, status=error.status)
    except Exception as error:  # noqa: BLE001 - an engine is anybody's code; its fault is one answer, not the server
        log_failure(error)
        return _envelope(5000, [], "The engine failed", status=500)


async def body_of(request: web.Request) -> Any:
    """Return the JSON of a request.

    Raises
    ------
    EngineError
        Where it is none.
    """
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise EngineError("The body is not JSON", status=400, code=-1) from None


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
