"""berlin-server beside a pass-through of the same bytes: CPU a piece, first word, memory; none lost, none mixed.

Engine, server and clients are a process each. The engine speaks OpenAI's protocol, the clients ask all at once; each is
an account of its own. The pass-through is an aiohttp application that forwards what it reads, and does nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks.measure import Figure, Options, fresh, processor_time, resident, running, started

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 120.0  # seconds


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(value: object) -> bytes:
    return _chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


class _Engine(asyncio.Protocol):
    """Answers each question with its own last word, again and again at a pace; bare, so that it costs little."""

    def __init__(self, pieces: int, pace: float) -> None:
        self._pieces, self._pace = pieces, pace
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        sizes = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not found or len(body) < sum(sizes):
            return
        self._received = b""
        if head.startswith(b"GET"):
            models = json.dumps({"data": [{"id": "echo"}]}).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(models), models))
            return
        asked = json.loads(body)
        word = asked["messages"][-1]["content"] if "messages" in asked else asked["prompt"]
        piece = _event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        self._transport.write(HEAD)
        self._say(piece, self._pieces)

    def _say(self, piece: bytes, left: int) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(piece)
            asyncio.get_running_loop().call_later(self._pace, self._say, piece, left - 1)
            return
        end = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = _event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": self._pieces}})
        self._transport.write(end + usage + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def engine(pieces: int, pace: float) -> None:
    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Engine(pieces, pace), "127.0.0.1", 0, backlog=4096)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()

    _raise_limit()
    asyncio.run(forever())


def pass_through(upstream: str) -> None:
    import aiohttp  # noqa: PLC0415
    from aiohttp import web  # noqa: PLC0415

    async def forever() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def login(_: web.Request) -> web.Response:
                return web.json_response({"data": {"token": "t"}})

            async def forward(request: web.Request) -> web.StreamResponse:
                body = await request.read()
                response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                async with session.post(f"{upstream}/v1/chat/completions", data=body) as answer:
                    await response.prepare(request)
                    async for data in answer.content.iter_any():
                        await response.write(data)
                return response

            app = web.Application()
            app.router.add_post("/api/login", login)
            app.router.add_post("/api/chat/completions", forward)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
            print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
            await asyncio.Event().wait()

    _raise_limit()
    asyncio.run(forever())


def _raise_limit() -> None:
    from berlin_magic.server.descriptors import raise_limit  # noqa: PLC0415

    raise_limit()


class _Client(asyncio.Protocol):
    """Sends one request; notes when the first word came, and keeps what it reads."""

    def __init__(self, request: bytes, word: bytes) -> None:
        self._request, self._word = request, word
        self.received = bytearray()
        self.first = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.first and self._word in self.received:
            self.first = time.perf_counter()
        if self.received.endswith(b"0\r\n\r\n"):
            self._end()

    def connection_lost(self, _: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        self._transport.close()
        if not self.ended.done():
            self.ended.set_result(None)


def clients(address: str, streams: int, pieces: int, server: int) -> dict[str, float]:
    """Ask `streams` questions at once; return what came, how soon, and what it cost the server's process."""
    import aiohttp  # noqa: PLC0415

    async def run() -> dict[str, float]:
        port = int(address.rpartition(":")[2])
        tokens = []
        async with aiohttp.ClientSession() as session:
            for number in range(streams):
                login = {"account": f"account-{number}", "password": "x"}
                async with session.post(f"{address}/api/login", json=login) as answer:
                    tokens.append((await answer.json())["data"]["token"])
        loop = asyncio.get_running_loop()
        asked: list[tuple[_Client, float, bytes]] = []

        async def ask(number: int) -> None:
            word = f"<{number}>"
            body = json.dumps({"prompt": word, "parentMessageId": f"p{number}", "options": {}}).encode()
            head = f"POST /api/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\ntoken: {tokens[number]}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            start = time.perf_counter()
            _, client = await loop.create_connection(
                lambda: _Client(head.encode() + body, word.encode()), "127.0.0.1", port
            )
            asked.append((client, start, word.encode()))
            await client.ended

        before = processor_time(server)
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(*map(ask, range(streams)))
        spent = processor_time(server) - before
        firsts = sorted(client.first - start for client, start, _ in asked)
        whole = sum(client.received.count(word) == pieces for client, _, word in asked)
        mixed = sum(client.received.count(b"<") != client.received.count(word) for client, _, word in asked)
        return {
            "cpu": spent / (streams * pieces) * 1e6,
            "first": firsts[int(0.99 * (len(firsts) - 1))],
            "lost": streams - whole,
            "mixed": mixed,
            "memory": resident(server),
        }

    _raise_limit()
    return asyncio.run(run())


def measured(which: str, streams: int, pieces: int, pace: float) -> dict[str, float]:
    """Return the figures of one fresh server, and of fresh clients."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        _, upstream = stack.enter_context(running(engine, pieces, pace))
        process: AbstractContextManager[tuple[int, str]] = running(pass_through, upstream)
        if which == "berlin-server":
            command = [sys.executable, "-m", "berlin_magic.server", "--port", "0", "--open"]
            process = started([*command, "--upstream", upstream, "--state", str(Path(folder) / "state.db")])
        pid, address = stack.enter_context(process)
        fresh(clients, address, min(streams, 20), pieces, pid)  # imports, and warms up
        found: dict[str, float] = fresh(clients, address, streams, pieces, pid)
        return found


def figures(options: Options) -> Iterator[Figure]:
    loads = [(1, 100, 0.01), (100, 20, 0.1)] if options.short else [(1, 500, 0.01), (100, 50, 0.1), (1_000, 20, 1.0)]
    for streams, pieces, pace in loads:
        runs = [
            (measured("berlin-server", streams, pieces, pace), measured("pass-through", streams, pieces, pace))
            for _ in range(min(options.rounds, 3))
        ]
        mine, theirs = [run[0] for run in runs], [run[1] for run in runs]
        title = f"{streams:,} streams"
        for key, name, unit in (("cpu", "CPU a piece", "µs"), ("first", "first word, p99", "s")):
            ours, reference = [run[key] for run in mine], [run[key] for run in theirs]
            bound = None if key == "first" and streams == 1 else 2  # of one stream it is a single sample
            yield Figure(f"{title}, {name}", unit, ours, "pass-through", reference, bound)
        memory = [run["memory"] for run in mine]
        yield Figure(f"{title}, memory", "MB", memory, "pass-through", [run["memory"] for run in theirs])
        for key in ("lost", "mixed"):
            yield Figure(f"{title}, {key}", "", [max(run[key] for run in mine)], bound=0, exact=True)
