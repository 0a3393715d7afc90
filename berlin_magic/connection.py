"""Where questions go: the server that the user has named, or the embedded one where there is none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from berlin_magic.access import access_to
from berlin_magic.berlin import DEFAULT_MODEL, DEFAULT_URL, Berlin
from berlin_magic.provider import Provider
from berlin_magic.secret import Secret

if TYPE_CHECKING:
    from berlin_magic.server.local import LocalServer

__all__ = ["EMBEDDED_MODEL", "Connection", "close_embedded", "connect"]

EMBEDDED_MODEL = "berlin-guide"
"""What the embedded engine calls itself: a guide to this package, not a language model."""

_SECRETS = {"password", "token", "proxy"}  # a proxy's address may hold a password


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider and how to reach its server.

    Attributes
    ----------
    provider : type of Provider
        Whom to ask.
    settings : mapping
        Keywords for its `create_async_generator`; passwords and tokens among them are each a `Secret`.
    where : str
        The server's address, for messages.
    model : str
        The model to ask where none is named.
    embedded : bool
        Whether it is the embedded server.
    """

    provider: type[Provider]
    settings: Mapping[str, Any] = field(repr=False)
    where: str
    model: str
    embedded: bool = False


async def connect(**given: Any) -> Connection:
    """Return the connection for `given` settings; start the embedded server where nothing is configured.

    Parameters
    ----------
    **given
        ``url``, ``account``, ``password``, ``token``, ``proxy``, ``silence``; empty ones count as not given.

    Raises
    ------
    BerlinError
        Where the embedded server can't be started.
    """
    # Under the same name: a verbose traceback shows what this frame was given.
    given = {name: Secret(value) if value and name in _SECRETS else value for name, value in given.items()}
    settings = {name: value for name, value in given.items() if value not in (None, "")}
    named = {"url", "account", "password", "token"} & settings.keys()
    model = os.environ.get("BERLIN_MODEL", "")
    if named or Berlin.configured():
        access = access_to(settings.get("url"), class_url=Berlin.url, default_url=DEFAULT_URL)
        return Connection(Berlin, settings, access.where, model or DEFAULT_MODEL)
    server = await asyncio.to_thread(_embedded_server)
    settings.pop("proxy", None)  # no proxy reaches this machine's own loopback
    settings |= {"url": server.url, "account": server.account, "password": server.password, "shared": False}
    return Connection(Berlin, settings, server.url, model or EMBEDDED_MODEL, embedded=True)


_server: LocalServer | None = None
_starting = threading.Lock()


def _embedded_server() -> LocalServer:
    global _server  # noqa: PLW0603 - one a process, for all of its notebooks and conversations
    from berlin_magic.server.local import LocalServer  # noqa: PLC0415 - a slow import, needed only here

    with _starting:
        if _server is None or not _server.alive:
            _server = LocalServer.start()
        return _server


def close_embedded() -> None:
    """End the embedded server, where there is one; the next question starts another."""
    global _server  # noqa: PLW0603
    with _starting:
        if _server is not None:
            _server.close()
            _server = None
