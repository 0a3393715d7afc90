"""The access log: one line for each request, without its content."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from berlin_magic.errors import clean

__all__ = ["LogEntry", "Writer", "access_log", "log_entry"]

Writer = Callable[[str], object]
"""Takes one line of the log, without its line end."""


@dataclass(slots=True)
class LogEntry:
    """The fields of one log line, filled in while the request is answered.

    Attributes
    ----------
    account : str
        The account that made the request; empty if it is not logged in.
    outcome : str
        How the reply ended; if there was no reply, the reason.
    """

    account: str = ""
    outcome: str = ""


_log_entry: ContextVar[LogEntry] = ContextVar("berlin_log_entry")


def log_entry() -> LogEntry:
    """Return the log entry of the request that is being answered."""
    return _log_entry.get()


def access_log(write: Writer | None) -> Middleware:
    """Return a middleware that writes a line for each request with `write`; None writes nothing."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        current = LogEntry()
        _log_entry.set(current)
        start = time.perf_counter()
        status: int | str = "-"  # if the client leaves before there is one
        try:
            response = await handler(request)
            status = response.status
        finally:
            if write is not None:
                # A path that is not one of our routes, and a name on an open server, are chosen by strangers.
                known = request.match_info.route.resource
                path = known.canonical if known is not None else "(no such path)"
                who = clean(current.account, 60) or "-"
                took = time.perf_counter() - start
                at = time.strftime("%Y-%m-%d %H:%M:%S")
                outcome = clean(current.outcome, 120)
                with suppress(OSError, ValueError):  # a full disk, a reader that is gone: the answer is worth more
                    write(f"{at} {who} {request.method} {path} {status} {took:.2f}s {outcome}".rstrip())
        return response

    return middleware
