"""A question that is given up: the server sees it at once, and nothing is raised, logged or left behind.

The `server` fixture holds each test to the last of these.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from asking import ACCOUNT, HELLO, PASSWORD, TOKEN
from scripted import CHUNKED_HEAD, HEAD, Then, chunk, envelope, head, http_chunk

from berlin_magic.providers.berlin.provider import Berlin

pytestmark = pytest.mark.slow

CHAT, LOGIN = "/api/chat/completions", "/api/login"
ENDLESS = [HEAD, chunk("", "start"), *[chunk("word "), 0.01] * 3000]
SILENT_AFTER_ONE = [HEAD, chunk("word "), Then.HOLD]
STREAMS = pytest.mark.parametrize(
    "script",
    [
        ENDLESS,
        SILENT_AFTER_ONE,
        [CHUNKED_HEAD, http_chunk(chunk("word ")), Then.HOLD],
        [head("Content-Length: 100000"), chunk("word "), Then.HOLD],
    ],
    ids=["talking", "silent", "chunked", "with a length"],
)


def ask(server, **given):
    return Berlin.create_async_generator("", HELLO, url=server.url, **(given or {"token": TOKEN}))


async def seen_by(server, path=CHAT, number=0) -> None:
    request = await server.request(path, number)
    await asyncio.wait_for(request.gone.wait(), 1)


@STREAMS
async def test_aclose_in_the_middle_closes_the_connection(server, script):
    server.on(CHAT, script)
    generator = ask(server)
    assert (await anext(generator)).startswith("word ")
    await generator.aclose()
    await seen_by(server)


@STREAMS
async def test_leaving_aclosing_closes_the_connection(server, script):
    server.on(CHAT, script)
    async with aclosing(ask(server)) as pieces:
        async for _ in pieces:
            break
    await seen_by(server)


@STREAMS
async def test_a_break_with_the_generator_dropped_closes_the_connection(server, script):
    server.on(CHAT, script)

    async def first_word() -> str:
        async for piece in ask(server):
            return piece
        return ""

    assert (await first_word()).startswith("word ")
    await seen_by(server)


@STREAMS
async def test_cancelling_the_task_in_the_middle_closes_the_connection(server, script):
    server.on(CHAT, script)
    pieces: list[str] = []
    begun = asyncio.Event()

    async def read() -> None:
        async for piece in ask(server):
            pieces.append(piece)
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pieces[0].startswith("word ")
    await seen_by(server)


@pytest.mark.parametrize("sent", [[], [b"HTTP/1.1 200 OK\r\n"]], ids=["nothing", "half a head"])
async def test_cancelling_before_the_answer_closes_the_connection(server, sent):
    server.on(CHAT, [*sent, Then.HOLD])
    task = asyncio.create_task(anext(ask(server)))
    await server.request(CHAT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await seen_by(server)


async def test_cancelling_at_login_closes_the_connection_and_lets_the_next_one_log_in(server):
    server.on(LOGIN, [Then.HOLD], [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [HEAD, chunk("word ", "stop")])
    first, second = (asyncio.create_task(anext(ask(server, account=ACCOUNT, password=PASSWORD))) for _ in range(2))
    await server.request(LOGIN)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await seen_by(server, LOGIN)
    assert await second == "word "
    assert len(server.to(LOGIN)) == 2


async def test_a_limit_around_the_question_closes_the_connection(server):
    server.on(CHAT, [HEAD, Then.HOLD])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await anext(ask(server))
    await seen_by(server)


async def test_an_error_of_the_reader_closes_the_connection_and_is_raised_as_it_is(server):
    server.on(CHAT, ENDLESS)

    async def read() -> None:
        async with aclosing(ask(server)) as pieces:
            async for _ in pieces:
                raise KeyError("the reader's own")

    with pytest.raises(KeyError, match="the reader's own"):
        await read()
    await seen_by(server)


async def test_a_generator_that_was_never_started_asks_nothing(server):
    generator = ask(server)
    await generator.aclose()
    ask(server)
    assert server.connections == 0


async def test_closing_twice_and_after_the_end_is_no_error(server):
    server.on(CHAT, [HEAD, chunk("word ", "stop")])
    generator = ask(server)
    assert [piece async for piece in generator] == ["word "]
    await generator.aclose()
    await generator.aclose()
    assert [piece async for piece in generator] == []


async def test_one_that_is_closed_leaves_the_others_alone(server):
    go_on = asyncio.Event()
    server.on(CHAT, SILENT_AFTER_ONE, [HEAD, chunk("word "), go_on, chunk("more", "stop")])
    first, second = ask(server), ask(server)
    assert [await anext(first), await anext(second)] == ["word ", "word "]
    await first.aclose()
    await seen_by(server)
    go_on.set()
    assert [piece async for piece in second] == ["more"]


def test_a_loop_that_ends_in_the_middle_leaves_nothing_open():
    """`asyncio.run` closes generators that are left over; a warning here would be an error."""

    async def main() -> str:
        from scripted import scripted_server

        async with scripted_server() as server:
            server.on(CHAT, SILENT_AFTER_ONE)
            return await anext(ask(server))

    assert asyncio.run(main()) == "word "
