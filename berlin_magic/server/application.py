"""The application: the protocol's routes, with an engine and its accounts behind them."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from berlin_magic.server.access_log import Writer, visit, visits
from berlin_magic.server.accounts import Account, Accounts
from berlin_magic.server.context import ROWS, Context, StoredTurn, timestamp
from berlin_magic.server.engine import Engine, EngineError
from berlin_magic.server.question import Question
from berlin_magic.server.segments import Segments, encode
from berlin_magic.server.tokens import Tokens
from berlin_magic.server.tries import LoginTries
from berlin_magic.transport import is_loopback

__all__ = ["Limits", "application"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on.

    Attributes
    ----------
    body : int
        Bytes of a request.
    streams : int
        Replies at a time.
    stall : float
        Seconds that a client may leave a reply unread before its connection is closed.
    """

    body: int = 16 * 2**20
    streams: int = 1_000
    stall: float = 120.0


def application(
    engine: Engine,
    accounts: Accounts,
    *,
    rows: int = ROWS,
    limits: Limits | None = None,
    tokens: Tokens | None = None,
    tries: LoginTries | None = None,
    log: Writer | None = None,
) -> web.Application:
    """Return the server as an aiohttp application; to be run with `handler_cancellation`, see `serving.listen`.

    Parameters
    ----------
    engine : Engine
        Who answers; closed with the application.
    accounts : Accounts
        Who may ask.
    rows : int
        Newest stored rows that are sent before a prompt with the same `parentMessageId`.
    limits : Limits, optional
        Bounds on requests and replies.
    tokens : Tokens, optional
        Who is logged in.
    tries : LoginTries, optional
        How often a wrong password may be tried.
    log : callable, optional
        Takes a line for each request; none is written without it.
    """
    limits = limits or Limits()
    routes = _Routes(engine, accounts, Context(rows=rows), limits, tokens or Tokens(), tries or LoginTries())
    app = web.Application(
        client_max_size=limits.body, middlewares=[visits(log), _errors_in_envelopes, routes.own_names_only]
    )
    app.router.add_post("/api/login", routes.login)
    app.router.add_post("/api/chat/completions", routes.chat)
    app.router.add_get("/api/config", routes.config)
    app.router.add_get("/api/user/info", routes.info)
    app.router.add_get("/api/user/messages", routes.messages)
    app.router.add_delete("/api/user/messages", routes.forget)

    async def engine_closed(_: web.Application) -> AsyncIterator[None]:
        yield
        await engine.close()

    app.cleanup_ctx.append(engine_closed)
    return app


class _Routes:
    """The routes of one server and what they share."""

    def __init__(
        self,
        engine: Engine,
        accounts: Accounts,
        context: Context,
        limits: Limits,
        tokens: Tokens,
        tries: LoginTries,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._context = context
        self._limits = limits
        self._tokens = tokens
        self._tries = tries
        self._streams = 0

    @web.middleware
    async def own_names_only(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests for other hosts' names where anybody may ask.

        Otherwise a web page could have its own name resolve to this machine (DNS rebinding) and ask through the
        browser of whoever looks at it.
        """
        if self._accounts.are_open and not _is_for_this_machine(request):
            raise EngineError("A server without accounts is for this machine only", status=403, code=-1)
        return await handler(request)

    async def login(self, request: web.Request) -> web.Response:
        """``POST /api/login``: an account and its password for a token."""
        body = await _json(request)
        name, password = (body.get("account"), body.get("password")) if isinstance(body, dict) else (None, None)
        if not (isinstance(name, str) and isinstance(password, str) and name and password):
            raise EngineError("A required field is missing", status=406, code=-1)
        wait = math.ceil(self._tries.wait(name))
        if wait:
            return _too_many(f"Too many refused logins: try again in {wait} s", retry_after=wait)
        account = await self._accounts.check(name, password)
        if account is None:
            self._tries.refused(name)
            raise EngineError("There is no such account, or the password is wrong", status=406, code=-1)
        visit().account = account.name
        return _success({"user_info": account.public(), "token": self._tokens.issue(account.name)}, message="Logged in")

    async def config(self, _: web.Request) -> web.Response:
        """``GET /api/config``: the models that are served; needs no token."""
        models = [
            {"label": name, "value": name, "type": "chat", "app": "openai"} for name in await self._engine.models()
        ]
        return _success({"website_title": "berlin-server", "chat_models": models, "draw_models": []})

    async def info(self, request: web.Request) -> web.Response:
        """``GET /api/user/info``: the account and its balance."""
        return _success(self._account(request).public())

    async def messages(self, request: web.Request) -> web.Response:
        """``GET /api/user/messages``: the stored conversations of the account, the newest first."""
        account = self._account(request)
        only = request.query.get("parent_message_id")
        return _success(
            [
                {
                    "data": [row for turn in turns for row in turn.rows(account.id, parent)],
                    "id": parent,
                    "path": parent,
                    "name": turns[0].question[:100],
                    "persona_id": None,
                }
                for parent, turns in self._context.conversations(account.name)
                if only is None or parent == only
            ]
        )

    async def forget(self, request: web.Request) -> web.Response:
        """``DELETE /api/user/messages?parent_message_id=``: drops what was said under that id."""
        account = self._account(request)
        parent = request.query.get("parent_message_id")
        if parent is None:
            raise EngineError("parent_message_id is missing", status=400, code=-1)
        return _success([], message=f"{self._context.drop(account.name, parent)} turns deleted")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """``POST /api/chat/completions``: a question for a streamed reply."""
        account = self._account(request)
        question = Question.read(await _json(request))
        if account.is_empty:
            raise EngineError("Insufficient balance on this account", status=400, code=-1)
        if self._streams >= self._limits.streams:
            return _too_many("Too many replies at a time: try again in a moment", retry_after=2)
        self._streams += 1
        try:
            model = question.model(tuple(await self._engine.models()))
            messages = [
                *self._context.messages(account.name, question.parent),
                {"role": "user", "content": question.prompt},
            ]
            async with aclosing(self._engine.stream(messages, {**question.options, "model": model})) as pieces:
                return await self._reply(request, account, question, pieces)
        finally:
            self._streams -= 1

    async def _reply(
        self, request: web.Request, account: Account, question: Question, pieces: AsyncGenerator[str, None]
    ) -> web.StreamResponse:
        # Nothing is sent before the engine has said something: until then a refusal can have its own HTTP status.
        piece = await anext(pieces, None)
        asked = timestamp()
        segments = Segments(question.parent)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream;charset=utf-8", "Cache-Control": "no-cache"}
        )
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the pieces back
        await response.prepare(request)
        reply: list[str] = []
        visit().outcome = "left by its client"
        try:
            await self._send(response, segments.start())
            while piece is not None:
                reply.append(piece)
                await self._send(response, segments.text(piece))
                piece = await anext(pieces, None)
            turn = StoredTurn(question.prompt, "".join(reply), question.options, asked)
            self._context.append(account.name, question.parent, turn)
            await self._send(response, segments.stop())
            visit().outcome = "complete"
        except Exception as error:  # noqa: BLE001 - whatever it was, the reply is cut and must not look complete
            visit().outcome = "cut"
            _log_failure(error)
            _cut(request, at_once=isinstance(error, TimeoutError))
        finally:
            account.spend(len(question.prompt) + sum(map(len, reply)))
        return response

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._limits.stall):
            await response.write(data)

    def _account(self, request: web.Request) -> Account:
        name = self._tokens.owner(request.headers.get("token", ""))
        account = None if name is None else self._accounts.find(name)
        if account is None:
            raise EngineError("Log in and try again", status=401, code=4001)
        visit().account = account.name
        return account


@web.middleware
async def _errors_in_envelopes(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except EngineError as error:
        return _envelope(error.code, error.data, error.message, status=error.status)
    except web.HTTPException as error:
        message = HTTPStatus(error.status).phrase
        return _envelope(-1, [], message, status=error.status)
    except Exception as error:  # noqa: BLE001 - an engine is anybody's code; its fault is one answer, not the server
        _log_failure(error)
        return _envelope(5000, [], "The engine failed", status=500)


def _envelope(code: int, data: Any, message: str, *, status: int = 200) -> web.Response:
    body = encode({"code": code, "data": data, "message": message})
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")


def _success(data: Any, *, message: str = "") -> web.Response:
    return _envelope(0, data, message)


def _too_many(message: str, *, retry_after: int) -> web.Response:
    response = _envelope(-1, [], message, status=HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["Retry-After"] = str(retry_after)
    return response


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise EngineError("The body is not JSON", status=400, code=-1) from None


def _cut(request: web.Request, *, at_once: bool) -> None:
    """Close the connection where it stands: no last chunk, no `stop`, so that every client sees a cut."""
    if request.transport is None:
        return
    if at_once:
        request.transport.abort()  # a client that does not read would keep a mere `close` waiting
    else:
        request.transport.close()  # sends what was written; the end of the response then finds it closed


def _log_failure(error: Exception) -> None:
    """Log what failed and where, without the error's words: they may be a user's."""
    if isinstance(error, ConnectionError):
        return  # the client went away
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "?"
    _log.info("A reply failed: %s at %s", type(error).__name__, where)


def _is_for_this_machine(request: web.Request) -> bool:
    try:
        return is_loopback(URL(f"http://{request.host}"))
    except ValueError:
        return False
