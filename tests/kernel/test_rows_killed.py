"""Rows whose process is interrupted, then killed: what was stored is never asked again."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from completions import DONE, step, usage
from scripted import HEAD, Request, ScriptedServer

CHAT = "/v1/chat/completions"
AT_ONCE = 16
SCRIPT = f"""
import asyncio, sys, berlin_magic
count = int(sys.argv[1])
rows = asyncio.run(berlin_magic.map([f"Row {{n}}" for n in range(count)], concurrency={AT_ONCE}))
assert rows.errors == {{}} and list(rows) == [f"reply to Row {{n}}" for n in range(count)]
"""


class Counting:
    """Counts the prompts, and answers them until so many have come; the others wait, as their process is ended."""

    def __init__(self, server: ScriptedServer) -> None:
        self.asked: Counter[str] = Counter()
        self.most = 0
        self.reached = asyncio.Event()
        self.over = asyncio.Event()
        server.on(CHAT, self._script)

    def until(self, most: int) -> None:
        self.most, self.reached, self.over = most, asyncio.Event(), asyncio.Event()

    def _script(self, request: Request) -> list[Any]:
        prompt = request.json["messages"][-1]["content"]
        self.asked[prompt] += 1
        said = step(f"reply to {prompt}") + step(finish="stop") + usage(5, 3) + DONE
        if self.asked.total() <= self.most:
            return [HEAD, said]
        if self.asked.total() == self.most + AT_ONCE:  # all that are asked at a time: the others are stored
            self.reached.set()
        return [HEAD, self.over, said]


@asynccontextmanager
async def running(environment: dict[str, str], rows: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, str(rows), env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def stored(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM asked_rows").fetchone()
    return int(count)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT and SIGKILL for a process of its own")
@pytest.mark.parametrize(
    ("rows", "interrupted", "killed"), [(120, 50, 90), pytest.param(500, 250, 400, marks=pytest.mark.long)]
)
async def test_an_interrupt_and_a_kill_cost_no_row_that_was_stored(
    server: ScriptedServer, tmp_path: Path, rows: int, interrupted: int, killed: int
) -> None:
    database = tmp_path / "rows.db"
    environment = {
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": "canary",
        "BERLIN_MODEL": "openai:m",
        "BERLIN_DATABASE": str(database),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])),
    }
    counting = Counting(server)
    in_store = 0
    for number, then_stored in ((signal.SIGINT, interrupted), (signal.SIGKILL, killed)):
        counting.until(counting.asked.total() + then_stored - in_store)
        async with running(environment, rows) as process:
            async with asyncio.timeout(60):
                await counting.reached.wait()
            process.send_signal(number)
            async with asyncio.timeout(20):
                await process.wait()
        counting.over.set()
        in_store = stored(database)
        assert in_store == then_stored
    counting.until(10**6)
    async with running(environment, rows) as process:
        _, error = await process.communicate()
        assert process.returncode == 0, error.decode()
    assert counting.asked.total() == rows + 2 * AT_ONCE
    assert stored(database) == rows
