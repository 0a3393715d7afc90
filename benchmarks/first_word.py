"""How long the first word takes, over the bare client: request to first text, over a connection that is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from statistics import median

import aiohttp

from benchmarks.decode import ENDS, FORMS, PATHS
from benchmarks.measure import Figure, Options, fresh, running

MESSAGES = [{"role": "user", "content": "Hello"}]


def serve() -> None:
    """Answer every question with a reply of one word, at once, for ever."""
    from aiohttp import web  # noqa: PLC0415

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        protocol = "berlin" if "/api/" in request.path else "openai"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(FORMS[protocol].format(1).encode())
        await response.write(ENDS[protocol])
        return response

    async def forever() -> None:
        app = web.Application()
        for path in PATHS.values():
            app.router.add_post(path, answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(forever())


Ask = Callable[[], Coroutine[None, None, float]]
"""Ask one question; return the seconds to its first word."""


def by_ours(address: str, protocol: str) -> Ask:
    from berlin_magic.providers.berlin.provider import Berlin  # noqa: PLC0415
    from berlin_magic.providers.openai.provider import OpenAICompatible  # noqa: PLC0415

    async def ask() -> float:
        start, first = time.perf_counter(), 0.0
        if protocol == "berlin":
            reply = Berlin.create_async_generator("m", MESSAGES, url=address, token="t")
        else:
            reply = OpenAICompatible.create_async_generator("m", MESSAGES, url=f"{address}/v1", key="k")
        async with aclosing(reply):
            async for _ in reply:
                first = first or time.perf_counter() - start
        return first

    return ask


def by_openai(address: str, _protocol: str) -> Ask:
    from openai import AsyncOpenAI  # noqa: PLC0415

    client = AsyncOpenAI(api_key="k", base_url=f"{address}/v1")

    async def ask() -> float:
        start, first = time.perf_counter(), 0.0
        async for _ in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            first = first or time.perf_counter() - start
        return first

    return ask


def times(address: str, protocol: str, count: int, client: str) -> list[float]:
    """Return the median milliseconds of `count` questions of a client, and of the bare one in turn with it."""

    async def run() -> list[float]:
        async with aiohttp.ClientSession() as session:

            async def bare() -> float:
                start, first = time.perf_counter(), 0.0
                async with session.post(address + PATHS[protocol], json={"messages": MESSAGES}) as response:
                    async for _ in response.content.iter_any():
                        first = first or time.perf_counter() - start
                return first

            ask = by_openai(address, protocol) if client == "openai" else by_ours(address, protocol)
            found = [(await ask(), await bare()) for _ in range(count + 20)][20:]
        return [1e3 * median(each) for each in zip(*found, strict=True)]

    return asyncio.run(run())


def figures(options: Options) -> Iterator[Figure]:
    count = 100 if options.short else 500
    with running(serve) as (_, address):
        for protocol in FORMS:
            runs = [fresh(times, address, protocol, count, "ours") for _ in range(options.rounds)]
            mine, bare = ([run[at] for run in runs] for at in (0, 1))
            yield Figure(f"{protocol}, first word", "ms", mine, "bare aiohttp", bare)
            yield Figure(f"{protocol}, over bare aiohttp", "ms", [a - b for a, b in zip(mine, bare, strict=True)])
        if "openai" in options.peers:
            python = options.peers["openai"]
            runs = [fresh(times, address, "openai", count, "openai", python=python) for _ in range(options.rounds)]
            yield Figure("openai's own client, over bare aiohttp", "ms", [run[0] - run[1] for run in runs])
