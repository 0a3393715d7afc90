"""The HTTP session of an event loop: its connections serve the next questions, and are closed with the loop."""

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

    aiohttp's own resolver uses asyncio's few threads: a few lookups that hang, given up or not, block everything else
    that needs a thread, and the process from ending. Here a wait also lets an interrupt through.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`, as the system gives them; the caller sets the limit.

        Raises
        ------
        OSError
            If it has none.
        """
        return await in_thread(lambda: _addresses(host, port, family))

    async def close(self) -> None:
        """Do nothing: nothing is kept."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    # With AI_ADDRCONFIG, a Windows that is offline does not know itself (aiohttp 3.14, resolver.py).
    local = host.rstrip(".").lower().endswith("localhost")
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=0 if local else _CONFIGURED)
    return [_address(host, kind, proto, where) for kind, _, proto, _, where in found if kind in _FAMILIES]


_FAMILIES = {socket.AF_INET, socket.AF_INET6}
_CONFIGURED = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", -1)  # macOS refuses flags outside of its mask
_NUMERIC = socket.AddressInfo(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)


def _address(hostname: str, family: socket.AddressFamily, proto: int, where: Any) -> ResolveResult:
    # With its zone, without which a link-local address of IPv6 has no use.
    host, port = socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return ResolveResult(hostname=hostname, host=host, port=int(port), family=family, proto=proto, flags=_NUMERIC)


KEPT = 4.0
"""Seconds that an idle connection is kept: uvicorn and Node close one after five, and a question would meet that."""

_OK = 200
_ROUNDS = 3  # of the loop, in which it reads what has come, and hands it out
_CLOSING = 1.0  # seconds for it at the end of the process


@dataclass(frozen=True, slots=True)
class _Kept:
    session: aiohttp.ClientSession
    end: AsyncGenerator[None, None] = field(repr=False)


# By process as well: a fork inherits its parent's connections, which it must neither use nor close.
_kept: dict[tuple[int, asyncio.AbstractEventLoop], _Kept] = {}


async def session_of_loop() -> aiohttp.ClientSession:
    """Return the session of the running loop; it is closed when the loop shuts down, or with the process.

    A connection that the server has closed meanwhile, or on which it has sent something unasked, is no longer in it: a
    kernel that was computing has not seen that yet, and a question over it would be lost, or answered with what was
    left there.
    """
    await _drop_those_of_closed_loops()
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    key = os.getpid(), asyncio.get_running_loop()
    kept = _kept.get(key)
    if kept is None or kept.session.closed:
        session = new_session()
        kept = _kept[key] = _Kept(session, _closing(session, key))
        await anext(kept.end)  # from here on the loop knows it, and closes it in `shutdown_asyncgens`
    return kept.session


def new_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """Return a session that keeps no cookies: they would be one more secret."""
    # With its cache, a lookup that is given up goes on as a task of its own, on the user's loop.
    connector = connector or aiohttp.TCPConnector(
        limit=0, keepalive_timeout=KEPT, use_dns_cache=False, resolver=NameLookup()
    )
    if type(connector) is aiohttp.TCPConnector and hasattr(connector, "_factory"):  # SOCKS' has one of its own
        connector._factory = partial(_Careful, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001 - no other way
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # `received` does it for servers that compress anyway, and says what it can't undo
        headers={"Accept-Encoding": "identity"},  # compressed streams arrive in lumps
        json_serialize=to_json,
    )


def to_json(value: object) -> str:
    """Return `value` as JSON without escapes: with them, half as much of most languages fits a server's limit."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or not _HALF.search(text) else json.dumps(value)


_HALF = re.compile("[\ud800-\udfff]")
"""Half a character, which UTF-8 can't spell and an escape can."""


class _Careful(ResponseHandler):
    """Serve no second request after an error, or if anything is left of the first; parse a head before its body.

    For the limit on silence, aiohttp makes a new timer at each read. Here one timer runs on; when it ends, the time of
    the last read says how long to wait on.

    Servers close a connection after an error without saying so, and the next question would meet that.
    A parser in C (aiohttp 3.14) that meets broken framing drops the response that began in the same read, and all words
    of it: with a Content-Length that is a few bytes short, a whole reply.
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
        """Say whether it can be used; the pool asks nothing else of a connection that was idle."""
        return super().is_connected() and not self.should_close

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], *size: int) -> None:
        """Take a response whose head was parsed."""
        if data[0].code != _OK:
            self.force_close()
        super().feed_data(data, *size)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if not data:  # aiohttp asks for more of what it has, once for each of HTTP's chunks
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


async def _drop_those_of_closed_loops() -> None:
    """Close the sessions whose loop was closed without `shutdown_asyncgens`: aiohttp would complain of them later."""
    for key in [(pid, loop) for pid, loop in list(_kept) if pid == os.getpid() and loop.is_closed()]:
        if kept := _kept.pop(key, None):
            await kept.session.close()


@atexit.register
def _close_all() -> None:
    """Close what is left when the process ends: a kernel's loop is stopped by then, and never shut down."""
    for pid, loop in list(_kept):
        if pid == os.getpid() and not loop.is_running() and (kept := _kept.pop((pid, loop), None)):
            with suppress(Exception):
                closing = asyncio.wait_for(kept.session.close(), _CLOSING)
                if loop.is_closed():
                    asyncio.run(closing)
                else:
                    loop.run_until_complete(closing)
