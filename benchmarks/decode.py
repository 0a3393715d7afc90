"""What decoding a reply costs: CPU a chunk over loopback, beside asyncio's streams with a fast JSON parser.

The server is a process of its own and sends each reply in one of three framings: an HTTP chunk for each token, one for
each 64 kB, and an HTTP chunk for each token at a pace that gives each a read of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial

from benchmarks.measure import Figure, Options, fresh, in_rounds, running

BERLIN = '{{"role":"assistant","id":"chatcmpl-123456789012345678901234567","parentMessageId":"2f1","segment":"text",'
BERLIN += '"content":"word{} ","model":"gpt-3.5-turbo-0125","time":1700000000}}\n\n'
OPENAI = 'data: {{"id":"chatcmpl-1234567890","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4",'
OPENAI += '"choices":[{{"index":0,"delta":{{"content":"word{} "}},"finish_reason":null}}]}}\n\n'
FORMS = {"berlin": BERLIN, "openai": OPENAI}
ENDS = {
    "berlin": b'{"segment":"stop","id":"chatcmpl-123456789012345678901234567"}',
    "openai": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
PATHS = {"berlin": "/api/chat/completions", "openai": "/v1/chat/completions"}
FRAMINGS = {"each": "a chunk a token", "large": "64 kB framing", "paced": "paced"}
PACE = 0.001  # seconds between two tokens
BOUNDS = {"berlin": 2.5, "openai": 3.3}


def framed(protocol: str, count: int, framing: str) -> list[bytes]:
    """Return the HTTP chunks of a reply of `count` tokens."""
    parts = [FORMS[protocol].format(number % 100).encode() for number in range(count)]
    parts.append(ENDS[protocol])
    if framing == "large":
        whole = b"".join(parts)
        parts = [whole[at : at + 2**16] for at in range(0, len(whole), 2**16)]
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]


def serve(counts: dict[str, int]) -> None:
    """Serve the replies under ``/FRAMING/…``, for ever."""
    replies = {(p, f): framed(p, count, f) for p in FORMS for f, count in counts.items()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        sizes = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(sum(sizes))
        framing = head.split(b"/", 2)[1].decode()
        parts = replies["berlin" if b"/api/" in head else "openai", framing]
        writer.write(HEAD)
        if framing == "paced":
            for part in parts:
                writer.write(part)
                await asyncio.sleep(PACE)
        else:
            writer.write(b"".join(parts))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def forever() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()

    asyncio.run(forever())


async def bare(address: str, framing: str, protocol: str) -> int:
    """Read with asyncio's streams, undo the HTTP chunks, split at the blank lines and parse."""
    import orjson  # noqa: PLC0415

    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]), limit=2**18)
    writer.write(f"POST /{framing}{PATHS[protocol]} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    rest, length = b"", 0
    while data := await reader.read(2**18):
        *whole, rest = (rest + data).split(b"\n\n")
        for part in whole:
            at = part.find(b"{")
            if at >= 0:
                try:
                    value = orjson.loads(part[at:])
                except ValueError:
                    continue  # an HTTP chunk ends in it: counted all the same
                if protocol == "berlin":
                    length += len(value["content"])
                elif value["choices"]:
                    length += len(value["choices"][0]["delta"].get("content", ""))
    writer.close()
    return length


async def lines(address: str, framing: str, protocol: str) -> int:
    """Read with aiohttp, line by line, and parse with the standard library, as most small clients do."""
    import aiohttp  # noqa: PLC0415

    length = 0
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/{framing}{PATHS[protocol]}", json={}) as response,
    ):
        async for line in response.content:
            text = line.removeprefix(b"data: ").strip()
            if text.startswith(b"{"):
                value = json.loads(text)
                if protocol == "berlin":
                    length += len(value.get("content", ""))
                else:
                    length += len(value["choices"][0]["delta"].get("content", ""))
    return length


async def ours(address: str, framing: str, protocol: str) -> int:
    from berlin_magic.providers.berlin.provider import Berlin  # noqa: PLC0415
    from berlin_magic.providers.openai.provider import OpenAICompatible  # noqa: PLC0415

    url = f"{address}/{framing}"
    messages = [{"role": "user", "content": "Hello"}]
    reply: AsyncGenerator[str, None]
    if protocol == "berlin":
        reply = Berlin.create_async_generator("m", messages, url=url, token="t", reply_limit=None)
    else:
        reply = OpenAICompatible.create_async_generator("m", messages, url=f"{url}/v1", key="k", reply_limit=None)
    return sum([len(text) async for text in reply])


async def httpx_sse(address: str, framing: str, protocol: str) -> int:
    import httpx  # noqa: PLC0415
    from httpx_sse import aconnect_sse  # noqa: PLC0415

    length = 0
    url = f"{address}/{framing}{PATHS[protocol]}"
    async with httpx.AsyncClient() as client, aconnect_sse(client, "POST", url, json={}) as source:
        async for event in source.aiter_sse():
            if event.data != "[DONE]":
                length += len(json.loads(event.data)["choices"][0]["delta"].get("content", ""))
    return length


async def openai(address: str, framing: str, _protocol: str) -> int:
    from openai import AsyncOpenAI  # noqa: PLC0415

    client = AsyncOpenAI(api_key="k", base_url=f"{address}/{framing}/v1")
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    return sum([len(chunk.choices[0].delta.content or "") async for chunk in stream])


READERS: dict[str, Callable[[str, str, str], Coroutine[None, None, int]]] = {
    "bare streams": bare,
    "aiohttp lines": lines,
    "berlin_magic": ours,
    "httpx-sse": httpx_sse,
    "openai": openai,
}


def cost(reader: str, address: str, protocol: str, framing: str, count: int) -> float:
    """Return the microseconds of CPU that one chunk costs in this process."""

    async def run() -> float:
        await READERS[reader](address, framing, protocol)  # imports, and warms up
        start = time.process_time()
        await READERS[reader](address, framing, protocol)
        return (time.process_time() - start) / count * 1e6

    return asyncio.run(run())


def growth(protocol: str, count: int) -> int:
    """Return the memory blocks that decoding `count` further chunks leaves in this process."""
    from berlin_magic.providers.berlin.stream import Decoder  # noqa: PLC0415
    from berlin_magic.providers.openai.stream import CompletionDecoder  # noqa: PLC0415

    decoder = Decoder() if protocol == "berlin" else CompletionDecoder()
    chunk = FORMS[protocol].format(1).encode()

    def decode() -> None:
        for _ in range(count):
            for _ in decoder.feed(chunk):
                pass

    decode()
    gc.collect()
    before = sys.getallocatedblocks()
    decode()
    gc.collect()
    return max(0, sys.getallocatedblocks() - before)


def split(size: int, read: int) -> float:
    """Return the seconds of CPU to decode one object of `size` bytes that comes in reads of `read` bytes."""
    from berlin_magic.providers.berlin.stream import Decoder  # noqa: PLC0415

    data = json.dumps({"segment": "text", "content": 'x "{' * (size // 4)}).encode()
    decoder = Decoder()
    start = time.process_time()
    for at in range(0, len(data), read):
        for _ in decoder.feed(data[at : at + read]):
            pass
    decoder.flush()
    return time.process_time() - start


def figures(options: Options) -> Iterator[Figure]:
    counts = {"each": 5_000, "large": 5_000, "paced": 300} if options.short else {
        "each": 50_000, "large": 50_000, "paced": 2_000
    }  # fmt: skip
    with running(serve, counts) as (_, address):
        for protocol in FORMS:
            for framing, words in FRAMINGS.items():
                count = counts[framing]
                found = in_rounds(
                    options.rounds,
                    {
                        name: partial(fresh, cost, name, address, protocol, framing, count)
                        for name in ("bare streams", "aiohttp lines", "berlin_magic")
                    },
                )
                mine, title = found.pop("berlin_magic"), f"{protocol}, {words}"
                bound = None if framing == "paced" else BOUNDS[protocol]
                yield Figure(title, "µs", mine, "bare streams", found["bare streams"], bound)
                yield Figure(title, "µs", mine, "aiohttp lines", found["aiohttp lines"])
                for peer, python in options.peers.items() if protocol == "openai" and framing != "paced" else ():
                    theirs = [fresh(cost, peer, address, protocol, framing, count, python=python)]
                    yield Figure(title, "µs", mine, peer, theirs, 1 / 20 if peer == "openai" else None)
    for protocol in FORMS:
        blocks = fresh(growth, protocol, 2_000 if options.short else 100_000)
        yield Figure(f"{protocol}, memory blocks left by further chunks", "", [blocks], bound=50, exact=True)
    small, large = (2**17, 2**20) if options.short else (2**20, 2**23)
    found = in_rounds(options.rounds, {str(size): partial(fresh, split, size, 64) for size in (small, large)})
    yield Figure(
        "one object in reads of 64 bytes", "s", found[str(large)], "one an eighth as long", found[str(small)], 12
    )
