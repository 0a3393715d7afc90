"""What decoding a reply costs: CPU a chunk over loopback, as a ratio to the bare minimum in the same run.

Run: python -m benchmarks.decoding [CHUNKS]. The server is a process of its own; each figure is the median of some
fresh processes. The limit is asyncio's streams with a fast JSON parser, and nothing else; peers are measured if they
are installed (``pip install orjson httpx httpx-sse openai``).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

RUNS = 5
BERLIN = '{{"role":"assistant","id":"chatcmpl-123456789012345678901234567","parentMessageId":"2f1","segment":"text",'
BERLIN += '"content":"word{} ","model":"gpt-3.5-turbo-0125","time":1700000000}}\n\n'
OPENAI = 'data: {{"id":"chatcmpl-1234567890","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4",'
OPENAI += '"choices":[{{"index":0,"delta":{{"content":"word{} "}},"finish_reason":null}}]}}\n\n'
ENDS = {
    "berlin": b'{"segment":"stop","id":"chatcmpl-123456789012345678901234567"}',
    "openai": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(protocol: str, count: int) -> list[bytes]:
    form = BERLIN if protocol == "berlin" else OPENAI
    return [form.format(number % 100).encode() for number in range(count)]


def framed(protocol: str, count: int, framing: str) -> bytes:
    """Return the whole response: an HTTP chunk for each object, or for each 64 kB."""
    parts = [*chunks(protocol, count), ENDS[protocol]]
    if framing == "64 kB":
        whole = b"".join(parts)
        parts = [whole[at : at + 2**16] for at in range(0, len(whole), 2**16)]
    return HEAD + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def serve(count: int) -> None:
    replies = {(p, f): framed(p, count, f) for p in ENDS for f in ("each", "64 kB")}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        protocol = "berlin" if b"/api/" in head else "openai"
        writer.write(replies[protocol, "64 kB" if b"/large/" in head else "each"])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bare(port: int, path: str, protocol: str) -> int:
    """Read with asyncio's streams, undo the HTTP chunks, split at the blank lines and parse."""
    try:
        from orjson import loads  # noqa: PLC0415
    except ImportError:
        from json import loads  # noqa: PLC0415
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**18)
    writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % path.encode())
    await reader.readuntil(b"\r\n\r\n")
    rest, length = b"", 0
    while data := await reader.read(2**18):
        *whole, rest = (rest + data).split(b"\n\n")
        for part in whole:
            at = part.find(b"{")
            if at >= 0:
                try:
                    value = loads(part[at:])
                except ValueError:
                    continue  # an HTTP chunk ends in it: counted all the same
                if protocol == "berlin":
                    length += len(value["content"])
                elif value["choices"]:
                    length += len(value["choices"][0]["delta"].get("content", ""))
    writer.close()
    return length


async def ours(port: int, path: str, protocol: str) -> int:
    from berlin_magic.providers.berlin.provider import Berlin  # noqa: PLC0415
    from berlin_magic.providers.openai.provider import OpenAICompatible  # noqa: PLC0415

    url = f"http://127.0.0.1:{port}{path.removesuffix('/api/chat/completions').removesuffix('/chat/completions')}"
    messages = [{"role": "user", "content": "Hello"}]
    reply: AsyncGenerator[str, None]
    if protocol == "berlin":
        reply = Berlin.create_async_generator("m", messages, url=url, token="t", reply_limit=None)
    else:
        reply = OpenAICompatible.create_async_generator("m", messages, url=url, key="k", reply_limit=None)
    return sum([len(text) async for text in reply])


async def httpx_sse(port: int, path: str, _protocol: str) -> int:
    import httpx  # noqa: PLC0415
    from httpx_sse import aconnect_sse  # noqa: PLC0415

    length = 0
    url = f"http://127.0.0.1:{port}{path}"
    async with httpx.AsyncClient() as client, aconnect_sse(client, "POST", url, json={}) as source:
        async for event in source.aiter_sse():
            if event.data != "[DONE]":
                length += len(json.loads(event.data)["choices"][0]["delta"].get("content", ""))
    return length


async def openai(port: int, path: str, _protocol: str) -> int:
    from openai import AsyncOpenAI  # noqa: PLC0415

    url = f"http://127.0.0.1:{port}{path.removesuffix('/chat/completions')}"
    client = AsyncOpenAI(api_key="k", base_url=url)
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    return sum([len(chunk.choices[0].delta.content or "") async for chunk in stream])


PATHS = {
    ("berlin", "each"): "/api/chat/completions",
    ("berlin", "64 kB"): "/large/api/chat/completions",
    ("openai", "each"): "/v1/chat/completions",
    ("openai", "64 kB"): "/large/v1/chat/completions",
}
READERS: dict[str, Callable[[int, str, str], Awaitable[int]]] = {
    "bare": bare,
    "ours": ours,
    "httpx_sse": httpx_sse,
    "openai": openai,
}


def measured(name: str, port: int, protocol: str, framing: str, count: int) -> float:
    """Return the microseconds of CPU that one chunk costs, in this process."""

    async def run() -> float:
        await READERS[name](port, PATHS[protocol, framing], protocol)  # imports, and warms up
        start = time.process_time()
        await READERS[name](port, PATHS[protocol, framing], protocol)
        return (time.process_time() - start) / count * 1e6

    return asyncio.run(run())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.decoding", "serve", str(count)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            print(f"CPU a chunk over loopback, µs, median of {RUNS} processes (spread)")
            for protocol, framing in PATHS:
                limit = 0.0
                for name in READERS:
                    peer = name not in {"bare", "ours"}
                    if peer and (protocol == "berlin" or importlib.util.find_spec(name) is None):
                        continue
                    command = [sys.executable, "-m", "benchmarks.decoding", name, port, protocol, framing, str(count)]
                    runs = [float(subprocess.check_output(command)) for _ in range(1 if name == "openai" else RUNS)]
                    median = statistics.median(runs)
                    limit = limit or median
                    spread = f"{min(runs):.1f} to {max(runs):.1f}"
                    print(f"{protocol:7} {framing:6} {name:10} {median:7.1f} ({spread})  {median / limit:5.1f} x bare")
        finally:
            server.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    elif sys.argv[1:] and sys.argv[1] in READERS:
        print(measured(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])))
    else:
        main()
