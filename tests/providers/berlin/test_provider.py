"""The provider: how it gets in, what it sends, what it yields, and where it sends no secret."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from urllib.parse import quote

import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, RECORD, TOKEN, assert_no_secret, outcome
from scripted import CHUNKED_HEAD, HEAD, Then, chunk, envelope, http_chunk, reply, scripted_server, stream

from berlin_magic import errors
from berlin_magic.providers.berlin.provider import DEFAULT_MODEL, Berlin
from berlin_magic.providers.berlin.settings import DEFAULT_URL

CHAT, LOGIN = "/api/chat/completions", "/api/login"
EXPIRED = envelope(4001, [], "请登录账户后重新尝试！", status=401)
ANSWER = HEAD + stream("Hello ", "you")
pytestmark = pytest.mark.usefixtures("brisk")


def logged_in(token: str = TOKEN) -> bytes:
    return envelope(0, {"user_info": {**RECORD, "account": ACCOUNT}, "token": token}, "登录成功")


def ask(server=None, messages=HELLO, model="", **given):
    given = {"url": server.url, **given} if server else given
    return Berlin.create_async_generator(model, messages, **given)


def ask_with_account(server, **given):
    return ask(server, account=ACCOUNT, password=PASSWORD, **given)


def paths(server) -> list[str]:
    return [request.path for request in server.requests]


def tokens(server) -> list[str]:
    return [request.headers["token"] for request in server.to(CHAT)]


@pytest.fixture
def usual(server):
    """A server where the login works and every question is answered."""
    server.on(LOGIN, [logged_in()])
    server.on(CHAT, [ANSWER])
    return server


def test_the_class_attributes_are_those_of_the_protocols_clients():
    assert Berlin.url == DEFAULT_URL == "https://ai.berlin4h.top"
    assert Berlin.working is False
    assert Berlin.supports_gpt_35_turbo is True
    assert Berlin._token is None


# -- What is sent


async def test_login_then_the_question_with_the_token(usual):
    result = await outcome(ask_with_account(usual))
    assert result.text == "Hello you"
    login, chat = usual.requests
    assert (login.method, login.path) == ("POST", LOGIN)
    assert login.json == {"account": ACCOUNT, "password": PASSWORD, "invite_code": ""}
    assert "token" not in login.headers
    assert (chat.method, chat.path, chat.headers["token"]) == ("POST", CHAT, TOKEN)


async def test_the_headers_are_a_browsers(usual):
    await outcome(ask_with_account(usual))
    for request in usual.requests:
        assert request.headers["user-agent"].startswith("Mozilla/5.0")
        assert request.headers["accept"] == "*/*"
        assert request.headers["accept-language"]
        assert request.headers["referer"] == f"{usual.url}/"
        assert request.headers["origin"] == usual.url
        assert request.headers["content-type"] == "application/json"


async def test_the_options_have_the_original_clients_defaults(usual):
    await outcome(ask(usual, token=TOKEN))
    sent = usual.requests[0].json
    assert sent.keys() == {"prompt", "parentMessageId", "options"}
    assert sent["prompt"] == "Hello"
    assert sent["options"] == {
        "model": DEFAULT_MODEL,
        "temperature": 0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "max_tokens": 1888,
    }


async def test_further_keywords_join_the_options_and_none_leaves_the_default(usual):
    await outcome(ask(usual, model="gpt-4", token=TOKEN, temperature=0.5, top_p=1, max_tokens=None))
    options = usual.requests[0].json["options"]
    assert (options["model"], options["temperature"], options["top_p"]) == ("gpt-4", 0.5, 1)
    assert options["max_tokens"] == 1888
    assert not {"url", "token", "account", "password", "silence", "proxy"} & options.keys()


async def test_each_question_is_a_conversation_of_its_own_for_the_server(usual):
    for _ in range(2):
        await outcome(ask(usual, token=TOKEN))
    first, second = (request.json["parentMessageId"] for request in usual.requests)
    assert first
    assert first != second


async def test_several_messages_are_one_prompt(usual):
    await outcome(ask(usual, [{"role": "system", "content": "Be brief."}, *HELLO], token=TOKEN))
    assert usual.requests[0].json["prompt"] == "System: Be brief.\n\nUser: Hello\n\nAssistant:"


@pytest.mark.parametrize("messages", [[], "Hello", [{"role": "user"}], [{"role": "boss", "content": "x"}]])
async def test_a_malformed_list_is_a_value_error_before_anything_is_sent(usual, messages):
    with pytest.raises(ValueError, match="messages"):
        ask_with_account(usual, messages=messages)
    assert usual.connections == 0


@pytest.mark.parametrize("option", [object(), {1, 2}, b"x"])
async def test_an_option_that_is_no_json_is_a_value_error_before_anything_is_sent(usual, option):
    with pytest.raises(ValueError, match="options"):
        ask_with_account(usual, stop=option)
    assert usual.connections == 0


@pytest.mark.parametrize("silence", [0, -1, float("nan")])
def test_a_limit_that_is_no_time_is_a_value_error(silence):
    with pytest.raises(ValueError, match="silence"):
        ask(silence=silence)


@pytest.mark.parametrize("prefix", ["", "/school", "/school/"])
async def test_a_server_may_live_under_a_path(server, prefix):
    server.on(f"{prefix.rstrip('/')}{CHAT}", [ANSWER])
    result = await outcome(ask(url=f"{server.url}{prefix}", token=TOKEN))
    assert result.text == "Hello you"


async def test_the_proxy_is_used_for_both_requests(server):
    server.on(f"http://school.example{LOGIN}", [logged_in()])
    server.on(f"http://school.example{CHAT}", [ANSWER])
    result = await outcome(ask(url="http://school.example", account=ACCOUNT, password=PASSWORD, proxy=server.url))
    assert result.text == "Hello you"
    assert paths(server) == [f"http://school.example{LOGIN}", f"http://school.example{CHAT}"]


# -- Tokens


async def test_the_token_is_kept_and_used_again(usual):
    for _ in range(3):
        await outcome(ask_with_account(usual))
    assert paths(usual) == [LOGIN, CHAT, CHAT, CHAT]
    assert Berlin._token == TOKEN
    assert repr(Berlin._token) == "<secret>"


async def test_questions_asked_at_once_log_in_once(server):
    go_on = asyncio.Event()
    server.on(LOGIN, [go_on, logged_in()])
    server.on(CHAT, [ANSWER])
    asking = [asyncio.create_task(outcome(ask_with_account(server))) for _ in range(10)]
    await server.request(LOGIN)
    go_on.set()
    assert [(await task).text for task in asking] == ["Hello you"] * 10
    assert len(server.to(LOGIN)) == 1


async def test_questions_that_find_the_token_expired_together_log_in_once(server):
    Berlin._token = "canary-old"

    def answer(request):
        return [ANSWER if request.headers["token"] == NEW_TOKEN else EXPIRED]

    server.on(CHAT, answer)
    server.on(LOGIN, [0.05, logged_in(NEW_TOKEN)])
    results = await asyncio.gather(*(outcome(ask_with_account(server)) for _ in range(10)))
    assert [result.text for result in results] == ["Hello you"] * 10
    assert len(server.to(LOGIN)) == 1


@pytest.mark.parametrize("expired", [EXPIRED, envelope(4001), envelope(-1, status=401), reply(401, b"<h1>No</h1>")])
async def test_a_token_that_has_expired_is_renewed_once(server, expired):
    Berlin._token = TOKEN
    server.on(CHAT, [expired], [ANSWER])
    server.on(LOGIN, [logged_in(NEW_TOKEN)])
    result = await outcome(ask_with_account(server))
    assert result.text == "Hello you"
    assert paths(server) == [CHAT, LOGIN, CHAT]
    assert tokens(server) == [TOKEN, NEW_TOKEN]
    assert Berlin._token == NEW_TOKEN


async def test_an_older_server_of_the_family_is_asked_all_the_same(server):
    """401 with code -1, chunks as server-sent events, their text under `text`, and no end but `[DONE]`."""
    Berlin._token = TOKEN
    chunks = [
        {"segment": "start", "text": ""},
        {"segment": "text", "text": "Hello "},
        {"segment": "text", "text": "you"},
    ]
    events = b"".join(b"data: " + json.dumps({"role": "assistant", **item}).encode() + b"\n\n" for item in chunks)
    server.on(CHAT, [envelope(-1, [], "token", status=401)], [HEAD + events + b"data: [DONE]\n\n"])
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    result = await outcome(ask_with_account(server))
    assert result.text == "Hello you"
    assert tokens(server) == [TOKEN, NEW_TOKEN]


async def test_a_token_refused_right_after_its_login_is_renewed_too(server):
    server.on(CHAT, [EXPIRED], [ANSWER])
    server.on(LOGIN, [logged_in()], [logged_in(NEW_TOKEN)])
    assert (await outcome(ask_with_account(server))).text == "Hello you"
    assert tokens(server) == [TOKEN, NEW_TOKEN]


async def test_a_server_that_refuses_every_token_is_asked_twice_and_no_more(server):
    Berlin._token = TOKEN
    server.on(CHAT, [EXPIRED])
    server.on(LOGIN, [logged_in(NEW_TOKEN)])
    result = await outcome(ask_with_account(server))
    assert type(result.failure) is errors.NotAllowedError
    assert (result.failure.status, result.failure.code) == (401, 4001)
    assert paths(server) == [CHAT, LOGIN, CHAT]


async def test_a_reply_that_has_begun_is_not_asked_for_again(server):
    server.on(CHAT, [HEAD, chunk("Hello"), b'{"code": 4001, "data": [], "message": ""}'])
    result = await outcome(ask_with_account(server, token=TOKEN))
    assert result.text == "Hello"
    assert type(result.failure) is errors.NotAllowedError
    assert paths(server) == [CHAT]


async def test_a_token_set_by_hand_is_used_without_a_login(usual):
    Berlin._token = TOKEN
    await outcome(ask_with_account(usual))
    await outcome(ask_with_account(usual))
    assert paths(usual) == [CHAT, CHAT]
    assert repr(Berlin._token) == "<secret>"


async def test_a_token_set_to_none_by_hand_is_forgotten(usual):
    await outcome(ask_with_account(usual))
    Berlin._token = None
    await outcome(ask_with_account(usual))
    assert paths(usual) == [LOGIN, CHAT, LOGIN, CHAT]


async def test_a_token_given_for_one_question_is_used_for_that_one(usual):
    await outcome(ask(usual, token=TOKEN))
    assert Berlin._token is None
    await outcome(ask(usual, token=f" {NEW_TOKEN}\n"))
    assert tokens(usual) == [TOKEN, NEW_TOKEN]


async def test_a_refused_token_with_no_account_is_an_error_that_says_what_to_set(server):
    server.on(CHAT, [EXPIRED])
    result = await outcome(ask(server, token=TOKEN))
    assert type(result.failure) is errors.NotAllowedError
    assert "BERLIN_TOKEN" in str(result.failure)
    assert paths(server) == [CHAT]


async def test_a_new_token_in_the_environment_is_used_where_the_old_one_is_refused(server, monkeypatch):
    Berlin._token = TOKEN
    monkeypatch.setenv("BERLIN_TOKEN", NEW_TOKEN)
    server.on(CHAT, lambda request: [ANSWER if request.headers["token"] == NEW_TOKEN else EXPIRED])
    assert (await outcome(ask(server))).text == "Hello you"
    assert tokens(server) == [TOKEN, NEW_TOKEN]


async def test_a_subclass_with_its_own_server_has_its_own_token(usual):
    class School(Berlin):
        url = usual.url

    Berlin._token = "canary-of-berlin"
    generator = School.create_async_generator("", HELLO, account=ACCOUNT, password=PASSWORD)
    assert (await outcome(generator)).text == "Hello you"
    assert tokens(usual) == [TOKEN]
    assert School._token == TOKEN
    assert Berlin._token == "canary-of-berlin"


async def test_a_subclass_may_bring_its_token(usual):
    class School(Berlin):
        url = usual.url
        _token = TOKEN

    assert (await outcome(School.create_async_generator("", HELLO))).text == "Hello you"
    assert tokens(usual) == [TOKEN]


def test_each_loop_has_its_own_way_to_the_same_token():
    async def once() -> list[str]:
        async with scripted_server() as server:
            server.on(LOGIN, [logged_in()])
            server.on(CHAT, [ANSWER])
            assert (await outcome(ask_with_account(server))).text == "Hello you"
            return paths(server)

    assert asyncio.run(once()) == [LOGIN, CHAT]
    assert asyncio.run(once()) == [LOGIN, CHAT]  # another port is another origin


# -- Settings


async def test_the_environment_says_where_and_how(usual, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", usual.url)
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    assert (await outcome(ask())).text == "Hello you"
    assert usual.requests[0].json["account"] == ACCOUNT


async def test_a_token_in_the_environment_needs_no_account(usual, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", usual.url)
    monkeypatch.setenv("BERLIN_TOKEN", f"{TOKEN}\n")
    assert (await outcome(ask())).text == "Hello you"
    assert paths(usual) == [CHAT]


async def test_a_token_of_the_environment_that_expired_gives_way_to_a_login(server, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", server.url)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    server.on(CHAT, lambda request: [ANSWER if request.headers["token"] == NEW_TOKEN else EXPIRED])
    server.on(LOGIN, [logged_in(NEW_TOKEN)])
    await outcome(ask())
    await outcome(ask())
    assert tokens(server) == [TOKEN, NEW_TOKEN, NEW_TOKEN]


async def test_an_url_set_on_the_class_goes_before_the_environments(usual, monkeypatch):
    monkeypatch.setattr(Berlin, "url", usual.url)
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:9")
    assert (await outcome(ask(token=TOKEN))).text == "Hello you"


async def test_the_keyword_goes_before_both(usual, monkeypatch):
    monkeypatch.setattr(Berlin, "url", "http://127.0.0.1:9")
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:9")
    assert (await outcome(ask(usual, token=TOKEN))).text == "Hello you"


@pytest.mark.parametrize("name", ["BERLIN_URL", "BERLIN_ACCOUNT", "BERLIN_TOKEN"])
def test_it_is_configured_once_anything_is_named(monkeypatch, name):
    assert not Berlin.configured()
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Berlin.configured()


def test_it_is_configured_by_its_url(monkeypatch):
    monkeypatch.setattr(Berlin, "url", "http://127.0.0.1:9")
    assert Berlin.configured()


async def test_without_an_account_the_error_says_how_to_set_one_and_that_the_server_needs_none(server):
    result = await outcome(ask(server))
    assert type(result.failure) is errors.NotConfiguredError
    for word in ("BERLIN_ACCOUNT", "BERLIN_PASSWORD", "BERLIN_URL", "berlin-server"):
        assert word in str(result.failure)
    assert server.connections == 0


@pytest.mark.parametrize("given", [{"url": "ftp://x"}, {"token": "canary\nX-Evil: 1"}])
def test_what_can_not_be_used_is_an_error_at_the_call(given):
    with pytest.raises(errors.NotConfiguredError) as caught:
        ask(**given)
    assert_no_secret(str(caught.value))


# -- Where no secret goes


async def test_the_environments_credentials_go_to_no_other_server(server, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", "https://school.example")
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    result = await outcome(ask(server))
    assert type(result.failure) is errors.NotConfiguredError
    assert server.connections == 0


async def test_the_environments_password_goes_with_no_other_account(server, monkeypatch):
    monkeypatch.setenv("BERLIN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("BERLIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    result = await outcome(ask(server, account="somebody-else"))
    assert type(result.failure) is errors.NotConfiguredError
    assert server.connections == 0


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_token_goes_to_no_other_server_than_its_own(usual, by_hand):
    if by_hand:
        Berlin._token = TOKEN
        await outcome(ask(usual))
    else:
        await outcome(ask_with_account(usual))
    async with scripted_server() as other:
        result = await outcome(ask(other))
        assert type(result.failure) is errors.NotConfiguredError
        assert other.connections == 0


async def test_each_account_has_its_own_token(server):
    server.on(LOGIN, lambda request: [logged_in(f"canary-of-{request.json['account']}")])
    server.on(CHAT, [ANSWER])
    for account in ("ada", "bob", "ada"):
        await outcome(ask(server, account=account, password=PASSWORD))
    assert tokens(server) == ["canary-of-ada", "canary-of-bob", "canary-of-ada"]
    assert len(server.to(LOGIN)) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_carries_neither_token_nor_password_along(server, status):
    async with scripted_server() as other:
        for path, sent in ((LOGIN, quote(PASSWORD)), (CHAT, TOKEN)):
            server.on(path, [reply(status, b"", f"Location: {other.url}{path}?t={sent}")])
        asked = await outcome(ask(server, token=TOKEN))
        logged = await outcome(ask_with_account(server))
        assert other.connections == 0
    assert asked.failure.status == logged.failure.status == status
    assert type(asked.failure) is errors.ServerError


SPELLINGS = [PASSWORD, json.dumps(PASSWORD)[1:-1], "x" * 280 + PASSWORD]


@pytest.mark.parametrize("said", SPELLINGS)
@pytest.mark.parametrize("status", [200, 401, 406, 500])
async def test_a_password_that_the_server_repeats_is_not_told(server, said, status):
    server.on(LOGIN, [envelope(-1, [], f"wrong: {said}", status=status)])
    result = await outcome(ask_with_account(server))
    assert "<secret>" in str(result.failure)


async def test_a_password_on_an_error_page_is_not_told(server):
    server.on(LOGIN, [reply(500, f"<h1>{PASSWORD}</h1>".encode())])
    assert ": <secret>\n" in str((await outcome(ask_with_account(server))).failure)


@pytest.mark.parametrize(
    "answer",
    [
        envelope(4001, [], f"no such token: {TOKEN}", status=401),
        envelope(TOKEN, [], f"{TOKEN} {TOKEN}", status=500),
        reply(502, f"<p>token: {TOKEN}</p>".encode()),
        HEAD + f"not a stream: {TOKEN}\n".encode(),
        HEAD + b"x" * 280 + TOKEN.encode() + b"x" * 100,
        HEAD + chunk("a") + f'{{"token": "{TOKEN}"}}'.encode(),
    ],
)
async def test_a_token_that_the_server_repeats_is_not_told(server, answer):
    Berlin._token = TOKEN
    server.on(CHAT, [answer])
    server.on(LOGIN, [logged_in(NEW_TOKEN)])
    result = await outcome(ask_with_account(server))
    assert "<secret>" in str(result.failure)


@pytest.mark.parametrize(
    "broken",
    [
        reply(200, logged_in().partition(b"\r\n\r\n")[2][:-20]),
        reply(500, logged_in().partition(b"\r\n\r\n")[2][:-20]),
        envelope(0, {"user_info": RECORD}),
        envelope(0, {"user_info": RECORD, "token": 7}),
        envelope(0, {"user_info": RECORD, "token": ""}),
        envelope(0, {"user_info": RECORD, "token": "a\r\nb"}),
        envelope(0, [RECORD]),
        envelope(-1, {"user_info": RECORD}, "no"),
    ],
)
async def test_a_broken_answer_to_a_login_shows_nothing_of_the_account(server, broken):
    server.on(LOGIN, [broken])
    result = await outcome(ask_with_account(server))
    assert isinstance(result.failure, errors.ServerError | errors.IncorrectAnswerError)
    assert Berlin._token is None


WHOLE = json.dumps({"code": 0, "data": {"user_info": RECORD, "token": NEW_TOKEN}, "message": "ok"})
NO_CODE = json.dumps({"user_info": RECORD, "token": NEW_TOKEN})
WRAPPED = [
    NO_CODE,
    json.dumps({"data": json.loads(NO_CODE)}),
    f"[{WHOLE}]",
    f"<br /><b>Deprecated</b>: x in y\n{WHOLE}",
    f"data: {WHOLE}\n\n",
    f")]}}',\n{WHOLE}",
    json.dumps({"code": 200, "message": WHOLE}),
    json.dumps({"code": -1, "data": [], "message": f"Error {NO_CODE}"}),
    json.dumps({"code": -1, "data": [], "message": f"Error {json.dumps(NO_CODE)[:-30]}"}),
]


@pytest.mark.parametrize("status", [200, 401, 406, 500])
@pytest.mark.parametrize("body", WRAPPED)
async def test_a_record_in_the_answer_to_a_login_is_told_in_no_wrapping(server, body, status):
    server.on(LOGIN, [reply(status, body.encode())])
    result = await outcome(ask_with_account(server))
    assert isinstance(result.failure, errors.ServerError | errors.IncorrectAnswerError)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("body", [WHOLE, *WRAPPED])
async def test_a_question_answered_like_a_login_tells_nothing_of_the_account(server, body, status):
    server.on(CHAT, [reply(status, body.encode())], [reply(status, body.encode()[:-30])])
    for _ in range(2):
        result = await outcome(ask(server, token=TOKEN))
        assert isinstance(result.failure, errors.BerlinError)


@pytest.mark.parametrize("body", [WHOLE, NO_CODE, NO_CODE[:-30]])
async def test_a_record_in_the_middle_of_a_reply_is_not_told(server, body):
    server.on(CHAT, [HEAD + chunk("Hello") + body.encode()])
    result = await outcome(ask(server, token=TOKEN))
    assert result.text == "Hello"
    assert isinstance(result.failure, errors.BerlinError)


async def test_a_login_with_a_byte_order_mark_is_one(server):
    server.on(LOGIN, [reply(200, b"\xef\xbb\xbf" + WHOLE.encode())])
    server.on(CHAT, [ANSWER])
    assert (await outcome(ask_with_account(server))).text == "Hello you"


async def test_a_login_answered_by_a_page_names_it(server):
    server.on(LOGIN, [reply(200, b"<title>Hotel Wi-Fi</title>")])
    result = await outcome(ask_with_account(server))
    assert type(result.failure) is errors.IncorrectAnswerError
    assert "Hotel Wi-Fi" in str(result.failure)


@pytest.mark.parametrize("password", ["canary-proxy-pw", "canary-pröxy", "canary-€"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_proxys_password_that_comes_back_is_told_by_no_method(server, password, encoding):
    sent = b64encode(f"ada:{password}".encode(encoding, "ignore")).decode()
    for path in ("/api/config", "/api/user/info", CHAT):
        server.on(f"http://school.example{path}", [reply(500, f"denied: Basic {sent} {quote(password)}".encode())])
    way = {"url": "http://school.example", "proxy": server.url.replace("://", f"://ada:{password}@")}
    for asked in (Berlin.models(**way), Berlin.balance(**way, token=TOKEN)):
        with pytest.raises(errors.BerlinError) as caught:
            await asked
        assert sent not in str(caught.value)
        assert_no_secret(str(caught.value), repr(vars(caught.value)))
    result = await outcome(ask(**way, token=TOKEN))
    assert sent not in str(result.failure)


async def test_a_token_that_a_redirect_names_is_not_told_by_the_balance_either(usual):
    await outcome(ask_with_account(usual))
    for location in (f"http://x/{TOKEN}", f"http://x/?token={TOKEN}", f"http://x/?t={TOKEN.upper()}"):
        usual.on("/api/user/info", [reply(302, b"", f"Location: {location}")])
        with pytest.raises(errors.ServerError) as caught:
            await Berlin.balance(url=usual.url, account=ACCOUNT)
        assert TOKEN not in str(caught.value).lower()


async def test_asyncios_debug_mode_logs_no_secret(usual, caplog):
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    await outcome(ask_with_account(usual))
    asyncio.get_running_loop().set_debug(False)
    assert_no_secret(caplog.text)


# -- What comes back


async def test_the_first_piece_is_there_while_the_server_is_still_talking(server):
    go_on = asyncio.Event()
    server.on(CHAT, [HEAD, chunk("", "start"), chunk("first"), go_on, chunk("second"), chunk("", "stop")])
    generator = ask(server, token=TOKEN)
    assert await anext(generator) == "first"
    go_on.set()
    assert [piece async for piece in generator] == ["second"]


async def test_null_and_empty_chunks_yield_nothing(server):
    server.on(CHAT, [HEAD, chunk(None, "start"), chunk(""), chunk("a"), chunk(None), chunk(None, "end")])
    assert (await outcome(ask(server, token=TOKEN))).pieces == ["a"]


async def test_a_reply_is_over_with_its_last_segment_even_if_the_server_does_not_close(server):
    server.on(CHAT, [HEAD, stream("a"), Then.HOLD])
    assert (await outcome(ask(server, token=TOKEN))).text == "a"
    await asyncio.wait_for(server.requests[0].gone.wait(), 1)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-1, "账户积分余额不足", errors.NoBalanceError),
        (5000, "Model gpt-9 is not supported", errors.ModelUnknownError),
        (5000, "request failed", errors.ServerError),
    ],
)
async def test_an_error_envelope_is_an_error_whatever_the_http_status(server, status, code, message, kind):
    server.on(CHAT, [envelope(code, [], message, status=status)])
    result = await outcome(ask(server, token=TOKEN, model="gpt-9"))
    assert type(result.failure) is kind
    assert (result.failure.code, result.failure.status) == (code, status)
    assert message in str(result.failure)


async def test_the_engines_own_message_is_told(server):
    server.on(CHAT, [envelope(-1, {"error": {"message": "context too long"}}, "", status=400)])
    assert "context too long" in str((await outcome(ask(server, token=TOKEN))).failure)


async def test_a_page_in_place_of_the_stream_is_an_incorrect_answer_that_names_it(server):
    server.on(CHAT, [reply(200, b"<title>Hotel Wi-Fi</title>", content_type="text/html")])
    result = await outcome(ask(server, token=TOKEN))
    assert type(result.failure) is errors.IncorrectAnswerError
    assert "Hotel Wi-Fi" in str(result.failure)


@pytest.mark.parametrize("end", [(), (Then.RESET,), (Then.HOLD,)], ids=["closed", "reset", "silent"])
async def test_garbage_that_is_all_there_was_is_named_however_the_stream_ends(server, end):
    server.on(CHAT, [CHUNKED_HEAD, http_chunk(b"upstream timeout"), 0.1, *end])
    result = await outcome(ask(server, token=TOKEN, silence=0.3))
    assert type(result.failure) is errors.IncorrectAnswerError
    assert "upstream timeout" in str(result.failure)


async def test_a_success_without_a_reply_is_an_incorrect_answer(server):
    server.on(CHAT, [envelope(0, [], "ok")])
    assert type((await outcome(ask(server, token=TOKEN))).failure) is errors.IncorrectAnswerError


async def test_models_are_listed_without_a_token(server):
    server.on("/api/config", [envelope(0, {"chat_models": [{"value": "a"}, {"value": 7}, {}, "x", {"value": "b"}]})])
    assert await Berlin.models(url=server.url) == ["a", "b"]
    assert "token" not in server.requests[0].headers


@pytest.mark.parametrize("config", [[], {}, {"chat_models": "a"}, None])
async def test_a_configuration_without_models_is_an_incorrect_answer(server, config):
    server.on("/api/config", [envelope(0, config)])
    with pytest.raises(errors.IncorrectAnswerError, match="lists no models"):
        await Berlin.models(url=server.url)


ENGINE_401 = envelope(-1, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "", status=401)


async def test_an_engines_401_is_no_matter_of_our_token(server):
    Berlin._token = TOKEN
    server.on(CHAT, [ENGINE_401])
    server.on(LOGIN, [logged_in(NEW_TOKEN)])
    for _ in range(10):
        failure = (await outcome(ask_with_account(server))).failure
        assert type(failure) is errors.ServerError and "not yours" in str(failure)
    assert paths(server) == [CHAT] * 10 and Berlin._token == TOKEN


def named(segment: str, content: str | None = "") -> bytes:
    return json.dumps({"id": "x", "role": "assistant", "segment": segment, "content": content}).encode() + b"\n\n"


@pytest.mark.parametrize("content", ["", None])
async def test_a_chunk_without_an_id_is_an_engines_error_that_was_swallowed(server, content):
    Berlin._token = TOKEN
    swallowed = json.dumps({"role": "assistant", "segment": "text", "content": content}).encode() + b"\n\n"
    server.on(CHAT, [HEAD, named("start"), named("text", "Half"), swallowed, named("stop")])
    result = await outcome(ask_with_account(server))
    assert result.text == "Half"
    assert type(result.failure) is errors.IncompleteReplyError and "engine" in str(result.failure)


async def test_an_empty_chunk_with_its_id_is_no_error(server):
    Berlin._token = TOKEN
    server.on(CHAT, [HEAD, named("start"), named("text", "All"), named("text", None), named("stop")])
    assert (await outcome(ask_with_account(server))).text == "All"


async def test_a_long_question_in_chinese_is_sent_as_utf_8(server):
    Berlin._token = TOKEN
    server.on(CHAT, [ANSWER])
    for length in (10, 20_000):
        question = [{"role": "user", "content": "你" * length}]
        await outcome(Berlin.create_async_generator("", question, url=server.url, account=ACCOUNT, password=PASSWORD))
        body = server.requests[-1].body
        assert "你".encode() in body and len(body) < 3 * length + 500
        assert server.requests[-1].headers["content-type"].startswith("application/json")


async def test_half_a_surrogate_pair_is_sent_as_an_escape(server):
    Berlin._token = TOKEN
    server.on(CHAT, [ANSWER])
    question = [{"role": "user", "content": "你 \ud83d"}]
    await outcome(Berlin.create_async_generator("", question, url=server.url, account=ACCOUNT, password=PASSWORD))
    assert server.requests[-1].json["prompt"] == "你 \ud83d"
