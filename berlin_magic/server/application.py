"""The application: the routes of the protocol."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from berlin_magic.errors import BerlinError, clean
from berlin_magic.server.access_log import Writer, access_log, log_entry
from berlin_magic.server.accounts.balance import Bill, Spending
from berlin_magic.server.accounts.login_limits import LoginLimits
from berlin_magic.server.accounts.model import Account, Accounts
from berlin_magic.server.addresses import address_of, is_for_this_machine
from berlin_magic.server.context import ROWS, Context, StoredTurn, timestamp
from berlin_magic.server.engine import Engine, EngineError
from berlin_magic.server.envelopes import body_of, errors_in_envelopes, success, too_many
from berlin_magic.server.question import DEFAULT_MODEL, Question
from berlin_magic.server.reply import send_reply
from berlin_magic.server.segments import Segments
from berlin_magic.server.state import State, error_name
from berlin_magic.server.tokens import Tokens

__all__ = ["Limits", "application"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server.

    Attributes
    ----------
    body : int
        Bytes of a question.
    login : int
        Bytes of a login: it comes from anybody.
    login_time : float
        Seconds within which a login has to be there.
    reply : int
        Characters of a reply, the model's thoughts included; one that is longer is ended there.
    streams : int
        Replies at a time.
    counted_streams : int
        Replies at a time of one account that has a balance.
    stall : float
        Seconds that a client may leave a reply unread before its connection is closed.
    """

    body: int = 16 * 2**20
    login: int = 8 * 2**10
    login_time: float = 15.0
    reply: int = 4_000_000
    streams: int = 1_000
    counted_streams: int = 16
    stall: float = 120.0


def application(
    engine: Engine,
    accounts: Accounts,
    *,
    state: State | None = None,
    rows: int = ROWS,
    limits: Limits | None = None,
    tokens: Tokens | None = None,
    tries: LoginLimits | None = None,
    log: Writer | None = None,
    unnamed: str = DEFAULT_MODEL,
) -> web.Application:
    """Return the server as an aiohttp application; to be run with `handler_cancellation`, see `serving.listen`.

    Parameters
    ----------
    engine : Engine
        The engine that answers; closed with the application.
    accounts : Accounts
        The accounts that may log in.
    state : State, optional
        The database of conversations and logins, closed with the application; by default in memory.
    rows : int
        Newest stored rows that are sent before a prompt with the same `parentMessageId`.
    limits : Limits, optional
        Bounds on requests and replies.
    tokens : Tokens, optional
        The tokens of the accounts that are logged in.
    tries : LoginLimits, optional
        The limits on attempts to log in.
    log : callable, optional
        Called with a line for each request; by default no line is written.
    unnamed : str
        The model that clients name if their user has chosen no model; empty if clients name only chosen models.
    """
    limits = limits or Limits()
    state = state or State()
    tokens = tokens or Tokens(state)
    routes = _Routes(engine, accounts, Context(state, rows=rows), limits, tokens, tries or LoginLimits(), unnamed)
    app = web.Application(middlewares=[access_log(log), errors_in_envelopes, routes.refuse_foreign_requests])
    app.router.add_post("/api/login", routes.login)
    app.router.add_post("/api/chat/completions", routes.chat)
    app.router.add_get("/api/config", routes.config)
    app.router.add_get("/api/user/info", routes.info)
    app.router.add_get("/api/user/messages", routes.messages)
    app.router.add_delete("/api/user/messages", routes.forget)

    async def lifespan(_: web.Application) -> AsyncIterator[None]:
        await tokens.load()
        yield
        await engine.close()
        await routes.wait_for_charges()
        await state.close()

    app.cleanup_ctx.append(lifespan)
    return app


class _Routes:
    """The routes of one server, with their shared state."""

    def __init__(
        self,
        engine: Engine,
        accounts: Accounts,
        context: Context,
        limits: Limits,
        tokens: Tokens,
        tries: LoginLimits,
        unnamed: str,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._context = context
        self._limits = limits
        self._tokens = tokens
        self._tries = tries
        self._unnamed = unnamed
        self._spending = Spending(accounts)
        self._streams: Counter[str] = Counter()
        self._charging: set[asyncio.Task[None]] = set()

    @web.middleware
    async def refuse_foreign_requests(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what comes from a web page or for another host's name, if anybody may ask.

        Otherwise a web page could log in through the browser of its reader, which ends the token of that user; or have
        its own name resolve to this machine (DNS rebinding) and ask. A web server in front (nginx) passes on the
        requests of anybody, under our name.
        """
        if self._accounts.are_open and not is_for_this_machine(request):
            raise EngineError("A server without accounts is for this machine only", status=403, code=-1)
        return await handler(request)

    async def login(self, request: web.Request) -> web.Response:
        """``POST /api/login``: an account and its password for a token."""
        body = await body_of(request, most=self._limits.login, within=self._limits.login_time)
        name, password = (body.get("account"), body.get("password")) if isinstance(body, dict) else (None, None)
        if not (isinstance(name, str) and isinstance(password, str) and name and password):
            raise EngineError("A required field is missing", status=406, code=-1)
        name, address = unicodedata.normalize("NFC", name), address_of(request)
        wait = math.ceil(self._tries.wait(address, name))
        if wait:
            log_entry().outcome = "refused: too many tries"
            return too_many(f"Too many tries to log in: try again in {wait} s", retry_after=wait)
        attempt, account = self._tries.begin(address, name), None
        try:
            account = await self._accounts.check(name, password)
        finally:  # a client that does not wait for the answer has tried, too
            self._tries.end(attempt, succeeded=account is not None)
        if account is None:
            raise EngineError("There is no such account, or the password is wrong", status=406, code=-1)
        log_entry().account = account.name
        token = await self._tokens.issue(account)
        return success({"user_info": account.public(), "token": token}, message="Logged in")

    async def config(self, _: web.Request) -> web.Response:
        """``GET /api/config``: the models that are served; needs no token."""
        models = [
            {"label": name, "value": name, "type": "chat", "app": "openai"} for name in await self._engine.models()
        ]
        return success({"website_title": "berlin-server", "chat_models": models, "draw_models": []})

    async def info(self, request: web.Request) -> web.Response:
        """``GET /api/user/info``: the account and its balance."""
        return success(self._account(request).public())

    async def messages(self, request: web.Request) -> web.Response:
        """``GET /api/user/messages``: the stored conversations of the account, the newest first."""
        account = self._account(request)
        only = request.query.get("parent_message_id")
        return success(
            [
                {
                    "data": [row for turn in turns for row in turn.rows(account.id, parent)],
                    "id": parent,
                    "path": parent,
                    "name": turns[0].question[:100],
                    "persona_id": None,
                }
                for parent, turns in await self._context.conversations(account.id, only)
            ]
        )

    async def forget(self, request: web.Request) -> web.Response:
        """``DELETE /api/user/messages?parent_message_id=``: delete the turns of one conversation."""
        account = self._account(request)
        parent = request.query.get("parent_message_id")
        if parent is None:
            raise EngineError("parent_message_id is missing", status=400, code=-1)
        return success([], message=f"{await self._context.drop(account.id, parent)} turns deleted")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """``POST /api/chat/completions``: a question for a streamed reply."""
        account = self._account(request)
        question = Question.read(await body_of(request, most=self._limits.body))
        if account.is_empty:
            raise EngineError("Insufficient balance on this account", status=400, code=-1)
        if self._is_busy(account):
            return too_many("Too many replies at a time: try again in a moment", retry_after=2)
        self._streams[account.id] += 1
        try:
            return await self._answer(request, account, question)
        finally:
            self._streams[account.id] -= 1
            if not self._streams[account.id]:
                del self._streams[account.id]

    async def wait_for_charges(self) -> None:
        """Wait until the balances are saved."""
        await asyncio.gather(*self._charging)

    async def _answer(self, request: web.Request, account: Account, question: Question) -> web.StreamResponse:
        served = await self._engine.models()
        model = question.model(served, unnamed=self._unnamed, advice=self._engine.advice)
        messages = [
            *await self._context.messages(account.id, question.parent),
            {"role": "user", "content": question.prompt},
        ]
        bill = Bill(messages, question.limit)
        asked = timestamp()

        async def completed(answer: str) -> None:
            # Before the client gets the end: its next question must find the new balance and this turn. And it must
            # not be cancelled half way.
            if charging := self._charge(account, bill.close()):
                await asyncio.shield(charging)
            await self._store(account, question.parent, StoredTurn(question.prompt, answer, question.options, asked))

        with self._spending.of(account, bill):
            try:
                options = question.limited(bill.limit)
                async with aclosing(self._engine.stream(messages, {**options, "model": model})) as events:
                    return await send_reply(
                        request,
                        events,
                        Segments(question.parent),
                        bill,
                        stall=self._limits.stall,
                        most=self._limits.reply,
                        is_covered=lambda: self._spending.is_covered(account, bill),
                        completed=completed,
                    )
            finally:
                if due := bill.close():  # of a reply that was cut, or whose client has left
                    log_entry().outcome = f"{clean(log_entry().outcome, 90)}, {due} tokens"
                    self._charge(account, due)

    def _is_busy(self, account: Account) -> bool:
        # Each of the last replies before a balance is used up may overdraw it by a piece: they can't be many.
        too_many_of_one = account.balance is not None and self._streams[account.id] >= self._limits.counted_streams
        return too_many_of_one or self._streams.total() >= self._limits.streams

    def _charge(self, account: Account, tokens: int) -> asyncio.Task[None] | None:
        """Take `tokens` from the balance, in a separate task: if the request is cancelled, it must still be paid.

        Return None if there is nothing to write down.
        """
        writing = self._accounts.charge(account, tokens)  # it counts them at once: no question is let in between
        if writing is None:
            return None

        async def charge() -> None:
            try:
                await writing
            except (OSError, BerlinError) as error:
                number = getattr(error, "errno", None)
                reason = os.strerror(number) if number else type(error).__name__
                _log.error("The balances can't be saved (%s): they are kept in memory until the server ends", reason)

        task = asyncio.create_task(charge())
        self._charging.add(task)
        task.add_done_callback(self._charging.discard)
        return task

    async def _store(self, account: Account, parent: str, turn: StoredTurn) -> None:
        try:
            await self._context.append(account.id, parent, turn)
        except sqlite3.Error as error:  # e.g. a full disk; the reply is complete
            _log.error("A turn can't be stored: %s", error_name(error))

    def _account(self, request: web.Request) -> Account:
        login = self._tokens.owner(request.headers.get("token", ""))
        account = None if login is None else self._accounts.find(login.name)
        if login is None or account is None or (account.id, account.mark) != (login.account, login.mark):
            raise EngineError("Log in and try again", status=401, code=4001)
        log_entry().account = account.name
        return account
