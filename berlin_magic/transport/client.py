"""Keep one HTTP session for each event loop."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from berlin_magic.concurrency import in_thread

__all__ = ["KEPT", "NameLookup", "new_session", "session_of_loop", "to_json"]


class NameLookup(AbstractResolver):
    """Resolve names for aiohttp's connectors.

    aiohttp's own resolver uses asyncio's few threads: a few lookups that hang, even after they were
    cancelled, block everything else that needs a thread, and the end of the process. Here an interrupt ends a wait.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`, as the system gives them. The caller sets the timeout.

        Raises
        ------
        OSError
            If it has none.
        """
        return await in_thread(lambda: _addresses(host, port, family))

    async def close(self) -> None:
        """Do nothing: it holds no resources."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    # With AI_ADDRCONFIG, Windows does not find localhost when it is offline (aiohttp 3.14, resolver.py).
    local = host.rstrip(".").lower().endswith("localhost")
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=0 if local else _CONFIGURED)
    return [_address(host, kind, proto, where) for kind, _, proto, _, where in found if kind in _FAMILIES]


_FAMILIES = {socket.AF_INET, socket.AF_INET6}
_CONFIGURED = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", -1)  # macOS refuses flags outside of its mask
_NUMERIC = socket.AddressInfo(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)


def _address(hostname: str, family: socket.AddressFamily, proto: int, where: Any) -> ResolveResult:
    # With the zone, which a link-local address of IPv6 needs.
    host, port = socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return ResolveResult(hostname=hostname, host=host, port=int(port), family=family, proto=proto, flags=_NUMERIC)


KEPT = 4.0
"""Seconds that an idle connection is kept: uvicorn and Node close one after five, and the next question would fail."""

_OK = 200
_LOOP_ROUNDS = 3  # in which the event loop reads what has arrived, and passes it on
_CLOSE_TIMEOUT = 1.0  # seconds at the end of the process


@dataclass(frozen=True, slots=True)
class _Kept:
    session: aiohttp.ClientSession
    end: AsyncGenerator[None, None] = field(repr=False)


# By process as well: a fork inherits its parent's connections, which it must neither use nor close.
_kept: dict[tuple[int, asyncio.AbstractEventLoop], _Kept] = {}


async def session_of_loop() -> aiohttp.ClientSession:
    """Return the session of the running loop; it is closed when the loop shuts down, or with the process.

    It drops connections that the server has closed meanwhile, or on which it has sent data without a request. A kernel
    that was computing has not read that yet, and the next question over such a connection would be lost, or get that
    data as its answer.
    """
    await _close_sessions_of_closed_loops()
    for _ in range(_LOOP_ROUNDS):
        await asyncio.sleep(0)
    key = os.getpid(), asyncio.get_running_loop()
    kept = _kept.get(key)
    if kept is None or kept.session.closed:
        session = new_session()
        kept = _kept[key] = _Kept(session, _closing(session, key))
        await anext(kept.end)  # started, so that the loop closes it in `shutdown_asyncgens`
    return kept.session


def new_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """Return a session without cookies, which would be further secrets."""
    # No cache: with it, a cancelled lookup goes on as a task on the user's loop.
    connector = connector or aiohttp.TCPConnector(
        limit=0, keepalive_timeout=KEPT, use_dns_cache=False, resolver=NameLookup()
    )
    if type(connector) is aiohttp.TCPConnector and hasattr(connector, "_factory"):  # SOCKS' has one of its own
        connector._factory = partial(_ResponseHandler, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001 - no other way
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # `received` decompresses, with an error for what it can't
        headers={"Accept-Encoding": "identity"},  # compressed streams arrive with delays
        json_serialize=to_json,
    )


def to_json(value: object) -> str:
    """Return `value` as JSON without escapes, which double the size of most languages' texts."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value)


_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which JSON can hold as an escape, but UTF-8 can't."""


class _ResponseHandler(ResponseHandler):
    """Use no connection again after an error, or with unread data; parse the head of a response before its body.

    For the limit on silence, aiohttp makes a new timer at each read. Here one timer runs on; when it ends, the time of
    the last read says how long to wait on.

    Servers close a connection after an error without announcing it, and the next question would fail.
    After broken framing aiohttp's parser in C (3.14) drops a response that began in the same read, with all its text:
    if a Content-Length is a few bytes too small, a whole reply.
    """

    _last_read = 0.0

    def _reschedule_timeout(self) -> None:
        self._last_read = self._loop.time()
        timer, limit = self._read_timeout_handle, self._read_timeout
        if timer is None or not limit or timer.when() > self._last_read + limit:
            super()._reschedule_timeout()

    def _on_read_timeout(self) -> None:
        self._read_timeout_handle = None
        left = self._last_read + (self._read_timeout or 0.0) - self._loop.time()
        if left > 0:
            self._read_timeout_handle = self._loop.call_later(left, self._on_read_timeout)
        else:
            super()._on_read_timeout()

    def is_connected(self) -> bool:
        """Return whether it can be used. The pool asks only this of an idle connection."""
        return super().is_connected() and not self.should_close

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], *size: int) -> None:
        """Receive a response whose head was parsed."""
        if data[0].code != _OK:
            self.force_close()
        super().feed_data(data, *size)

    def data_received(self, data: bytes) -> None:
        """Receive bytes of the connection."""
        if not data:  # aiohttp calls it so to parse buffered data, once for each chunk
            super().data_received(data)
            return
        head, end, body = data.partition(b"\r\n\r\n")
        super().data_received(head + end)
        if body and self.exception() is None:
            super().data_received(body)


async def _closing(
    session: aiohttp.ClientSession, key: tuple[int, asyncio.AbstractEventLoop]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _kept.pop(key, None)
        await session.close()


async def _close_sessions_of_closed_loops() -> None:
    """Close the sessions whose loop was closed without `shutdown_asyncgens`: aiohttp would warn of them later."""
    for key in [(pid, loop) for pid, loop in list(_kept) if pid == os.getpid() and loop.is_closed()]:
        if kept := _kept.pop(key, None):
            await kept.session.close()


@atexit.register
def _close_all() -> None:
    """Close the sessions at the end of the process: a kernel's loop is stopped by then, but was not shut down."""
    for pid, loop in list(_kept):
        if pid == os.getpid() and not loop.is_running() and (kept := _kept.pop((pid, loop), None)):
            with suppress(Exception):
                closing = asyncio.wait_for(kept.session.close(), _CLOSE_TIMEOUT)
                if loop.is_closed():
                    asyncio.run(closing)
                else:
                    loop.run_until_complete(closing)
