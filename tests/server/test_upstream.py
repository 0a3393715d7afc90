"""The upstream engine against a scripted OpenAI-compatible server, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from berlin_magic.errors import NotConfiguredError, ServerError
from berlin_magic.messages import Event, Finish, Reasoning, Text, Usage
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.server.accounts.model import OpenAccounts, SecretAccount
from berlin_magic.server.engine import EngineError
from berlin_magic.server.upstream import Upstream

HELLO = [{"role": "user", "content": "Hello"}]
KEY = "sk-canary-0123456789"
USAGE = {"stream_options": {"include_usage": True}}


class RawServer:
    """Writes the parts of a script to whoever asks; notes what was asked, and when the client has gone."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.before: list[list[bytes]] = []  # what is answered first, once each
        self.models = b'{"data": [{"id": "llama"}, {"id": "qwen"}, {"no": "id"}]}'
        self.hold: asyncio.Event | None = None
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.client_left = asyncio.Event()
        self.url = ""

    def streams(self, *values: Any, end: bytes = b"data: [DONE]\n\n") -> None:
        body = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]
        self.parts = [ok("text/event-stream"), *body, end]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((first, headers, json.loads(body) if body else None))
        parts = self.before.pop(0) if self.before else self.parts
        for part in [ok("application/json"), self.models] if "/models" in first else parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if self.hold is not None:
            if await reader.read() == b"":
                self.client_left.set()
            await self.hold.wait()
        writer.close()


def ok(kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()


def error(status: int, body: bytes, more: str = "") -> list[bytes]:
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nConnection: close\r\n{more}\r\n"
    return [head.encode(), body]


def text(content: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None, **more}]}


STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    scripted = RawServer()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield scripted
    if scripted.hold is not None:
        scripted.hold.set()
    server.close()


Connect = Callable[..., Upstream]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[Upstream] = []

    def make(url: str, **settings: Any) -> Upstream:
        made.append(Upstream(url, **settings))
        return made[-1]

    yield make
    for upstream in made:
        await upstream.close()


def shown(event: Event) -> str | Event:
    """Return the text of a text, for short."""
    return event.text if isinstance(event, Text) else event


async def reply(upstream: Upstream, **options: Any) -> list[str | Event]:
    """Return the events of a reply but for the first, which says that the question was accepted, and its usual end."""
    async with asyncio.timeout(20):
        first, *events = [shown(event) async for event in upstream.stream(HELLO, {"model": "llama", **options})]
    assert first == Usage()
    return events[:-1] if events[-1:] == [Finish("stop")] else events


async def begun(upstream: Upstream) -> AsyncGenerator[Event, None]:
    """Return the events of a reply that are still to come when the question was accepted."""
    events = upstream.stream(HELLO, {"model": "llama"})
    assert await anext(events) == Usage()
    return events


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("h:1", "http://h:1/v1"),
        ("http://h:1/v1", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("https://h/api/v1/chat/completions/", "https://h/api/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        ("https://h/v1?api-version=3", "https://h/v1?api-version=3"),
        ("http://[::1]:9", "http://[::1]:9/v1"),
    ],
)
def test_the_address_may_be_given_with_or_without_its_path(given: str, base: str):
    endpoint = Upstream(given)._endpoint
    assert str(endpoint.url.with_query(str(endpoint.query) or None)) == base


@pytest.mark.parametrize("given", ["", "http://", "ftp://h", "http://user:pw@h/v1"])
def test_an_address_that_is_none_or_holds_a_password_is_refused(given: str):
    with pytest.raises(NotConfiguredError, match=r"address|--upstream-key-env") as refusal:
        Upstream(given)
    assert "pw" not in str(refusal.value)


async def test_the_text_of_the_stream_comes_whole(raw, connect):
    raw.streams(text("", role="assistant"), text("The "), text("é 🎉"), text(None), STOP)
    assert "".join(await reply(connect(raw.url))) == "The é 🎉"


@pytest.mark.parametrize("where", ["after the last word", "with it", "after it, and the connection stays open"])
async def test_the_usage_is_told_wherever_it_comes(raw, connect, where, monkeypatch):
    monkeypatch.setattr("berlin_magic.providers.openai.api._AFTER_FINISH", 0.3)
    usage = {"usage": {"prompt_tokens": 20, "completion_tokens": 3}}
    raw.streams(text("x"), *([{**STOP, **usage}] if where == "with it" else [STOP, {"choices": [], **usage}]))
    if "open" in where:
        raw.parts.pop()
        raw.hold = asyncio.Event()
    assert await reply(connect(raw.url)) == ["x", Usage(20, 3)]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_does_not_know_how_to_tell_usage_is_not_asked_again(raw, connect, status):
    raw.before = [error(status, b'{"message": [{"loc": ["body", "stream_options"], "type": "extra_forbidden"}]}')]
    raw.streams(text("x"), STOP)
    engine = connect(raw.url)
    assert [await reply(engine) for _ in range(2)] == [["x"], ["x"]]
    assert ["stream_options" in body for _, _, body in raw.requests] == [True, False, False]


async def test_a_refusal_that_quotes_one_users_words_changes_nothing_for_the_next(raw, connect):
    stop = {"unknown": "stream_options max_tokens temperature"}
    quoting = json.dumps({"error": {"message": f"stop should be a list, not {stop}", "param": None}}).encode()
    raw.parts = error(400, quoting)
    engine = connect(raw.url)
    with pytest.raises(EngineError):
        await reply(engine, stop=stop, temperature=0, max_tokens=7)
    raw.requests.clear()
    raw.streams(text("x"), STOP)
    await reply(engine, temperature=0, max_tokens=7)
    assert raw.requests[0][2].items() >= {"temperature": 0, "max_tokens": 7, **USAGE}.items()


async def test_the_request_holds_messages_options_and_the_key_and_nothing_that_is_not_the_clients_to_say(raw, connect):
    raw.streams(text("x"), STOP)
    engine = connect(raw.url + "/v1", key=KEY)
    await reply(engine, temperature=0, top_p=0.5, max_tokens=None, stream=False, n=3, tools=[1], messages=["no"])
    first, headers, body = raw.requests[0]
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "llama", "temperature": 0, "top_p": 0.5, "messages": HELLO, "stream": True, **USAGE}


async def test_without_a_key_no_authorization_is_sent_not_even_from_a_netrc(raw, connect, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    raw.streams(STOP)
    await reply(connect(raw.url))
    assert "authorization" not in raw.requests[0][1]


async def test_no_proxy_is_asked_for_a_server_on_this_machine(raw, connect, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    raw.streams(text("x"), STOP)
    assert await reply(connect(raw.url)) == ["x"]


async def test_any_cut_of_the_servers_packets_gives_the_same_text(raw, connect):
    raw.streams(text("é🎉"), text("\n\n"), STOP)
    stream = b"".join(raw.parts)
    body = stream.index(b"\r\n\r\n") + 4
    engine = connect(raw.url)
    for step in (1, 2, 7):
        raw.parts = [stream[:body], *(stream[at : at + step] for at in range(body, len(stream), step))]
        assert "".join(await reply(engine)) == "é🎉\n\n"


@pytest.mark.parametrize("end", [b"", b"data: [DONE]", b"data: [DONE]\r\n\r\n", b": bye\n\n"])
async def test_a_finish_reason_completes_the_reply_whatever_follows(raw, connect, end):
    raw.streams(text("x"), STOP, end=end)
    assert await reply(connect(raw.url)) == ["x"]


async def test_done_alone_completes_the_reply(raw, connect):
    raw.streams(text("x"))
    assert await reply(connect(raw.url)) == ["x"]


async def test_an_end_without_a_blank_line_completes_the_reply(raw, connect):
    raw.streams(text("x"), end=b"data: " + json.dumps(STOP).encode())
    assert await reply(connect(raw.url)) == ["x"]


@pytest.mark.parametrize("end", [b"", b'data: {"choices": [{"del', b"data: \xf0\x9f", b"\n", b"data: nonsense\n\n"])
async def test_a_stream_that_stops_before_its_end_is_cut_after_its_text(raw, connect, end):
    raw.streams(text("one"), text("two"), end=end)
    pieces = await begun(connect(raw.url))
    assert [shown(await anext(pieces)), shown(await anext(pieces))] == ["one", "two"]
    with pytest.raises(EngineError):
        await anext(pieces)


async def test_a_server_that_answers_without_streaming_is_understood(raw, connect):
    whole = {"choices": [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]}
    raw.parts = [ok("application/json"), json.dumps(whole).encode()]
    assert await reply(connect(raw.url)) == ["whole"]


async def test_reasoning_is_a_sign_of_life_and_no_text(raw, connect):
    thought = {"choices": [{"delta": {"content": None, "reasoning_content": "hm"}}]}
    raw.streams(thought, text("42"), STOP)
    assert await reply(connect(raw.url)) == [Reasoning("hm"), "42"]


async def test_a_refusal_is_what_the_model_says(raw, connect):
    raw.streams({"choices": [{"delta": {"refusal": "I can't."}}]}, STOP)
    assert await reply(connect(raw.url)) == ["I can't."]


@pytest.mark.parametrize(
    ("status", "body", "data"),
    [
        (429, b'{"error": {"message": "slow", "code": "rate"}}', {"error": {"message": "slow", "code": "rate"}}),
        (404, b'{"error": "model \'x\' not found"}', {"error": {"message": "model 'x' not found"}}),
        (422, b'{"detail": "what"}', {"error": {"message": "what"}}),
        (503, b"<html>\x1b[31mbusy</html>", {"error": {"message": "[31mbusy"}}),
        (400, f'{{"error": {{"message": "bad key {KEY}"}}}}'.encode(), {"error": {"message": "bad key <secret>"}}),
    ],
)
async def test_what_the_server_refuses_keeps_its_status_and_its_error(raw, connect, status, body, data):
    raw.parts = error(status, body)
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url, key=KEY))
    assert (refusal.value.status, refusal.value.code, refusal.value.data) == (status, -1, data)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, f'{{"error": {{"message": "Incorrect API key provided: {KEY[:12]}"}}}}'.encode()),
        (402, b'{"error": {"message": "This request requires more credits"}}'),
        (400, b'{"error": {"message": "API key not valid. Pass a valid one.", "status": "INVALID_ARGUMENT"}}'),
        (400, b'{"error": {"message": "Insufficient Balance", "type": "unknown_error"}}'),
        (407, b""),
        (429, b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'),
    ],
)
async def test_what_is_wrong_with_the_servers_own_key_is_not_told_as_a_fault_of_the_clients(
    raw, connect, serve, status, body
):
    raw.parts = error(status, body)
    client = await serve(connect(raw.url, key=KEY, models=["llama"]), SecretAccount("ada", "right"))
    generator = Berlin.create_async_generator("llama", HELLO, url=client.url, account="ada", password="right")
    with pytest.raises(ServerError, match="whoever runs the server") as refusal:
        await anext(generator)
    assert type(refusal.value) is ServerError
    assert (refusal.value.status, refusal.value.code) == (500, -1)
    assert "canary" not in str(refusal.value)
    assert len(raw.requests) == 1


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("7", "7"),
        ("6.5", "7"),
        ("Wed, 21 Oct 2026 07:28:09 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT", "9"),
        ("soon", ""),
        ("²", ""),
    ],
)
async def test_how_long_to_wait_is_passed_on(raw, connect, header, told):
    raw.parts = error(429, b'{"error": {"message": "slow"}}', f"Retry-After: {header}\r\n")
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url))
    assert refusal.value.retry_after == told


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"error": {"message": "overloaded", "code": 529}}, 529),
        ({"error": {"message": "overloaded", "code": "busy"}}, 500),
        ({"object": "error", "message": "overloaded", "code": 400}, 400),
    ],
)
async def test_an_error_inside_the_stream_is_the_engines_refusal(raw, connect, value, status):
    raw.streams(text(""), value)
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url))
    assert (refusal.value.status, refusal.value.code) == (status, -1)
    assert refusal.value.data["error"]["message"] == "overloaded"


async def test_a_redirect_is_not_followed_and_gets_no_key(raw, connect):
    raw.parts = [f"HTTP/1.1 307 Go\r\nLocation: {raw.url}/else\r\nConnection: close\r\n\r\n".encode()]
    with pytest.raises(EngineError, match="307"):
        await reply(connect(raw.url, key=KEY))
    assert len(raw.requests) == 1


async def test_a_server_out_of_reach_is_500_with_code_5000(connect, free_port):
    with pytest.raises(EngineError, match="refused") as refusal:
        await reply(connect(f"http://127.0.0.1:{free_port}"))
    assert (refusal.value.status, refusal.value.code) == (500, 5000)
    with pytest.raises(EngineError, match="refused"):
        await connect(f"http://127.0.0.1:{free_port}").models()


async def test_a_server_that_falls_silent_is_cut_when_the_limit_is_reached(raw, connect):
    raw.streams(text("one"), end=b"")
    raw.hold = asyncio.Event()
    with pytest.raises(EngineError, match="said nothing"):
        await reply(connect(raw.url, silence=0.2))


async def test_closing_the_generator_closes_the_connection_at_once(raw, connect):
    raw.streams(text("one"), end=b"")
    raw.hold = asyncio.Event()
    pieces = await begun(connect(raw.url))
    assert await anext(pieces) == Text("one")
    await pieces.aclose()
    await asyncio.wait_for(raw.client_left.wait(), 5)


async def test_more_replies_run_at_once_than_aiohttps_own_limit_of_100(raw, connect):
    raw.streams(text("one"), end=b"")
    raw.hold = asyncio.Event()
    engine = connect(raw.url)
    replies = [await begun(engine) for _ in range(101)]
    assert await asyncio.wait_for(asyncio.gather(*map(anext, replies)), 20) == [Text("one")] * 101
    for pieces in replies:
        await pieces.aclose()


async def test_the_models_are_those_given_or_else_those_listed_and_asked_once(raw, connect):
    engine = connect(raw.url)
    assert await asyncio.gather(engine.models(), engine.models()) == [("llama", "qwen")] * 2
    assert len(raw.requests) == 1
    assert await connect(raw.url, models=["mine"]).models() == ("mine",)


@pytest.mark.parametrize("listing", [b"", b"[]", b'{"data": 1}', b"<html>"])
async def test_a_server_that_lists_no_models_is_taken_to_serve_any(raw, connect, listing):
    raw.models = listing
    assert await connect(raw.url).models() == ()


async def test_its_repr_shows_no_key(connect):
    engine = connect("http://h/v1?code=canary", key=KEY)
    assert KEY not in repr(engine) + repr(vars(engine))
    assert "canary" not in repr(engine)


async def test_a_client_of_the_berlin_server_gets_what_the_upstream_says(raw, connect, serve):
    raw.streams(text("The "), text("answer"), STOP)
    client = await (await serve(connect(raw.url), OpenAccounts())).login()
    async with client.chat(model="qwen") as answer:
        assert [json.loads(part)["content"] for part in (await answer.text()).split("\n\n")][1:3] == ["The ", "answer"]
    assert await client.refusal(model="gpt-9") == (
        500,
        {"code": 5000, "data": [], "message": "Model gpt-9 is not supported"},
    )
    raw.parts = error(429, b'{"error": {"message": "Rate limit reached"}}')
    data = {"error": {"message": "Rate limit reached"}}
    assert await client.refusal(model="llama") == (429, {"code": -1, "data": data, "message": ""})
    raw.streams(text("The "), end=b"")
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.chat(model="llama") as answer:
            await answer.read()


async def test_a_client_that_leaves_ends_the_request_to_the_upstream(raw, connect, serve):
    raw.streams(text("one"), end=b"")
    client = await (await serve(connect(raw.url, models=["llama"]), OpenAccounts())).login()
    raw.hold = asyncio.Event()
    async with client.chat(model="llama") as answer:
        await answer.content.readuntil(b"\n\n")
        answer.close()
    await asyncio.wait_for(raw.client_left.wait(), 5)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize("cut", range(270, 300, 3))
async def test_a_key_that_the_server_quotes_where_its_words_are_cut_is_not_told(raw, connect, cut):
    raw.parts = [
        b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
        f"{'x' * cut} Authorization: Bearer {KEY} was refused".encode(),
    ]
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url, key=KEY))
    assert "sk-c" not in json.dumps(refusal.value.data)


@pytest.mark.parametrize("quoted", [KEY[:-4], KEY.replace("-", "%2D"), f"\\u0073{KEY[1:]}"])
async def test_a_key_that_the_server_quotes_cut_or_escaped_is_not_told(raw, connect, quoted):
    raw.parts = error(400, f'{{"error": {{"message": "bad {quoted}", "more": [{{"deep": "{quoted}"}}]}}}}'.encode())
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url, key=KEY))
    assert "canary" not in json.dumps(refusal.value.data)


async def test_a_secret_in_the_query_of_the_address_is_not_told(raw, connect):
    raw.parts = error(404, b'{"error": {"message": "no route /v1?code=canary-query"}}')
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url + "/v1?code=canary-query"))
    assert "canary" not in json.dumps(refusal.value.data)


async def test_an_error_of_any_depth_is_passed_on_as_far_as_anybody_reads(raw, connect):
    raw.parts = error(400, b'{"error": {"message": "x", "deep": ' + b"[" * 500 + b"]" * 500 + b"}}")
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url))
    assert refusal.value.data["error"]["message"] == "x"


async def test_a_reasoning_model_is_asked_as_it_wants_and_the_next_time_at_once(raw, connect, serve):
    def unsupported(param: str) -> list[bytes]:
        words = {"message": f"Unsupported parameter: '{param}'", "param": param, "code": "unsupported_parameter"}
        return error(400, json.dumps({"error": words}).encode())

    raw.before = [unsupported("max_tokens"), unsupported("temperature")]
    raw.streams(text("42"), STOP)
    client = await serve(connect(raw.url, models=["o"]), OpenAccounts())
    for _ in range(2):
        generator = Berlin.create_async_generator("o", HELLO, url=client.url, account="ada", password="pw")
        assert [piece async for piece in generator] == ["42"]
    asked = [body for _, _, body in raw.requests]
    assert [set(body) & {"max_tokens", "max_completion_tokens", "temperature"} for body in asked] == [
        {"max_tokens", "temperature"},
        {"max_completion_tokens", "temperature"},
        {"max_completion_tokens"},
        {"max_completion_tokens"},
    ]
    assert asked[-1]["max_completion_tokens"] == 1888


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_why_a_reply_ended_reaches_the_client(raw, connect, serve, reason):
    raw.streams(text("half"), {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    client = await (await serve(connect(raw.url, models=["llama"]), OpenAccounts())).login()
    async with client.chat(model="llama") as answer:
        last = json.loads((await answer.text()).split("\n\n")[-1])
    assert (last["segment"], last["finishReason"]) == ("stop", reason)


async def test_a_reply_that_the_engine_broke_off_is_no_whole_one(raw, connect):
    raw.streams(text("half"), {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]})
    with pytest.raises(EngineError, match="broke"):
        await reply(connect(raw.url))


async def test_a_reason_to_finish_with_every_piece_ends_none_but_the_last(raw, connect, monkeypatch):
    monkeypatch.setattr("berlin_magic.providers.openai.api._AFTER_FINISH", 0.01)
    raw.streams(text("one", finish_reason="stop"), end=b"")
    engine = connect(raw.url)
    raw.hold = asyncio.Event()
    pieces = await begun(engine)
    assert await anext(pieces) == Text("one")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(pieces), 0.2)


async def test_trouble_with_the_key_is_told_to_whoever_runs_the_server_once_and_without_the_key(raw, connect, caplog):
    engine = connect(raw.url, key=KEY)
    refused = error(401, f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'.encode())
    raw.before = [refused, refused]
    raw.streams(text("x"), STOP)
    for _ in range(2):
        with pytest.raises(EngineError) as refusal:
            await reply(engine)
    assert [("--upstream-key-env" in record.message, "401" in record.message) for record in caplog.records] == [
        (True, True)
    ]
    assert "canary" not in caplog.text
    assert "401" in refusal.value.reason
    await reply(engine)
    raw.before = [refused]
    with pytest.raises(EngineError):
        await reply(engine)
    assert len(caplog.records) == 2, "it was mended, and is broken again"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"message": "FRANCE", "code": "context_length_exceeded"}}', "context_length_exceeded"),
        (b'{"error": {"message": "FRANCE", "type": "You said FRANCE"}}', "HTTP 400"),
        (b"FRANCE", "HTTP 400"),
    ],
)
async def test_the_reason_for_the_log_holds_no_word_of_a_question(raw, connect, body, reason):
    raw.parts = error(400, body)
    with pytest.raises(EngineError) as refusal:
        await reply(connect(raw.url))
    assert refusal.value.reason == reason


async def test_a_question_is_accepted_with_the_status_and_before_any_word(raw, connect):
    raw.parts, raw.hold = [ok("text/event-stream")], asyncio.Event()
    pieces = await asyncio.wait_for(begun(connect(raw.url)), 5)
    await pieces.aclose()
