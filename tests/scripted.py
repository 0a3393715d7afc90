"""An HTTP server on a raw socket: it sends the bytes a test gives it, at its cuts, at its pace, with its end."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Then(Enum):
    """What a script can do but send: else, the connection is closed at its end."""

    HOLD = "stay open and silent until the client goes"
    RESET = "break the connection off"
    KEEP = "serve the next request on the same connection"


Step = bytes | float | asyncio.Event | Then
Script = Sequence[Step]


@dataclass
class Request:
    """A request, and the connection that it came on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has closed the connection."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the script is played and, unless the connection is kept, that is closed."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedServer:
    """Answers a path with its scripts, one after the other; the last one again and again.

    A script is a sequence of bytes to send as they are, seconds to wait, events to wait for, and `Then`.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""
        self._scripts: dict[str, list[Script | Callable[[Request], Script]]] = {}
        self._arrived = asyncio.Condition()
        self._serving: set[asyncio.Task[None]] = set()

    def on(self, path: str, *scripts: Script | Callable[[Request], Script]) -> None:
        self._scripts[path] = list(scripts)

    def to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path.partition("?")[0] == path]

    async def request(self, path: str, number: int = 0) -> Request:
        """Return the request to `path` with that number, when it has come."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.to(path)) > number)
        return self.to(path)[number]

    async def at_rest(self) -> None:
        """Wait until nothing is under way: what is held open is closed by the client, and soon."""
        async with asyncio.timeout(2):
            for request in tuple(self.requests):
                await request.over.wait()

    async def forsaken(self) -> None:
        """Wait until no connection is left: the client has closed those that it kept, too."""
        if self._serving:
            _, left = await asyncio.wait(self._serving, timeout=2)
            assert not left, f"the client has left {len(left)} of {self.connections} connections open"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch: asyncio.Task[None] | None = None
        request: Request | None = None
        more = True
        try:
            while more:
                request = await _read(reader)
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                script = self._script_for(request)
                more = Then.KEEP in script
                if not more:
                    watch = asyncio.create_task(_notice_end(reader, request.gone))
                for step in script:
                    await _play(step, writer, request)
                if more:
                    request.over.set()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went first
        finally:
            if watch:
                watch.cancel()
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()
            if request:
                request.over.set()

    def _script_for(self, request: Request) -> Script:
        scripts = self._scripts.get(request.path.partition("?")[0])
        if not scripts:
            return [reply(404, b"no script for this path")]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(request) if callable(script) else script


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _notice_end(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    with suppress(OSError):
        await reader.read()
    gone.set()


async def _play(step: Step, writer: asyncio.StreamWriter, request: Request) -> None:
    if isinstance(step, bytes):
        writer.write(step)
        await writer.drain()
    elif isinstance(step, float):
        await asyncio.sleep(step)
    elif isinstance(step, asyncio.Event):
        await step.wait()
    elif step is Then.HOLD:
        await request.gone.wait()
    elif step is Then.RESET:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, limit=2**26)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield scripted
    finally:
        server.close()
        await scripted.close()


def reply(status: int, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """Return a whole response with its length."""
    head = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "Connection: close", *headers, "", ""]).encode() + body


def envelope(code: Any = 0, data: Any = (), message: str = "", *, status: int = 200) -> bytes:
    """Return a response of the Berlin protocol that is no stream."""
    return reply(status, json.dumps({"code": code, "data": data, "message": message}).encode())


def head(*headers: str, content_type: str = "text/event-stream", status: int = 200) -> bytes:
    """Return the head of a response that ends with its connection."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


HEAD = head()
CHUNKED_HEAD = head("Transfer-Encoding: chunked")
KEPT_HEAD = CHUNKED_HEAD.replace(b"Connection: close\r\n", b"")
LAST_HTTP_CHUNK = b"0\r\n\r\n"


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunk(content: str | None, segment: str = "text", end: bytes = b"\n\n") -> bytes:
    """Return one object of a Berlin stream."""
    return json.dumps({"id": "c1", "role": "assistant", "segment": segment, "content": content}).encode() + end


def stream(*contents: str) -> bytes:
    """Return a whole Berlin stream."""
    return b"".join([chunk("", "start"), *(chunk(content) for content in contents), chunk("", "stop", end=b"")])


def slices(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]
