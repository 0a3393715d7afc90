"""Listening: an application on an address, until it is closed."""

from __future__ import annotations

import asyncio
import logging
import socket

from aiohttp import web

from berlin_magic.server.connections import Connections
from berlin_magic.server.descriptors import most_connections

__all__ = ["cut_connections", "listen"]

_IDLE = 75.0  # seconds that a connection may stay open without a request
_BACKLOG = 1_024  # connections that the system holds until they are accepted; a client without a place waits a second

# aiohttp quotes what it could not parse, which may hold a token, and Python writes a log without a handler to standard
# error: in a kernel, to the user's cell. The application has its own log.
_silent = logging.getLogger("berlin_magic.server.http")
_silent.disabled = True


async def listen(
    app: web.Application,
    at: socket.socket | tuple[str, int],
    *,
    grace: float = 5.0,
    idle: float = _IDLE,
    most: int | None = None,
) -> tuple[web.AppRunner, str]:
    """Serve `app` and return its runner, with the URL that it listens on; to end it, await `runner.cleanup()`.

    Parameters
    ----------
    app : web.Application
        The application.
    at : socket or (host, port)
        A bound socket, or an address; port 0 takes a free one.
    grace : float
        Seconds that running replies have to end when the runner is cleaned up; more than 0.
    idle : float
        Seconds that a connection may stay open without a request.
    most : int, optional
        Connections at a time; as many as this process can have without it.

    Raises
    ------
    OSError
        If the address can't be used.
    """
    connections = Connections(most_connections() if most is None else most, idle)
    app.middlewares.insert(0, connections.middleware)
    runner = web.AppRunner(
        app,
        # Without it an engine goes on, and is paid, until its next word finds that the client has left.
        handler_cancellation=True,
        shutdown_timeout=grace,
        keepalive_timeout=idle,
        auto_decompress=False,  # `envelopes.body_of` refuses what is compressed, in an envelope
        logger=_silent,
        access_log=None,  # ours is a part of the application: it knows the account and how a reply ended
    )
    await runner.setup()
    connections.server = runner.server
    try:
        await _Site(runner, at, connections).start()
    except BaseException:
        await runner.cleanup()
        raise
    host, port = runner.addresses[0][:2]
    return runner, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Site(web.BaseSite):
    """An address whose connections `connections` takes; aiohttp's own sites have no limit."""

    def __init__(self, runner: web.AppRunner, at: socket.socket | tuple[str, int], connections: Connections) -> None:
        super().__init__(runner)
        self._at = at
        self._connections = connections

    @property
    def name(self) -> str:
        """The address."""
        return str(self._at)

    async def start(self) -> None:
        """Listen."""
        await super().start()
        loop, accept = asyncio.get_running_loop(), self._connections.accept
        if isinstance(self._at, tuple):
            self._server = await loop.create_server(accept, *self._at, backlog=_BACKLOG)
        else:
            self._server = await loop.create_server(accept, sock=self._at, backlog=_BACKLOG)


def cut_connections(runner: web.AppRunner) -> None:
    """Break off every connection, so that a clean-up under way need not wait for the replies on them."""
    server = runner.server
    for connection in server.connections if server is not None else ():
        if connection.transport is not None:
            connection.transport.abort()
