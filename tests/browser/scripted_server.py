"""A Berlin server whose replies the test writes: their pieces, pace, silences and cuts; it notes what it was asked."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

AT_ONCE = 2.0 if os.environ.get("CI") else 0.3
"""Seconds in which the server has to see the end of a request that was stopped; more where machines are shared."""


@dataclass
class Reply:
    """How the next question is answered.

    `text` goes out in `pieces` pieces over `seconds`, after `silence` seconds without a word. With `cut` the connection
    is closed in place of the last object; with `hangs` it stays open and silent instead. `error` is an envelope that is
    sent in place of a stream, with `status`; a 429 asks for an hour's wait, so that nobody tries again.
    """

    text: str = ""
    seconds: float = 0.0
    pieces: int = 100
    silence: float = 0.0
    cut: bool = False
    hangs: bool = False
    error: dict[str, Any] | None = None
    status: int = 200


@dataclass
class Asked:
    """One question as it reached the server, and when its connection ended."""

    body: dict[str, Any]
    headers: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    complete: bool = False
    sent: str = ""


class ScriptedBerlin:
    """Answers any account and any token; each question takes the next reply of `script`, the last one for ever.

    With a `password`, a login with any other is refused.
    """

    token = "0" * 32
    password = ""

    def __init__(self) -> None:
        self.script: list[Reply] = [Reply("Hello.")]
        self.asked: list[Asked] = []
        self.models = ["scripted"]
        self.logins = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    def answers(self, *replies: Reply) -> None:
        """Set what is answered from now on."""
        self.script = list(replies)
        self.asked.clear()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/login", self._login)
        app.router.add_post("/api/chat/completions", self._chat)
        app.router.add_get("/api/config", self._config)
        app.router.add_get("/api/user/info", self._info)
        # Without this aiohttp notices a client that has gone only when it next writes to it.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _login(self, request: web.Request) -> web.Response:
        self.logins += 1
        given = (await request.json())["password"]
        if self.password and given != self.password:
            return web.json_response({"code": -1, "data": [], "message": f"not {given}"}, status=406)
        data = {"user_info": {"account": "tester"}, "token": self.token}
        return web.json_response({"code": 0, "data": data, "message": "ok"})

    async def _config(self, _request: web.Request) -> web.Response:
        models = [{"label": name.title(), "value": name, "type": "chat", "app": True} for name in self.models]
        return web.json_response({"code": 0, "data": {"chat_models": models}, "message": "ok"})

    async def _info(self, request: web.Request) -> web.Response:
        if request.headers.get("token") != self.token:
            return web.json_response({"code": 4001, "data": [], "message": "no"}, status=401)
        record = {"account": "tester", "integral": 899999, "password": "canary-hash-0192023a", "ip": "203.0.113.77"}
        return web.json_response({"code": 0, "data": record, "message": ""})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(await request.json(), dict(request.headers))
        self.asked.append(asked)
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if reply.error is not None:
            later = {"Retry-After": "3600"} if reply.status == 429 else {}
            return web.json_response(reply.error, status=reply.status, headers=later)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await asyncio.sleep(reply.silence)
            await self._send(response, "start", "")
            for piece in _cut(reply.text, reply.pieces):
                await self._send(response, "text", piece)
                asked.sent += piece
                await asyncio.sleep(reply.seconds / reply.pieces)
            if reply.hangs:
                await asyncio.Event().wait()
            if reply.cut:
                assert request.transport is not None
                request.transport.abort()
            else:
                await self._send(response, "stop", "")
                asked.complete = True
        finally:
            asked.ended = time.monotonic()
            asked.over.set()
        return response

    async def _send(self, response: web.StreamResponse, segment: str, content: str) -> None:
        chunk = {"id": "1", "role": "assistant", "segment": segment, "content": content, "parentMessageId": "1"}
        await response.write(json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")


def _cut(text: str, pieces: int) -> Sequence[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]
