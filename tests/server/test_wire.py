"""The requests recorded with the original server, sent to ours: the same status, code and shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from recordings import recorded
from server.scripted_engine import ScriptedEngine

from berlin_magic import Berlin
from berlin_magic.errors import (
    IncompleteReplyError,
    LoginRefusedError,
    ModelUnknownError,
    NoBalanceError,
    RateLimitError,
)
from berlin_magic.providers.berlin.stream import Decoder
from berlin_magic.server.accounts.model import Account, SecretAccount
from berlin_magic.server.engine import EngineError

MODELS = ("gpt-3.5-turbo", "gpt-3.5-turbo-16k", "gpt-4")
ADMIN = SecretAccount("admin@c.om", "admin123")
LIMITED = EngineError("", status=429, code=-1, data={"error": {"message": "Rate limit reached", "code": "rate"}})


class Broke(SecretAccount):
    def find(self, name: str) -> Account | None:
        return Account(name, 0)


def engine(*script: Any) -> ScriptedEngine:
    return ScriptedEngine(*script, models=MODELS)


async def send(client: Any, name: str) -> tuple[int, bytes]:
    """Send the recorded request, with a token of ours where the recorded one was valid."""
    exchange = recorded(name)
    headers = {"token": exchange.headers["token"]} if exchange.headers.get("token") == "not-a-token" else client.headers
    method = "GET" if exchange.json is None else "POST"
    url = client.url + exchange.path
    async with client.session.request(method, url, json=exchange.json, headers=headers) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("login-ok", []),
        ("login-missing-fields", []),
        ("login-unknown-account", []),
        ("login-wrong-password", []),
        ("chat-bad-token", []),
        ("chat-unknown-model", []),
        ("chat-upstream-429", [LIMITED]),
        ("chat-upstream-refused", [EngineError("request to http://h failed, reason: refused")]),
        ("config-models", []),
        ("user-info", []),
    ],
)
async def test_status_code_and_shape_are_those_of_the_recording(serve, name, script):
    client = await (await serve(engine(*script), ADMIN)).login("admin@c.om", "admin123")
    status, body = await send(client, name)
    answer, original = json.loads(body), json.loads(recorded(name).body)
    assert (status, answer["code"]) == (recorded(name).status, original["code"])
    assert set(answer) == {"code", "data", "message"}
    assert type(answer["data"]) is type(original["data"])


async def test_a_login_without_an_invite_code_is_accepted_unlike_then(serve):
    client = await serve(engine(), ADMIN)
    assert (await send(client, "login-without-invite-code"))[0] == 200


async def test_a_login_elsewhere_ends_the_token_as_recorded(serve):
    client = await (await serve(engine(), ADMIN)).login("admin@c.om", "admin123")
    old = dict(client.headers)
    await client.login("admin@c.om", "admin123")
    client.headers = old
    status, body = await send(client, "chat-after-second-login-elsewhere")
    assert (status, json.loads(body)["code"]) == (401, 4001)


async def test_an_empty_account_is_refused_as_recorded(serve):
    client = await (await serve(engine(), Broke("admin@c.om", "admin123"))).login("admin@c.om", "admin123")
    status, body = await send(client, "chat-no-balance")
    assert (status, json.loads(body)["code"]) == (400, -1)


async def test_two_turns_stream_as_recorded_and_the_second_has_its_context_in_the_right_order(serve):
    answers = engine("Paris", None, "Rome", None)
    client = await (await serve(answers, ADMIN)).login("admin@c.om", "admin123")
    for name in ("chat-first-turn", "chat-second-turn-same-parent"):
        status, body = await send(client, name)
        ours, theirs = list(Decoder().feed(body)), list(Decoder().feed(recorded(name).body))
        assert status == 200
        assert [ours[0].segment, ours[-1].segment] == [theirs[0].segment, theirs[-1].segment] == ["start", "stop"]
        assert set(json.loads(body.split(b"\n\n")[0])) == set(json.loads(recorded(name).body.split(b"\n\n")[0]))
    said = [message["content"] for message in answers.asked[1][0]]
    assert said == ["What is the capital of France?", "Paris", "And of Italy?"]


async def test_stored_conversations_have_the_recorded_shape(serve):
    client = await (await serve(engine("Paris", None), ADMIN)).login("admin@c.om", "admin123")
    await send(client, "chat-first-turn")
    _, body = await send(client, "user-messages")
    ours, theirs = json.loads(body)["data"][0], json.loads(recorded("user-messages").body)["data"][0]
    assert set(ours) == set(theirs)
    assert set(ours["data"][0]) == set(theirs["data"][0])
    assert set(ours["data"][0]["requestOptions"]["options"]) == set(theirs["data"][0]["requestOptions"]["options"])


def asked(client: Any, model: str = "", **settings: Any) -> AsyncGenerator[str, None]:
    settings = {"account": "admin@c.om", "password": "admin123", "url": client.url, "retries": 0, **settings}
    return Berlin.create_async_generator(model, [{"role": "user", "content": "Hi"}], **settings)


async def ask(client: Any, **settings: Any) -> list[str]:
    async with aclosing(asked(client, **settings)) as generator:
        return [piece async for piece in generator]


async def test_our_own_provider_gets_the_text_piece_by_piece_while_the_engine_talks(serve):
    answers = engine("one ")
    client = await serve(answers, ADMIN)
    generator = asked(client)
    async with aclosing(generator):
        assert await anext(generator) == "one "
        answers.say("\ud83c", "\udf89", None)
        assert [piece async for piece in generator] == ["🎉"]


@pytest.mark.parametrize(
    ("script", "settings", "error"),
    [
        ([LIMITED], {}, RateLimitError),
        (["half", EngineError("cut")], {}, IncompleteReplyError),
        ([], {"password": "wrong"}, LoginRefusedError),
    ],
)
async def test_our_own_provider_has_the_error_that_the_server_means(serve, script, settings, error):
    client = await serve(engine(*script), ADMIN)
    with pytest.raises(error):
        await ask(client, **settings)


async def test_our_own_provider_has_the_error_for_an_unknown_model_and_an_empty_account(serve):
    client = await serve(ScriptedEngine(), Broke("admin@c.om", "admin123"))
    with pytest.raises(NoBalanceError):
        await ask(client)
    client = await serve(ScriptedEngine(), ADMIN)
    generator = asked(client, "gpt-9")
    with pytest.raises(ModelUnknownError):
        await anext(generator)


async def test_our_own_provider_closed_in_the_middle_ends_the_engine(serve):
    answers = engine("one ")
    client = await serve(answers, ADMIN)
    generator = asked(client)
    async with aclosing(generator):
        assert await anext(generator) == "one "
    await asyncio.wait_for(answers.ended.wait(), 5)
