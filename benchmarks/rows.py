"""What many rows cost: time beside the ideal and a bare client, and memory for each, at 50 ms and 16 at a time."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator

import aiohttp

from benchmarks.decode import ENDS, FORMS, PATHS
from benchmarks.measure import Figure, Options, fresh, running

LATENCY, AT_ONCE, WITHIN = 0.05, 16, 1.2


def serve() -> None:
    """Answer every question with a reply of one word after 50 ms, for ever."""
    from aiohttp import web  # noqa: PLC0415

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(LATENCY)
        return web.Response(body=FORMS["openai"].format(1).encode() + ENDS["openai"], content_type="text/event-stream")

    async def forever() -> None:
        app = web.Application()
        app.router.add_post(PATHS["openai"], answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(forever())


async def bare(address: str, rows: int) -> None:
    """Send as many requests with nothing around them."""
    numbers = iter(range(rows))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for number in numbers:
                body = {"model": "m", "messages": [{"role": "user", "content": f"Bare {number}"}]}
                async with session.post(address + PATHS["openai"], json=body) as response:
                    await response.read()

        await asyncio.gather(*[work() for _ in range(AT_ONCE)])


def configure(address: str, folder: str) -> None:
    os.environ.update(OPENAI_BASE_URL=f"{address}/v1", OPENAI_API_KEY="none", BERLIN_MODEL="openai:m")
    os.environ.update(BERLIN_DATABASE=f"{folder}/rows.db", BERLIN_STATE_DIR=folder)


def times(address: str, rows: int) -> list[float]:
    """Return the seconds that `map` takes, those of the bare client, and those of `map` when all is stored."""

    async def timed(work: Callable[[], Awaitable[object]]) -> float:
        gc.collect()
        start = time.perf_counter()
        await work()
        return time.perf_counter() - start

    async def run() -> list[float]:
        import berlin_magic  # noqa: PLC0415 - after it is configured

        def ours() -> Awaitable[object]:
            return berlin_magic.map("Mood of {{ row.text }}?", table, concurrency=AT_ONCE)

        table = [{"text": f"line {number}"} for number in range(rows)]
        await berlin_magic.map(["to import what is needed"])
        return [await timed(ours), await timed(lambda: bare(address, rows)), await timed(ours)]

    with tempfile.TemporaryDirectory() as folder:
        configure(address, folder)
        return asyncio.run(run())


def peak(address: str, rows: int) -> float:
    """Return the most KiB that so many rows take at a time, for each row."""

    async def run() -> float:
        import berlin_magic  # noqa: PLC0415 - as above

        await berlin_magic.map(["to import what is needed"])
        gc.collect()
        tracemalloc.start()
        await berlin_magic.map([f"Row {number}" for number in range(rows)], concurrency=AT_ONCE)
        return tracemalloc.get_traced_memory()[1] / 1024 / rows

    with tempfile.TemporaryDirectory() as folder:
        configure(address, folder)
        return asyncio.run(run())


def figures(options: Options) -> Iterator[Figure]:
    rows = 100 if options.short else 500
    with running(serve) as (_, address):
        runs = [fresh(times, address, rows) for _ in range(options.rounds)]
        mine, alone, stored = ([run[at] for run in runs] for at in (0, 1, 2))
        ideal = [-(-rows // AT_ONCE) * LATENCY] * len(runs)
        yield Figure(f"{rows} rows", "s", mine, "the ideal", ideal, WITHIN)
        yield Figure(f"{rows} rows", "s", mine, "a bare client", alone, WITHIN)
        yield Figure(f"{rows} rows that are stored", "s", stored)
        few, many = ([fresh(peak, address, count) for _ in range(options.rounds)] for count in (rows, 4 * rows))
        name = f"memory for each of {4 * rows} rows"
        yield Figure(name, "KiB", many, f"for each of {rows}", few, WITHIN, exact=True)
