"""Asking again: which failures, how long after, how often, and how it is stopped."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, TOKEN, outcome
from completions import step, streamed
from hypothesis import given
from hypothesis import strategies as st
from recordings import recorded
from scripted import HEAD, Then, chunk, envelope, reply, stream

from berlin_magic import errors
from berlin_magic.errors import (
    IncompleteReplyError,
    IncorrectAnswerError,
    LoginRefusedError,
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    NotConfiguredError,
    RateLimitError,
    ReplyTooLargeError,
    ServerError,
    ServerUnreachableError,
    SilentTooLongError,
)
from berlin_magic.messages import Notice, Reasoning, Text
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.providers.retries import delay, retry_after, with_retries

CHAT, LOGIN = "/api/chat/completions", "/api/login"
BUSY = RateLimitError("x", status=429)
GONE = ServerUnreachableError("x", passing=True)
UPSTREAM_REFUSED = "request to http://127.0.0.1:9/v1/chat/completions failed, reason: connect ECONNREFUSED 127.0.0.1:9"

PASS = [
    GONE,
    BUSY,
    *(ServerError("x", status=status) for status in (408, 502, 503, 504)),
    ServerError("x", status=500, code=5000, body=UPSTREAM_REFUSED),
    ServerError("x", status=500, body="request to http://h/v1 failed, reason: Connection refused"),
    ServerError("x", status=500, body="socket hang up"),
    ServerError("x", body="connect ECONNREFUSED"),  # within a stream, where errors may name no status
    ServerError("x", status=503, body="Loading model"),
]
STAY = [
    ServerUnreachableError("an unknown name, a bad certificate"),
    *(ServerError("x", status=status) for status in (400, 404, 413, 422, 500, 501, 505)),
    ServerError("x", status=500, code=5000, body="Model gpt-9 is not supported"),
    ServerError("x", status=500, body="request to http://h/v1 failed, reason: getaddrinfo ENOTFOUND h"),
    ServerError("x", body="it broke"),
    *(
        kind("x", status=status, body="ECONNREFUSED")
        for kind in (ModelUnknownError, NoBalanceError, NotAllowedError, LoginRefusedError)
        for status in (429, 500, 503)
    ),
    *(
        kind("x", status=503)
        for kind in (
            IncompleteReplyError,
            SilentTooLongError,
            IncorrectAnswerError,
            ReplyTooLargeError,
            NotConfiguredError,
        )
    ),
]


@pytest.mark.parametrize("error", PASS, ids=repr)
def test_what_can_pass_is_asked_again(error):
    assert delay(error, 0, 0.0, 0.5) is not None


@pytest.mark.parametrize("error", STAY, ids=repr)
def test_what_can_not_pass_is_not_asked_again(error):
    assert delay(error, 0, 0.0, 0.5) is None


def waits(error, chance):
    """Return the waits of a question whose every try fails at once."""
    found: list[float] = []
    while (wait := delay(error, len(found), sum(found), chance)) is not None:
        found.append(wait)
    return found


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_server_that_is_not_there_is_given_up_after_two_more_tries_within_two_seconds(chance):
    assert len(waits(GONE, chance)) == 2
    assert sum(waits(GONE, chance)) <= 2


@given(st.sampled_from(PASS), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_waits_grow_and_are_bounded_in_number_and_in_time(error, chance, after):
    error = type(error)("x", passing=True) if error is GONE else type(error)("x", status=error.status, body=error.body)
    error.retry_after = after
    found = waits(error, chance)
    assert len(found) <= 5
    assert sum(found) <= (150 if error.body == "Loading model" else 30)  # seconds; a model takes its time
    assert found == sorted(found)
    assert all(wait > 0 for wait in found)


def test_a_busy_server_is_given_the_longer_time():
    assert waits(BUSY, 0.0) == [0.5, 1, 2, 4, 8]
    assert waits(BUSY, 0.5) == [0.75, 1.5, 3, 6, 12]


def test_waits_differ_by_chance():
    assert delay(BUSY, 2, 0.0, 0.0) == 2
    assert delay(BUSY, 2, 0.0, 1.0) == 4


def test_time_that_the_tries_took_counts():
    assert delay(BUSY, 0, 25.0, 0.5) is not None
    assert delay(BUSY, 0, 29.9, 0.5) is None
    assert delay(GONE, 0, 2.0, 0.5) is None  # a server that worked on it for long, and then died


def test_the_server_says_how_long_to_wait():
    assert delay(RateLimitError("x", retry_after=4), 0, 0.0, 0.25) == 4.25
    assert delay(RateLimitError("x", retry_after=0), 0, 0.0, 0.0) == 0.5


def test_a_server_that_wants_a_longer_wait_than_ours_is_not_asked_before_its_time():
    assert delay(RateLimitError("x", retry_after=60), 0, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "4"}, 4.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-4"}, None),
        ({"Retry-After": "٤"}, None),
        ({"Retry-After": "99999999999"}, 1e9),
        ({"Retry-After": "9" * 5000}, 1e9),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "Sun, 22 Nov 2026 18:00:07 GMT"}, 7.0),
        ({"Retry-After": "Sunday, 22-Nov-26 18:00:07 GMT"}, 7.0),
        ({"Retry-After": "Sun Nov 22 18:00:07 2026"}, 7.0),
        ({"Retry-After": "Sun, 22 Nov 2026 17:59:00 GMT"}, 0.0),
        ({"Retry-After": "Sun, 22 Nov 2026 18:00:07 GMT", "Date": "Sun, 22 Nov 2026 18:00:04 GMT"}, 3.0),
        ({"Retry-After": "Sun, 22 Nov 2026 18:00:07 GMT", "Date": "yesterday"}, 7.0),
        ({"Retry-After": "Sun, 99 Nov 2026 18:00:07 GMT"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_a_time_to_wait_is_seconds_or_a_date(headers, seconds):
    """RFC 9110, section 10.2.3: ``Retry-After = HTTP-date / delay-seconds``, the date in any of its three forms."""
    assert retry_after(headers, datetime(2026, 11, 22, 18, 0, 0, tzinfo=UTC)) == seconds


@given(st.text())
def test_any_text_is_a_time_to_wait_or_none(text):
    wait = retry_after({"Retry-After": text, "Date": text})
    assert wait is None or wait >= 0


# -- What it does


async def test_what_is_waited_for_is_told_before_the_wait():
    async def busy():
        raise RateLimitError("x", retry_after=3.0)
        yield ""

    async with aclosing(with_retries(busy)) as items:
        assert await anext(items) in (Notice("busy, trying again in 4 s"), Notice("busy, trying again in 3 s"))


async def test_nothing_is_asked_again_once_a_word_or_a_thought_has_come():
    for first in ("word", Reasoning("hm")):
        tries = []

        async def ask(first=first, tries=tries):
            tries.append(1)
            yield first
            raise RateLimitError("x")

        with pytest.raises(RateLimitError):
            assert [item async for item in with_retries(ask)] == [first]
        assert len(tries) == 1


@pytest.fixture(params=["Berlin", "OpenAI"])
def asked(request, server):
    """Return a stream of each provider, the path of its questions, a word and a whole answer."""
    if request.param == "Berlin":
        return (
            lambda **given: Berlin.stream("m", HELLO, url=server.url, token=TOKEN, **given),
            CHAT,
            chunk("word"),
            HEAD + stream("all ", "well"),
        )
    return (
        lambda **given: OpenAICompatible.stream("m", HELLO, url=server.url, **given),
        "/v1/chat/completions",
        step("word"),
        HEAD + streamed("all ", "well"),
    )


async def test_the_status_line_is_told_and_the_reply_is_not_touched(server, asked, brisk):
    ask, path, _, answer = asked
    server.on(path, [reply(503, b"")], [Then.RESET], [answer])
    items = [item async for item in ask()]
    assert items[:2] == [Notice("busy, trying again in 1 s"), Notice("no connection, trying again in 1 s")]
    assert "".join(item.text for item in items if isinstance(item, Text)) == "all well"


async def test_the_time_that_the_server_names_is_waited(server, asked):
    ask, path, _, answer = asked
    server.on(path, [reply(429, b"{}", "Retry-After: 1")], [answer])
    loop = asyncio.get_running_loop()
    start = loop.time()
    items = [item async for item in ask()]
    assert loop.time() - start >= 1
    assert items[0] == Notice("busy, trying again in 2 s")
    assert len(server.requests) == 2


async def test_an_error_in_the_stream_before_the_first_word_may_pass(server, asked, brisk):
    ask, path, _, answer = asked
    said = (
        envelope(5000, [], UPSTREAM_REFUSED)
        if path == CHAT
        else HEAD + b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'
    )
    server.on(path, [said], [answer])
    assert "".join([item.text async for item in ask() if isinstance(item, Text)]) == "all well"
    assert len(server.requests) == 2


@pytest.mark.parametrize("way", ["cancel", "aclose"])
async def test_the_wait_is_over_at_once_when_it_is_stopped(server, asked, way):
    ask, path, _, _ = asked
    server.on(path, [reply(429, b"{}", "Retry-After: 20"), Then.HOLD])
    items = ask()
    assert isinstance(await anext(items), Notice)
    await asyncio.wait_for(server.requests[0].gone.wait(), 1)  # nothing is open while it waits
    if way == "cancel":
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=1)
        assert waiting.cancelled()
    await asyncio.wait_for(items.aclose(), 1)
    assert len(server.requests) == 1


async def test_none_means_none(server, asked):
    ask, path, _, _ = asked
    server.on(path, [reply(503, b"")])
    with pytest.raises(ServerError):
        assert [item async for item in ask(retries=0)] == []
    assert len(server.requests) == 1


async def test_fewer_may_be_asked_for(server, asked, brisk):
    ask, path, _, _ = asked
    server.on(path, [reply(503, b"")])
    with pytest.raises(ServerError):
        assert len([item async for item in ask(retries=2)]) == 2
    assert len(server.requests) == 3


async def test_a_reply_that_has_begun_is_asked_for_once_whatever_ends_it(server, asked, brisk):
    ask, path, word, _ = asked
    for end in ([], [0.05, Then.RESET]):
        server.requests.clear()
        server.on(path, [HEAD, word, *end])
        with pytest.raises(IncompleteReplyError):
            assert [item async for item in ask()] == ["word"]
        assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_that_is_not_started_is_given_up_soon(order, unused_tcp_port, host):
    loop = asyncio.get_running_loop()
    start = loop.time()
    url = f"http://{host}:{unused_tcp_port}"
    items = Berlin.stream("m", HELLO, url=url, token=TOKEN)
    told = [await anext(items), await anext(items)]
    assert told == [Notice("no connection, trying again in 1 s")] * 2
    with pytest.raises(ServerUnreachableError):
        await anext(items)
    assert loop.time() - start < 5  # of which at most 1.5 are waits


async def test_a_server_that_starts_a_moment_later_answers(server, unused_tcp_port):
    server.on(CHAT, [HEAD + stream("all ", "well")])
    async with aclosing(Berlin.stream("m", HELLO, url=f"http://127.0.0.1:{unused_tcp_port}", token=TOKEN)) as items:
        assert isinstance(await anext(items), Notice)
        async with await asyncio.start_server(server.accept, "127.0.0.1", unused_tcp_port):
            assert "".join([item.text async for item in items]) == "all well"


# -- Berlin's login


async def test_a_login_that_met_a_busy_server_is_tried_again_and_the_question_asked_once(server, brisk):
    server.on(LOGIN, [reply(503, b"")], [envelope(0, {"token": NEW_TOKEN})])
    server.on(CHAT, [HEAD + stream("a")])
    result = await outcome(
        Berlin.create_async_generator("m", HELLO, url=server.url, account=ACCOUNT, password=PASSWORD, retries=5)
    )
    assert result.text == "a"
    assert [request.path for request in server.requests] == [LOGIN, LOGIN, CHAT]


@pytest.mark.parametrize("status", [200, 401, 403, 406, 408, 500])
async def test_a_refused_login_is_never_tried_again(server, brisk, status):
    server.on(LOGIN, [envelope(-1, [], "wrong password", status=status)])
    result = await outcome(
        Berlin.create_async_generator("m", HELLO, url=server.url, account=ACCOUNT, password=PASSWORD, retries=5)
    )
    assert isinstance(result.failure, ServerError)
    assert len(server.requests) == 1


async def test_a_busy_server_between_two_tokens_costs_no_second_login(server, brisk):
    Berlin._token = TOKEN
    expired = envelope(4001, [], "no", status=401)
    server.on(CHAT, [expired], [reply(503, b"")], [HEAD + stream("a")])
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    result = await outcome(
        Berlin.create_async_generator("m", HELLO, url=server.url, account=ACCOUNT, password=PASSWORD, retries=5)
    )
    assert result.text == "a"
    assert [request.path for request in server.requests] == [CHAT, LOGIN, CHAT, CHAT]
    assert [request.headers["token"] for request in server.to(CHAT)] == [TOKEN, NEW_TOKEN, NEW_TOKEN]


async def test_a_renewed_token_that_is_refused_after_a_wait_is_not_renewed_again(server, brisk):
    expired = envelope(4001, [], "no", status=401)
    Berlin._token = TOKEN
    server.on(CHAT, [expired], [reply(503, b"")], [expired])
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    result = await outcome(
        Berlin.create_async_generator("m", HELLO, url=server.url, account=ACCOUNT, password=PASSWORD, retries=5)
    )
    assert type(result.failure) is errors.NotAllowedError
    assert len(server.to(LOGIN)) == 1


@pytest.mark.parametrize(
    "name", ["chat-upstream-refused", "chat-upstream-429", "chat-unknown-model", "chat-no-balance"]
)
async def test_what_a_real_server_said_is_told_apart(server, name, brisk):
    server.on(CHAT, [recorded(name).response])
    await outcome(Berlin.create_async_generator("m", HELLO, url=server.url, token=TOKEN, retries=5))
    again = {"chat-upstream-refused": 5, "chat-upstream-429": 6}.get(name, 1)
    assert len(server.to(CHAT)) == again


async def test_the_generator_of_text_alone_asks_once_as_it_can_tell_of_no_wait(server):
    server.on(CHAT, [reply(503, b"busy")])
    result = await outcome(Berlin.create_async_generator("m", HELLO, url=server.url, token=TOKEN))
    assert isinstance(result.failure, errors.ServerError)
    assert len(server.to(CHAT)) == 1
