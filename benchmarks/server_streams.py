"""Many streams at once through ``berlin-server --upstream``: none lost, none mixed, memory flat.

    python benchmarks/server_streams.py --streams 200 --seconds 60

Engine, server and clients are a process each, as they are in use; each client is an account with conversations of
its own, all of them kept in a database in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

ROOT = Path(__file__).parents[1]


@dataclass
class Load:
    streams: int
    seconds: float
    words: int
    pace: float


@dataclass
class Count:
    replies: int = 0
    pieces: int = 0
    lost: int = 0
    mixed: int = 0
    slowest_first: float = 0.0
    longest: float = 0.0
    memory: list[float] = field(default_factory=list)
    processor: float = 0.0


async def engine(words: int, pace: float) -> None:
    """Serve chat completions that say the newest message again and again, a piece at a time."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "echo"}]})

    async def chat(request: web.Request) -> web.StreamResponse:
        word = (await request.json())["messages"][-1]["content"]
        piece = _event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(words):
            await response.write(piece)
            await asyncio.sleep(pace)
        await response.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        await response.write(_event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": words}}))
        await response.write(b"data: [DONE]\n\n")
        return response

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@contextmanager
def process(*arguments: str) -> Iterator[tuple[int, str]]:
    """Run Python with `arguments`; give its process id and the first URL in its first line."""
    started = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    try:
        words = started.stdout.readline().split()
        yield started.pid, next(word for word in words if word.startswith("http://"))
    finally:
        started.terminate()
        started.communicate(timeout=30)


def spent(pid: int) -> tuple[float, float]:
    """Return a process's resident memory in MB and its processor time in seconds; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return resident / 1024, (int(times[11]) + int(times[12])) / 100


async def ask(session: aiohttp.ClientSession, url: str, token: str, name: str, words: int, count: Count) -> None:
    body = {"prompt": name, "parentMessageId": name.partition(".")[0], "options": {}}
    begin = time.perf_counter()
    first = 0.0
    text = b""
    try:
        async with session.post(url + "/api/chat/completions", json=body, headers={"token": token}) as answer:
            async for data in answer.content.iter_any():
                first = first or time.perf_counter() - begin
                text += data
        chunks = [json.loads(part) for part in text.decode().split("\n\n")]
        said = [chunk["content"] for chunk in chunks if chunk["segment"] == "text"]
    except (aiohttp.ClientError, ValueError, KeyError, TimeoutError):
        count.lost += 1
        return
    count.replies += 1
    count.pieces += len(said)
    count.slowest_first = max(count.slowest_first, first)
    count.longest = max(count.longest, time.perf_counter() - begin)
    count.lost += chunks[-1]["segment"] != "stop" or len(said) != words
    count.mixed += any(word != name for word in said)


async def run(url: str, server: int, load: Load) -> Count:
    count = Count()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_read=30)
    ) as session:

        async def client(number: int, end: float) -> None:
            login = {"account": f"account-{number}", "password": "x"}
            async with session.post(url + "/api/login", json=login) as answer:
                token = (await answer.json())["data"]["token"]
            turn = 0
            while time.monotonic() < end:
                turn += 1
                await ask(session, url, token, f"<{number}.{turn}>", load.words, count)

        async def watch() -> None:
            while True:
                count.memory.append(spent(server)[0])
                await asyncio.sleep(max(load.seconds / 10, 0.2))

        watching = asyncio.create_task(watch())
        end = time.monotonic() + load.seconds
        await asyncio.gather(*(client(number, end) for number in range(load.streams)))
        watching.cancel()
    count.processor = spent(server)[1]
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20, help="streams at a time (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long (default: %(default)s)")
    parser.add_argument("--words", type=int, default=100, help="pieces of a reply (default: %(default)s)")
    parser.add_argument("--pace", type=float, default=0.05, help="seconds between two pieces (default: %(default)s)")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        asyncio.run(engine(given.words, given.pace))
    load = Load(given.streams, given.seconds, given.words, given.pace)
    with (
        tempfile.TemporaryDirectory() as folder,
        process(__file__, "--engine", "--words", str(load.words), "--pace", str(load.pace)) as (_, upstream),
        process(
            *("-m", "berlin_magic.server", "--port", "0", "--upstream", upstream, "--open"),
            *("--state", str(Path(folder) / "state.db")),
        ) as (server, url),
    ):
        count = asyncio.run(run(url, server, load))
    print(f"{count.replies} replies, {count.pieces} pieces; lost {count.lost}, mixed {count.mixed}")
    print(f"slowest first piece {count.slowest_first:.2f} s; longest reply {count.longest:.1f} s, "
          f"{load.words * load.pace:.1f} s of it the engine's pace")  # fmt: skip
    print(f"the server's processor time {count.processor:.1f} s; its memory in MB: "
          + " ".join(f"{value:.0f}" for value in count.memory))  # fmt: skip
    return 1 if count.lost or count.mixed or not count.replies else 0


if __name__ == "__main__":
    sys.exit(main())
