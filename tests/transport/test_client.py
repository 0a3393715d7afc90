"""Connections that are kept: for the next question, no longer than the loop, and never at the price of a reply."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest
from asking import HELLO, TOKEN, outcome
from scripted import KEPT_HEAD, LAST_HTTP_CHUNK, Then, chunk, http_chunk, reply, stream

from berlin_magic.errors import IncompleteReplyError, ServerUnreachableError
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.transport import client, request

pytestmark = pytest.mark.slow

CHAT = "/api/chat/completions"
WHOLE = [KEPT_HEAD, http_chunk(stream("all ", "well")), LAST_HTTP_CHUNK, Then.KEEP]


def ask(url, **given):
    return outcome(Berlin.create_async_generator("", HELLO, url=url, token=TOKEN, **given))


class ClosingServer:
    """A server in a thread of its own, which closes each connection after `answers`, and does not say so before."""

    def __init__(self, *answers: bytes, also: bytes = b"", kept_for: float = 0) -> None:
        self.answers = answers
        self.kept_for = kept_for  # seconds before it closes a connection
        self.also = also  # said a moment after each answer, unasked
        self.said_more = threading.Event()
        self.requests = 0
        self.closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            for answer in self.answers:
                if not self._read(connection):
                    break
                self.requests += 1
                connection.sendall(answer)
                if self.also:
                    time.sleep(0.05)
                    connection.sendall(self.also)
                    self.said_more.set()
            if self.also:
                self._read(connection)
            time.sleep(self.kept_for)
        self.closed.set()

    @staticmethod
    def _read(connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (read := connection.recv(2**16)):
                return False
            data += read
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
        while len(body) < length:
            body += connection.recv(2**16)
        return True


async def test_the_next_question_goes_over_the_same_connection(server):
    server.on(CHAT, WHOLE)
    for _ in range(3):
        assert (await ask(server.url)).text == "all well"
    assert len(server.to(CHAT)) == 3
    assert server.connections == 1


async def test_the_end_of_http_may_come_a_moment_after_the_last_word(server):
    server.on(CHAT, [*WHOLE[:-2], 0.005, *WHOLE[-2:]])
    for _ in range(2):
        assert (await ask(server.url)).error is None
    assert server.connections == 1


async def test_a_server_that_never_ends_its_http_does_not_keep_the_cell(server):
    server.on(CHAT, [*WHOLE[:-2], Then.HOLD])
    async with asyncio.timeout(2):
        assert (await ask(server.url)).text == "all well"
    request = await server.request(CHAT)
    await asyncio.wait_for(request.gone.wait(), 1)


async def test_questions_at_the_same_time_do_not_wait_for_each_other(server):
    go_on = asyncio.Event()
    server.on(CHAT, [KEPT_HEAD, http_chunk(chunk("", "start")), go_on, *WHOLE[1:]])
    questions = [asyncio.create_task(ask(server.url)) for _ in range(120)]  # more than aiohttp's own limit
    await server.request(CHAT, 119)
    go_on.set()
    assert {(await question).text for question in questions} == {"all well"}


async def test_what_was_stopped_is_closed_and_serves_no_other(server):
    server.on(CHAT, [KEPT_HEAD, http_chunk(chunk("word ")), Then.HOLD], WHOLE)
    stopped = Berlin.create_async_generator("", HELLO, url=server.url, token=TOKEN)
    assert await anext(stopped) == "word "
    await stopped.aclose()
    await asyncio.wait_for((await server.request(CHAT)).gone.wait(), 1)
    assert (await ask(server.url)).text == "all well"
    assert server.connections == 2


async def test_a_reply_that_was_cut_is_not_asked_for_again_on_another_connection(server):
    server.on(CHAT, WHOLE, [KEPT_HEAD, http_chunk(chunk("word "))])
    assert (await ask(server.url)).error is None
    cut = await ask(server.url)
    assert (cut.text, type(cut.error)) == ("word ", IncompleteReplyError)
    assert len(server.to(CHAT)) == 2


async def test_an_answer_that_had_begun_is_not_asked_for_again_on_another_connection(server):
    server.on(CHAT, WHOLE, [b"HTTP/1.1 200 OK\r\nContent-"])
    assert (await ask(server.url)).error is None
    assert type((await ask(server.url)).error) is ServerUnreachableError
    assert len(server.to(CHAT)) == 2


@pytest.mark.parametrize("more", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"], ids=["", "a 408"])
async def test_a_connection_that_was_closed_while_the_kernel_computed_costs_no_question(order, more):
    with ClosingServer(b"".join(WHOLE[:-1]) + more) as server:
        for _ in range(2):
            server.closed.clear()
            assert (await ask(server.url)).text == "all well"
            assert server.closed.wait(5)  # the loop does not run meanwhile
        assert server.requests == 2


async def test_a_request_on_a_connection_that_was_kept_is_sent_once(server):
    """The server may have read it, and begun to pay for its answer."""
    server.on(CHAT, WHOLE, [0.1])
    assert (await ask(server.url)).error is None
    assert type((await ask(server.url)).error) is ServerUnreachableError
    assert len(server.to(CHAT)) == 2


@pytest.mark.parametrize("unasked", [WHOLE[:-1], [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"]])
@pytest.mark.parametrize("blocked", [False, True])
async def test_what_a_server_says_unasked_is_no_answer_to_the_next_question(order, unasked, blocked):
    stale = b"".join(unasked).replace(b"well", b"ill.")
    with ClosingServer(b"".join(WHOLE[:-1]), also=stale) as server:
        assert (await ask(server.url)).text == "all well"
        assert server.said_more.wait(5)  # the loop does not run meanwhile
        if not blocked:
            await asyncio.sleep(0.05)
        assert (await ask(server.url)).text == "all well"
        assert server.requests == 2


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("kept_for", [0, 0.0005, 0.002])
async def test_a_question_straight_after_an_error_does_not_go_over_the_connection_that_the_server_destroys(
    order, status, kept_for
):
    refusal = reply(status, b"no").replace(b"Connection: close\r\n", b"")
    with ClosingServer(refusal, kept_for=kept_for) as server:
        for _ in range(10):
            assert (await ask(server.url)).failure.status == status
        assert server.requests == 10


async def test_a_question_that_the_server_can_not_have_read_is_sent_again(order):
    """The connection is lost while the question is still being written, so that only a part of it has arrived."""
    with ClosingServer(b"".join(WHOLE[:-1]), kept_for=0.002) as server:
        for _ in range(3):
            long = [{"role": "user", "content": "x" * 2**23}]
            asked = Berlin.create_async_generator("", HELLO, url=server.url, token=TOKEN)
            assert (await outcome(asked)).text == "all well"
            asked = Berlin.create_async_generator("", long, url=server.url, token=TOKEN)
            assert (await outcome(asked)).text == "all well"
            assert server.closed.wait(5)
            await asyncio.sleep(0.05)
        assert server.requests == 6


async def test_a_question_that_is_never_read_is_sent_twice_and_no_more(order):
    connections = 0

    async def destroy(reader, writer):
        nonlocal connections
        connections += 1
        await reader.read(10)
        writer.transport.abort()

    async with await asyncio.start_server(destroy, "127.0.0.1", 0, limit=1) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        long = [{"role": "user", "content": "x" * 2**24}]
        asked = Berlin.create_async_generator("", long, url=url, token=TOKEN, retries=0)
        assert type((await outcome(asked)).failure) is ServerUnreachableError
    assert connections == 2


@pytest.mark.parametrize("leave", ["at the head", "at its end", "cancelled"])
async def test_an_upload_that_nobody_reads_to_its_end_leaves_nothing_unretrieved(order, leave):
    """The `order` fixture holds this test to that."""
    gone = asyncio.Event()

    async def refuse(reader, writer):
        writer.write(reply(413, b"no")[:-2])
        await asyncio.sleep(0.05)
        writer.write(b"no")
        await asyncio.sleep(0.1)
        writer.transport.abort()
        gone.set()

    async def ask_and_leave(url):
        asked = request.requested(
            "POST", request.address(url), headers={}, proxy=None, silence=5, json={"prompt": "x" * 2**24}
        )
        async with asked as response:
            if leave == "at its end":
                await request.whole_body(response, silence=5)
            elif leave == "cancelled":
                asyncio.get_running_loop().call_soon(task.cancel)
                await asyncio.sleep(1)

    async with await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        task = asyncio.create_task(ask_and_leave(url))
        await asyncio.wait({task})
        await gone.wait()
        await asyncio.sleep(0.1)


async def test_an_idle_connection_is_closed_soon(server, monkeypatch):
    monkeypatch.setattr(client, "KEPT", 0.05)
    server.on(CHAT, [*WHOLE[:-1], Then.HOLD])
    assert (await ask(server.url)).error is None
    await asyncio.wait_for((await server.request(CHAT)).gone.wait(), 2)


def test_a_loop_that_shuts_down_closes_its_connections():
    with ClosingServer(*[b"".join(WHOLE[:-1])] * 9) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(ask(server.url)).text == "all well"
        assert server.closed.wait(5)
        gc.collect()
    assert not client._kept


def test_a_loop_that_is_closed_without_shutting_down_leaves_nothing_to_complain_of():
    with ClosingServer(*[b"".join(WHOLE[:-1])] * 9) as server:
        reported: list[object] = []
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        assert loop.run_until_complete(ask(server.url)).text == "all well"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # asyncio's own, of the socket that was left open
            loop.close()
            del loop
            assert asyncio.run(ask(server.url)).text == "all well"
            gc.collect()
    assert not client._kept
    assert not reported


def test_each_thread_with_a_loop_has_its_own():
    with ClosingServer(*[b"".join(WHOLE[:-1])] * 9) as server:
        texts: list[str] = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: texts.append(asyncio.run(ask(server.url)).text))
            thread.start()
            thread.join()
    assert texts == ["all well"] * 2
    assert not client._kept


@pytest.mark.parametrize("ending", ["", "loop.close()"], ids=["left open", "closed"])
def test_a_process_that_ends_says_nothing_of_it(ending):
    """As a kernel and terminal IPython do, which never shut their loop down."""
    program = textwrap.dedent(f"""
        import asyncio, sys
        from berlin_magic.providers.berlin.provider import Berlin
        async def ask():
            return "".join([text async for text in Berlin.create_async_generator(
                "", [{{"role": "user", "content": "Hello"}}], url=sys.argv[1], token="t")])
        loop = asyncio.new_event_loop()
        print(loop.run_until_complete(ask()))
        {ending}
    """)
    with ClosingServer(*[b"".join(WHOLE[:-1])] * 9) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, server.url],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr, done.returncode) == ("all well\n", "", 0)
        assert server.closed.wait(5)
