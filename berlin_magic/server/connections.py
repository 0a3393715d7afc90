"""The limit on the open connections of one server."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from berlin_magic.server.segments import encode

__all__ = ["Connections", "log_refused_connections"]

_log = logging.getLogger(__name__)

_BODY = encode({"code": -1, "data": [], "message": "Too many connections: try again in a moment"})
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 2\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
) % (len(_BODY), _BODY)
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_LOGGED_AGAIN = 60.0  # seconds


class Connections:
    """Accepts connections for an aiohttp server, up to a maximum.

    At the maximum, a new connection replaces the oldest one without a running request; if all have one, the new
    connection is refused.

    Parameters
    ----------
    most : int
        The maximum number of connections.
    idle : float
        Seconds after which one that has never asked anything is closed; at the latest after twice as many. Those that
        have asked are aiohttp's to close (`keepalive_timeout`), which does nothing about the others before 3.14.
    """

    def __init__(self, most: int, idle: float) -> None:
        self._most = most
        self._idle = idle
        self._asking: set[asyncio.BaseProtocol] = set()
        self._have_asked: set[asyncio.BaseProtocol] = set()
        self._silent: set[asyncio.BaseProtocol] = set()  # at the last check
        self._timer: asyncio.TimerHandle | None = None
        self.server: web.Server | None = None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note the connections whose requests are being answered."""
        self._asking.add(request.protocol)
        self._have_asked.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._asking.discard(request.protocol)

    def accept(self) -> asyncio.BaseProtocol:
        """Return the protocol for a new connection."""
        assert self.server is not None  # noqa: S101 - `listen` has set it
        if len(self.server.connections) >= self._most and len(connections := self._open()) >= self._most:
            idle = next((transport for each, transport in connections if each not in self._asking), None)
            if idle is None:
                return _Refused()
            idle.abort()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._close_silent)
        return self.server()

    def _open(self) -> list[tuple[asyncio.BaseProtocol, asyncio.Transport]]:
        connections = self.server.connections if self.server is not None else []
        return [(each, each.transport) for each in connections if each.transport and not each.transport.is_closing()]

    def _close_silent(self) -> None:
        connections = self.server.connections if self.server is not None else []
        self._have_asked.intersection_update(connections)
        silent = {each for each in connections if each not in self._have_asked}
        for each in silent & self._silent:
            if each.transport is not None:
                each.transport.abort()
        self._silent = set(silent)
        self._timer = asyncio.get_running_loop().call_later(self._idle, self._close_silent) if connections else None


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_FULL)
        transport.close()


def log_refused_connections(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` log once a minute, in one line, that no connection can be taken; it would log a traceback each."""
    logged_at = -_LOGGED_AGAIN

    def log_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal logged_at
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _EXHAUSTED):
            loop.default_exception_handler(context)
        elif time.monotonic() - logged_at >= _LOGGED_AGAIN:
            logged_at = time.monotonic()
            reason = os.strerror(error.errno or 0)
            _log.error("No further connection can be accepted (%s): raise the limit with `ulimit -n`", reason)

    loop.set_exception_handler(log_error)
