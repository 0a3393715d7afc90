"""What a verbose traceback shows: the variables of every frame that an error came through, ours and the libraries'."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Coroutine
from typing import Any

import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, RECORD, TOKEN, assert_no_secret
from scripted import HEAD, ScriptedServer, Then, chunk, reply

from berlin_magic.errors import BerlinError
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.services import OpenAI
from berlin_magic.providers.resolve import connect
from berlin_magic.results.conversation import Conversation

CHAT, LOGIN = "/api/chat/completions", "/api/login"
PROXY_PASSWORD = "canary-proxy-pw"
LOGGED_IN = json.dumps({"code": 0, "data": {"user_info": RECORD, "token": NEW_TOKEN}, "message": "ok"}).encode()
pytestmark = pytest.mark.usefixtures("brisk")


def told_by(error: BaseException) -> list[str]:
    """Return what a verbose traceback of `error`, and of all that led to it, could show: not this file's own frames."""
    told: list[str] = []
    left, seen = [error], set()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told += [repr(one), repr(vars(one))]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename != __file__:
                told += [f"{frame.f_code.co_qualname} {name}={value!r}" for name, value in frame.f_locals.items()]
        left += [before for before in (one.__cause__, one.__context__) if before is not None]
    return told


async def given_up(work: Coroutine[Any, Any, object], server: ScriptedServer, path: str) -> BaseException:
    """Return what comes of giving `work` up while the request to `path` is waiting."""

    async def waiting() -> None:
        await server.request(path)
        await asyncio.sleep(0.1)  # for what the server has sent to be there

    task = asyncio.create_task(work)
    await waiting()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


async def drained(**given: Any) -> None:
    async for _ in Berlin.create_async_generator("", HELLO, **given):
        pass


async def test_a_password_given_for_one_question_is_in_no_frame(server):
    server.on(LOGIN, [reply(500, b"no")])
    with pytest.raises(BerlinError) as caught:
        await Conversation().ask("Hi", url=server.url, account=ACCOUNT, password=PASSWORD)
    assert_no_secret(*told_by(caught.value))


def test_nor_from_code_that_can_not_await(unused_tcp_port):
    with pytest.raises(BerlinError) as caught:
        Conversation().ask_sync("Hi", url=f"http://127.0.0.1:{unused_tcp_port}", account=ACCOUNT, password=PASSWORD)
    assert_no_secret(*told_by(caught.value))


@pytest.mark.parametrize("way", ["conversation", "provider"])
async def test_who_gives_up_while_the_login_is_answered_sees_no_record(server, way):
    server.on(LOGIN, [reply(200, LOGGED_IN + b" " * 50)[:-50], Then.HOLD])
    settings = {"url": server.url, "account": ACCOUNT, "password": PASSWORD, "shared": False}
    talk = Conversation(**settings)
    error = await given_up(talk.ask("Hi") if way == "conversation" else drained(**settings), server, LOGIN)
    assert_no_secret(*told_by(error))


async def test_who_limits_the_time_sees_none_either(server):
    server.on(LOGIN, [reply(200, LOGGED_IN + b" " * 50)[:-50], Then.HOLD])
    talk = Conversation(url=server.url, account=ACCOUNT, password=PASSWORD)
    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(talk.ask("Hi"), 0.5)
    assert_no_secret(*told_by(caught.value))


async def test_who_gives_up_in_the_middle_of_a_reply_sees_no_record_in_it(server):
    server.on(CHAT, [HEAD + chunk("Hello") + LOGGED_IN[:-10], Then.HOLD])
    error = await given_up(drained(url=server.url, token=TOKEN), server, CHAT)
    assert_no_secret(*told_by(error))


@pytest.mark.parametrize("provider", [Berlin, OpenAI])
async def test_who_gives_up_on_a_silent_server_does_not_see_the_proxys_password(server, provider):
    path = f"http://school.example{CHAT if provider is Berlin else '/v1/chat/completions'}"
    server.on(path, [Then.HOLD])
    proxy = server.url.replace("://", f"://ada:{PROXY_PASSWORD}@")
    settings = {"token": TOKEN} if provider is Berlin else {"key": TOKEN, "provider": "openai"}
    talk = Conversation(model="m", url="http://school.example", proxy=proxy, **settings)
    assert_no_secret(*told_by(await given_up(talk.ask("Hi"), server, path)))


async def test_who_gives_up_on_models_or_a_balance_sees_no_secret(server):
    for path in ("/api/config", "/api/user/info"):
        server.on(f"http://school.example{path}", [Then.HOLD])
    proxy = server.url.replace("://", f"://ada:{PROXY_PASSWORD}@")
    way = {"url": "http://school.example", "proxy": proxy}
    error = await given_up(Berlin.models(**way), server, "http://school.example/api/config")
    assert_no_secret(*told_by(error))
    error = await given_up(Berlin.balance(**way, token=TOKEN), server, "http://school.example/api/user/info")
    assert_no_secret(*told_by(error))


@pytest.mark.parametrize(
    "wrong", [{"silence": "10"}, {"silence": 0}, {"token": 5}, {"account": 5}, {"proxy": 5}, {"url": 5}]
)
async def test_a_setting_of_the_wrong_type_is_told_and_shows_no_other(wrong):
    given = {"url": "http://127.0.0.1:9", "account": ACCOUNT, "password": PASSWORD, "token": TOKEN, **wrong}
    given = {"proxy": f"http://ada:{PROXY_PASSWORD}@127.0.0.1:9", **given}
    with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
        Berlin.create_async_generator("", HELLO, **given)
    assert_no_secret(*told_by(caught.value))
    for ask in (Berlin.models, Berlin.balance):
        if ask is Berlin.balance or not wrong.keys() & {"token", "account"}:
            with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
                await ask(**given)
            assert_no_secret(*told_by(caught.value))


@pytest.mark.parametrize(
    "variables",
    [{"BERLIN_TOKEN": "canary-a\ncanary-b"}, {"BERLIN_URL": "ada:canary@nowhere"}],
    ids=["token", "address"],
)
async def test_what_else_is_in_the_environment_is_in_no_frame(monkeypatch, variables):
    monkeypatch.setenv("SOME_DATABASE_PASSWORD", "canary-unrelated")
    for name, value in {"BERLIN_URL": "http://127.0.0.1:9", **variables}.items():
        monkeypatch.setenv(name, value)
    for ask in (connect(), Conversation().ask("Hi"), Berlin.models(), Berlin.balance()):
        with pytest.raises(BerlinError) as caught:
            await ask
        assert_no_secret(*told_by(caught.value))
