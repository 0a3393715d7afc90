"""Many streams at once through one Berlin server: none lost, none mixed, memory flat.

    python benchmarks/server_streams.py --streams 200 --seconds 60

Server, engine and clients share this process, so that its memory is everybody's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from berlin_magic.server.accounts import OpenAccounts
from berlin_magic.server.application import application
from berlin_magic.server.engine import Message
from berlin_magic.server.serving import listen


class Echo:
    """Says the question again and again, a word at a time."""

    def __init__(self, words: int, pace: float) -> None:
        self._words = words
        self._pace = pace

    async def models(self) -> Sequence[str]:
        return ("echo",)

    async def stream(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],  # noqa: ARG002 - the interface's
    ) -> AsyncGenerator[str, None]:
        for _ in range(self._words):
            yield messages[-1]["content"]
            await asyncio.sleep(self._pace)

    async def close(self) -> None:
        pass


@dataclass
class Count:
    replies: int = 0
    pieces: int = 0
    lost: int = 0
    mixed: int = 0
    slowest_first: float = 0.0
    memory: list[float] = field(default_factory=list)


def memory() -> float:
    """Return the resident memory of this process in MB; 0 where the system does not say."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


async def ask(session: aiohttp.ClientSession, url: str, token: str, name: str, words: int, count: Count) -> None:
    body = {"prompt": name, "parentMessageId": name, "options": {}}
    begin = time.perf_counter()
    first = 0.0
    text = b""
    try:
        async with session.post(url + "/api/chat/completions", json=body, headers={"token": token}) as answer:
            async for data in answer.content.iter_any():
                first = first or time.perf_counter() - begin
                text += data
        chunks = [json.loads(part) for part in text.decode().split("\n\n")]
    except (aiohttp.ClientError, ValueError, TimeoutError):
        count.lost += 1
        return
    said = [chunk["content"] for chunk in chunks if chunk["segment"] == "text"]
    count.replies += 1
    count.pieces += len(said)
    count.slowest_first = max(count.slowest_first, first)
    count.lost += chunks[-1]["segment"] != "stop" or len(said) != words
    count.mixed += any(word != name for word in said)


async def run(streams: int, seconds: float, words: int, pace: float) -> Count:
    runner, url = await listen(application(Echo(words, pace), OpenAccounts()), ("127.0.0.1", 0), grace=0.1)
    count = Count()
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_read=30)
    ) as session:

        async def client(number: int) -> None:
            login = {"account": f"account-{number % 30}-{number}", "password": "x"}
            async with session.post(url + "/api/login", json=login) as answer:
                token = (await answer.json())["data"]["token"]
            turn = 0
            while time.monotonic() < end:
                turn += 1
                await ask(session, url, token, f"<{number}.{turn}>", words, count)

        async def watch() -> None:
            while True:
                count.memory.append(memory())
                await asyncio.sleep(max(seconds / 10, 0.2))

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client(number) for number in range(streams)))
        watching.cancel()
    await runner.cleanup()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20, help="streams at a time (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long (default: %(default)s)")
    parser.add_argument("--words", type=int, default=100, help="pieces of a reply (default: %(default)s)")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two pieces (default: %(default)s)")
    arguments = parser.parse_args()
    begin = time.process_time()
    count = asyncio.run(run(arguments.streams, arguments.seconds, arguments.words, arguments.pace))
    took = time.process_time() - begin
    print(f"{count.replies} replies, {count.pieces} pieces; lost {count.lost}, mixed {count.mixed}")
    print(f"slowest first piece {count.slowest_first:.2f} s; processor {took:.1f} s")
    print("memory in MB: " + " ".join(f"{value:.0f}" for value in count.memory))
    return 1 if count.lost or count.mixed or not count.replies else 0


if __name__ == "__main__":
    sys.exit(main())
