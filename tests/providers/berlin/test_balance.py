"""The balance: a number or nothing, and nothing else of the account's record."""

from __future__ import annotations

import json

import pytest
from asking import ACCOUNT, PASSWORD, RECORD, TOKEN, assert_fit_to_be_shown
from recordings import recorded
from scripted import envelope, reply

from berlin_magic.credentials.private_file import state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.credentials.shared_token import SharedToken
from berlin_magic.errors import BerlinError
from berlin_magic.providers.base import Provider
from berlin_magic.providers.berlin.provider import Berlin

INFO = "/api/user/info"


async def test_the_recorded_servers_balance_is_told(server):
    server.on(INFO, [recorded("user-info").response])
    assert await Berlin.balance(url=server.url, token=TOKEN) == 899999
    (request,) = server.requests
    assert (request.method, request.headers["token"]) == ("GET", TOKEN)


@pytest.mark.parametrize("left", [0, -3, 12.5])
async def test_it_is_any_number(server, left):
    server.on(INFO, [envelope(0, {**RECORD, "integral": left})])
    assert await Berlin.balance(url=server.url, token=TOKEN) == left


@pytest.mark.parametrize("left", [None, "canary", True, [1], {"a": 1}, float("nan"), float("inf")])
async def test_what_is_no_number_is_none(server, left):
    server.on(INFO, [envelope(0, {**RECORD, "integral": left})])
    assert await Berlin.balance(url=server.url, token=TOKEN) is None


async def test_with_no_token_nobody_is_asked_and_nobody_logs_in(server):
    assert await Berlin.balance(url=server.url, account=ACCOUNT, password=PASSWORD) is None
    assert server.connections == 0


async def test_the_users_other_processes_token_will_do(server):
    await SharedToken((server.url, ACCOUNT), state_folder()).write(Secret(TOKEN))
    server.on(INFO, [envelope(0, RECORD)])
    assert await Berlin.balance(url=server.url, account=ACCOUNT) == RECORD["integral"]


@pytest.mark.parametrize(
    "answer",
    [
        envelope(4001, RECORD, f"no {TOKEN}", status=401),
        envelope(-1, [RECORD], json.dumps(RECORD)),
        reply(200, json.dumps({"code": 0, "data": RECORD})[:-4].encode()),
        reply(502, json.dumps(RECORD).encode()),
    ],
)
async def test_a_failure_quotes_nothing_of_the_record(server, answer):
    server.on(INFO, [answer])
    with pytest.raises(BerlinError) as caught:
        await Berlin.balance(url=server.url, token=TOKEN)
    assert_fit_to_be_shown(caught.value)


async def test_another_provider_need_not_tell_one():
    class Silent(Provider):
        name = "Silent"

        @classmethod
        def create_async_generator(cls, model, messages, proxy=None, **kwargs):
            raise NotImplementedError

    assert await Silent.balance(url="x", token="y") is None
