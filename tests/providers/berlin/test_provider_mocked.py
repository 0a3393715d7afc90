"""The provider's requests, as it hands them to aiohttp: nothing here opens a socket (`aioresponses`)."""

from __future__ import annotations

import inspect
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from aioresponses import aioresponses as mocked_aiohttp
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, RECORD, TOKEN, outcome
from recordings import REFUSALS, recorded
from scripted import stream
from yarl import URL

from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.berlin.settings import DEFAULT_URL

LOGIN, CHAT = f"{DEFAULT_URL}/api/login", f"{DEFAULT_URL}/api/chat/completions"
EXPIRED = {"code": 4001, "data": [], "message": "请登录账户后重新尝试！"}
pytestmark = [pytest.mark.usefixtures("order"), pytest.mark.slow]


@pytest.fixture
def web(monkeypatch):
    """A mocked aiohttp, with the argument that aioresponses 0.7.9 does not know of yet.

    aiohttp 3.14 wants a `stream_writer` (https://github.com/pnuckowski/aioresponses/issues/289, pull request 288).
    """
    if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:

        class Response(aiohttp.ClientResponse):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **{"stream_writer": Mock(output_size=0), **kwargs})

        monkeypatch.setattr(aioresponses.core, "ClientResponse", Response)
    with mocked_aiohttp() as mocked:
        yield mocked


def logged_in(token=TOKEN):
    return {"code": 0, "data": {"user_info": RECORD, "token": token}, "message": "登录成功"}


def ask(**given):
    return Berlin.create_async_generator("", HELLO, account=ACCOUNT, password=PASSWORD, **given)


def sent(call):
    """Return the JSON that a call has sent."""
    return call.kwargs["json"]


def calls(web, url):
    return web.requests.get(("POST", URL(url)), [])


async def test_the_login_sends_account_password_and_an_empty_invite_code(web):
    web.post(LOGIN, payload=logged_in())
    web.post(CHAT, body=stream("Hello ", "you"))
    result = await outcome(ask())
    assert result.text == "Hello you"
    (login,) = calls(web, LOGIN)
    assert sent(login) == {"account": ACCOUNT, "password": PASSWORD, "invite_code": ""}
    (chat,) = calls(web, CHAT)
    assert chat.kwargs["headers"]["token"] == TOKEN
    assert sent(chat)["prompt"] == "Hello"


async def test_the_token_is_used_again(web):
    web.post(LOGIN, payload=logged_in())
    web.post(CHAT, body=stream("a"), repeat=True)
    for _ in range(3):
        await outcome(ask())
    assert len(calls(web, LOGIN)) == 1
    assert len(calls(web, CHAT)) == 3


@pytest.mark.parametrize("status", [401, 200])
async def test_an_expired_token_is_renewed_once(web, status):
    Berlin._token = TOKEN
    web.post(CHAT, status=status, payload=EXPIRED)
    web.post(LOGIN, payload=logged_in(NEW_TOKEN))
    web.post(CHAT, body=stream("a"))
    assert (await outcome(ask())).text == "a"
    assert [call.kwargs["headers"]["token"] for call in calls(web, CHAT)] == [TOKEN, NEW_TOKEN]
    assert len(calls(web, LOGIN)) == 1


@pytest.mark.parametrize("status", [None, 200])
@pytest.mark.parametrize("name", [name for name in REFUSALS if REFUSALS[name][1] != 401])
async def test_each_recorded_envelope_is_its_error_also_with_http_200(web, name, status):
    recording = recorded(name)
    kind, recorded_status, code, said = REFUSALS[name]
    status = status or recorded_status
    login = name.startswith("login-")
    web.post(LOGIN, **({"status": status, "body": recording.body} if login else {"payload": logged_in()}))
    web.post(CHAT, status=status, body=recording.body)
    result = await outcome(ask(retries=0))
    assert (result.failure.status, result.failure.code) == (status, code)
    assert said in str(result.failure)
    if status == recorded_status:
        assert type(result.failure) is kind


@pytest.mark.parametrize("proxy", [None, "http://proxy.example:8080"])
async def test_proxy_and_redirects_are_the_same_for_both_requests(web, proxy):
    web.post(LOGIN, payload=logged_in())
    web.post(CHAT, body=stream("a"))
    await outcome(ask(proxy=proxy))
    for url in (LOGIN, CHAT):
        (call,) = calls(web, url)
        assert call.kwargs["proxy"] == proxy
        assert call.kwargs["allow_redirects"] is False


async def test_the_original_clients_positional_call_works(web):
    web.post(LOGIN, payload=logged_in())
    web.post(CHAT, body=stream("a"))
    generator = Berlin.create_async_generator(
        "gpt-4", HELLO, "http://proxy.example:8080", account=ACCOUNT, password=PASSWORD, temperature=1
    )
    assert (await outcome(generator)).text == "a"
    (call,) = calls(web, CHAT)
    assert sent(call)["options"]["model"] == "gpt-4"
    assert sent(call)["options"]["temperature"] == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_option_that_json_cannot_spell_is_told_before_anything_is_sent(value: float) -> None:
    with pytest.raises(ValueError, match="options"):
        Berlin.create_async_generator("m", [{"role": "user", "content": "x"}], temperature=value)
