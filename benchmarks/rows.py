"""What many rows cost: time against the ideal, and memory, over 500 rows of 50 ms at 16 at a time.

Run: python benchmarks/rows.py [ROWS]. The ideal is what the server alone takes: the rows, divided by those at a time,
50 ms each. Beside it stands a bare HTTP client that sends the same requests to the same server, on this machine, now.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from multiprocessing.queues import Queue

import aiohttp
from aiohttp import web

LATENCY, AT_ONCE, WITHIN = 0.05, 16, 1.2
SAID = ({"content": "positive"}, {}), {"prompt_tokens": 12, "completion_tokens": 1}


def serve(ports: Queue[int]) -> None:
    """Answer every question after 50 ms, in a process of its own."""
    (first, last), counted = SAID
    events = [
        {"choices": [{"index": 0, "delta": first}]},
        {"choices": [{"index": 0, "delta": last, "finish_reason": "stop"}]},
        {"choices": [], "usage": counted},
    ]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(LATENCY)
        return web.Response(body=body, content_type="text/event-stream")

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


async def bare(url: str, rows: int) -> None:
    """Send the same requests with nothing around them."""
    numbers = iter(range(rows))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for number in numbers:
                body = {"model": "m", "messages": [{"role": "user", "content": f"Bare {number}"}]}
                async with session.post(f"{url}/chat/completions", json=body) as answer:
                    await answer.read()

        await asyncio.gather(*[work() for _ in range(AT_ONCE)])


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    gc.collect()
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def peak(rows: int, name: str) -> float:
    """Return the most bytes that asking so many rows takes, for each row."""
    import berlin_magic  # noqa: PLC0415 - after the environment is set

    gc.collect()
    tracemalloc.start()
    found = await berlin_magic.map([f"{name} {number}" for number in range(rows)], concurrency=AT_ONCE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == rows
    return most


async def measure(url: str, rows: int) -> int:
    import berlin_magic  # noqa: PLC0415 - as above

    ideal = rows / AT_ONCE * LATENCY
    table = [{"text": f"line {number}"} for number in range(rows)]
    await berlin_magic.map(["to import what is needed"])
    alone = await timed(lambda: bare(url, rows))
    ours = await timed(lambda: berlin_magic.map("Mood of {{ row.text }}?", table, concurrency=AT_ONCE))
    again = await timed(lambda: berlin_magic.map("Mood of {{ row.text }}?", table, concurrency=AT_ONCE))
    print(f"ideal              {ideal:6.2f} s")
    print(f"bare client        {alone:6.2f} s  {alone / ideal:5.2f} of the ideal")
    print(f"map                {ours:6.2f} s  {ours / ideal:5.2f} of the ideal, {ours / alone:5.2f} of the bare client")
    print(f"map, all stored    {again:6.2f} s")
    few, many = await peak(rows, "few"), await peak(4 * rows, "many")
    print(
        f"memory             {few / rows / 1024:6.1f} KiB a row at {rows}, {many / 4 / rows / 1024:.1f} at {4 * rows}"
    )
    return 0 if min(ours / ideal, ours / alone) <= WITHIN and many / 4 <= few * WITHIN else 1


def main() -> int:
    ports: Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get(timeout=30)}/v1"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"BERLIN_DATABASE": f"{folder}/rows.db", "BERLIN_STATE_DIR": folder, "BERLIN_MODEL": "openai:m"}
        os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="none", **settings)
        return asyncio.run(measure(url, int(sys.argv[1]) if len(sys.argv) > 1 else 500))


if __name__ == "__main__":
    sys.exit(main())
