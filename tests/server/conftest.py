from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from berlin_magic.server.accounts.model import OpenAccounts
from berlin_magic.server.application import application
from berlin_magic.server.engine import Engine
from berlin_magic.server.serving import listen


@dataclass
class Client:
    """A bare client of one running server: it sends what it is told to and shows what came back."""

    url: str
    session: aiohttp.ClientSession
    runner: web.AppRunner
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, json: Any = None, **more: Any) -> tuple[int, Any]:
        headers = {**self.headers, **more.pop("headers", {})}
        async with self.session.request(method, self.url + path, json=json, headers=headers, **more) as answer:
            return answer.status, await answer.json()

    async def login(self, account: str = "ada", password: str = "pw") -> Client:
        body = {"account": account, "password": password, "invite_code": ""}
        status, envelope = await self.ask("POST", "/api/login", body)
        assert (status, envelope["code"]) == (200, 0), envelope
        self.headers["token"] = envelope["data"]["token"]
        return self

    def chat(self, prompt: str = "Hello", parent: str = "p", **options: Any) -> Any:
        """Return the context manager of a chat request."""
        body = {"prompt": prompt, "parentMessageId": parent, "options": {"model": "m-1", **options}}
        return self.session.post(self.url + "/api/chat/completions", json=body, headers=self.headers)

    async def refusal(self, **more: Any) -> tuple[int, Any]:
        """Return status and envelope of a chat request that is not answered with a stream."""
        async with self.chat(**more) as answer:
            return answer.status, await answer.json()


Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers on free ports of the loopback and return a client of each."""
    ends: list[Callable[[], Awaitable[None]]] = []

    async def start(engine: Engine, accounts: Any = None, **settings: Any) -> Client:
        app = application(engine, accounts or OpenAccounts(), **settings)
        runner, url = await listen(app, ("127.0.0.1", 0), grace=0.1)
        ends.append(runner.cleanup)
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        ends.append(session.close)
        return Client(url, session, runner)

    yield start
    for end in reversed(ends):
        await end()
