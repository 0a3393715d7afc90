"""Listening: an application on an address, until it is closed."""

from __future__ import annotations

import logging
import socket

from aiohttp import web

__all__ = ["cut_connections", "listen"]

# aiohttp quotes what it could not parse, which may hold a token, and Python shows a log that nobody reads on standard
# error: in a kernel, in the user's cell. The application has a log of its own.
_silent = logging.getLogger("berlin_magic.server.http")
_silent.disabled = True


async def listen(
    app: web.Application,
    at: socket.socket | tuple[str, int],
    *,
    grace: float = 5.0,
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

    Raises
    ------
    OSError
        Where the address can't be had.
    """
    runner = web.AppRunner(
        app,
        # Without it an engine would go on talking, and be paid, until its next word finds the client gone.
        handler_cancellation=True,
        shutdown_timeout=grace,
        logger=_silent,
        access_log=None,  # ours is a part of the application: it knows the account and how a reply ended
    )
    await runner.setup()
    try:
        site: web.BaseSite = web.TCPSite(runner, at[0], at[1]) if isinstance(at, tuple) else web.SockSite(runner, at)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    host, port = runner.addresses[0][:2]
    return runner, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def cut_connections(runner: web.AppRunner) -> None:
    """Break off every connection, so that a clean-up under way need not wait for the replies on them."""
    server = runner.server
    for connection in server.connections if server is not None else ():
        if connection.transport is not None:
            connection.transport.abort()
