"""The access log: who asked for what and how it ended, without a word of what was said."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from berlin_magic.errors import clean

__all__ = ["Visit", "Writer", "visit", "visits"]

Writer = Callable[[str], object]
"""Takes one line of the log, without its line end."""


@dataclass(slots=True)
class Visit:
    """What one request comes to.

    Attributes
    ----------
    account : str
        Who made it; empty where nobody is logged in.
    outcome : str
        How a reply ended, where there was one; else why there was none.
    """

    account: str = ""
    outcome: str = ""


_visit: ContextVar[Visit] = ContextVar("berlin_visit")


def visit() -> Visit:
    """Return the visit of the request that is being answered."""
    return _visit.get()


def visits(write: Writer | None) -> Middleware:
    """Return a middleware that writes a line for each request with `write`, and none where that is None."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        current = Visit()
        _visit.set(current)
        start = time.perf_counter()
        status: int | str = "-"  # the client left before there was one
        try:
            response = await handler(request)
            status = response.status
        finally:
            if write is not None:
                # A path that is no route of ours, and a name on an open server, are a stranger's words.
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
