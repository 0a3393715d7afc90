"""Connections over real sockets: how many there can be, and which ones make room."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from server.scripted_engine import ScriptedEngine

from berlin_magic.server import descriptors
from berlin_magic.server.accounts.model import OpenAccounts
from berlin_magic.server.application import application
from berlin_magic.server.connections import log_refused_connections
from berlin_magic.server.serving import listen

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CONFIG = b"GET /api/config HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = (
    b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    b"Expect: 100-continue\r\n\r\n"
)


class Listening:
    def __init__(self, url: str, made: list[asyncio.StreamWriter]) -> None:
        self._at = url.removeprefix("http://").split(":")
        self._made = made

    @property
    def address(self) -> tuple[str, int]:
        return self._at[0], int(self._at[1])

    async def connect(self, said: bytes = b"") -> Connection:
        reader, writer = await asyncio.open_connection(*self._at)
        self._made.append(writer)
        writer.write(said)
        return reader, writer


Listen = Callable[..., Awaitable[Listening]]


@pytest.fixture
async def listening() -> AsyncIterator[Listen]:
    runners, made = [], []

    async def start(**settings: float) -> Listening:
        runner, url = await listen(
            application(ScriptedEngine(), OpenAccounts()), ("127.0.0.1", 0), grace=0.1, **settings
        )
        runners.append(runner)
        return Listening(url, made)

    yield start
    for writer in made:
        writer.close()
    for runner in runners:
        await runner.cleanup()


async def answer(connection: Connection) -> bytes:
    return await asyncio.wait_for(connection[0].readline(), 5)


async def test_connections_that_ask_nothing_make_room_for_one_that_does(listening: Listen):
    server = await listening(most=3)
    idle = [await server.connect() for _ in range(3)]
    kept = await server.connect(CONFIG)
    assert b" 200 " in await answer(kept)
    assert await answer(idle[0]) == b"", "the one that was silent for longest"
    for _ in range(5):
        assert b" 200 " in await answer(await server.connect(CONFIG))


async def test_where_each_connection_has_a_request_under_way_a_new_one_is_told_to_come_again(listening: Listen):
    server = await listening(most=2)
    asking = [await server.connect(SLOW) for _ in range(2)]
    for each in asking:
        assert b" 100 " in await answer(each)
        assert await answer(each) == b"\r\n"
    told = await asyncio.wait_for((await server.connect(CONFIG))[0].read(), 5)
    assert b" 503 " in told
    assert b"Retry-After: 2" in told
    assert b"Too many connections" in told
    for each in asking:
        each[1].write(b"123456789")
        assert b" 406 " in await answer(each)


@pytest.mark.parametrize("said", [b"", b"GET /api/config HTT", CONFIG])
async def test_a_connection_that_asks_nothing_for_long_is_closed(listening: Listen, said: bytes):
    reader, _ = await (await listening(idle=0.1)).connect(said)
    await asyncio.wait_for(reader.read(), 5)


_SYSTEM_LIMIT = Path("/proc/sys/net/core/somaxconn")


@pytest.mark.skipif(
    not _SYSTEM_LIMIT.exists() or int(_SYSTEM_LIMIT.read_text()) < 1_000,
    reason="the system itself holds fewer connections",
)
async def test_hundreds_of_clients_can_connect_while_the_server_is_busy(listening: Listen):
    address = (await listening()).address
    with ExitStack() as clients:
        for _ in range(300):  # the event loop accepts none of them meanwhile
            clients.enter_context(socket.create_connection(address, timeout=0.9))


async def test_that_no_connection_can_be_taken_is_told_in_one_line_and_anything_else_as_ever(caplog):
    loop = asyncio.get_running_loop()
    log_refused_connections(loop)
    for _ in range(100):
        loop.call_exception_handler({"message": "socket.accept()", "exception": OSError(errno.EMFILE, "x")})
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].message
    with caplog.at_level(logging.ERROR):
        loop.call_exception_handler({"message": "something else", "exception": KeyError("x")})
    loop.set_exception_handler(None)
    assert "something else" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_limit_on_open_files_is_raised_and_bounds_the_connections():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert descriptors.most_connections() == 96
        descriptors.raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
        assert descriptors.most_connections() > 96
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
