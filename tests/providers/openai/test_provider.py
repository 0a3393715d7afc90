"""The provider for chat completions: what it sends, what it yields, and where it sends no key."""

from __future__ import annotations

import asyncio
import json

import pytest
from asking import HELLO, assert_fit_to_be_shown, assert_no_secret, outcome
from completions import DONE, completion, event, step, streamed, usage
from scripted import CHUNKED_HEAD, HEAD, Then, http_chunk, reply, scripted_server

from berlin_magic import errors
from berlin_magic.messages import Finish, Reasoning, Text, Usage
from berlin_magic.providers.openai import api
from berlin_magic.providers.openai.provider import OPENAI_URL, OpenAICompatible

CHAT = "/v1/chat/completions"
KEY = "canary-key-sk-0123456789abcdef"
ANSWER = HEAD + streamed("Hello ", "you")
pytestmark = pytest.mark.usefixtures("brisk")


def ask(server, messages=HELLO, model="m", **given):
    return OpenAICompatible.create_async_generator(model, messages, **{"url": server.url, **given})


async def items(server, **given):
    stream = OpenAICompatible.stream("m", HELLO, url=server.url, **given)
    return [item async for item in stream]


def said(value, status=400, *headers):
    return reply(status, json.dumps(value).encode(), *headers)


@pytest.fixture
def usual(server):
    server.on(CHAT, [ANSWER])
    return server


# -- What is sent


async def test_the_question_is_a_streamed_chat_completion(usual):
    result = await outcome(ask(usual, key=KEY, temperature=0.5, max_tokens=None))
    assert result.text == "Hello you"
    (request,) = usual.requests
    assert (request.method, request.path) == ("POST", CHAT)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
    }


async def test_what_is_sent_by_default_can_be_left_out(server):
    server.on(CHAT, [said(completion("Hello"), 200)])
    assert (await outcome(ask(server, stream=False, stream_options=None))).text == "Hello"
    assert server.requests[0].json == {"model": "m", "messages": HELLO, "stream": False}


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
async def test_the_address_may_be_given_with_or_without_its_path(usual, path):
    assert (await outcome(ask(usual, url=f"{usual.url}{path}"))).text == "Hello you"


async def test_an_address_with_another_path_is_kept(server):
    server.on("/openai/deployments/x/chat/completions", [ANSWER])
    assert (await outcome(ask(server, url=f"{server.url}/openai/deployments/x"))).text == "Hello you"


async def test_images_and_further_keys_of_messages_are_sent_as_they_are(usual):
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    messages = [{"role": "user", "content": parts, "name": "ada"}]
    await outcome(ask(usual, messages))
    assert usual.requests[0].json["messages"] == messages


@pytest.mark.parametrize(
    "messages",
    [
        [],
        "Hello",
        [{"role": "user"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": ["x"]}],
        [{"role": "user", "content": [{}]}],
    ],
)
async def test_a_malformed_list_is_a_value_error_before_anything_is_sent(usual, messages):
    with pytest.raises(ValueError, match="messages"):
        ask(usual, messages)
    assert usual.connections == 0


@pytest.mark.parametrize("given", [{"stop": {1}}, {"silence": 0}])
async def test_an_option_that_can_not_be_sent_is_a_value_error(usual, given):
    with pytest.raises(ValueError, match=r"options|silence"):
        ask(usual, **given)
    assert usual.connections == 0


async def test_further_headers_are_sent(usual):
    await outcome(ask(usual, headers={"X-Title": "notebook", "api-key": KEY}))
    assert usual.requests[0].headers["x-title"] == "notebook"
    assert usual.requests[0].headers["api-key"] == KEY
    assert "authorization" not in usual.requests[0].headers


async def test_without_a_model_the_only_one_is_asked(usual):
    usual.on("/v1/models", [said({"data": [{"id": "llama"}]}, 200)])
    assert (await outcome(ask(usual, model=""))).text == "Hello you"
    assert usual.requests[-1].json["model"] == "llama"


@pytest.mark.parametrize(("names", "told"), [(["a", "b"], "a, b"), ([], "none"), (list("abcdefg"), "a, b, c, d, e, …")])
async def test_without_a_model_and_not_just_one_to_be_had_the_error_names_some(server, names, told):
    server.on("/v1/models", [said({"data": [{"id": name} for name in names]}, 200)])
    result = await outcome(ask(server, model=""))
    assert type(result.failure) is errors.ModelUnknownError
    assert told in str(result.failure)


# -- Address and key


async def test_the_environment_says_where_and_with_which_key(usual, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{usual.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    result = await outcome(OpenAICompatible.create_async_generator("m", HELLO))
    assert result.text == "Hello you"
    assert usual.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("base", ["", "https://llm.example/v1"])
async def test_the_environments_key_goes_to_no_other_server(usual, monkeypatch, base):
    if base:
        monkeypatch.setenv("OPENAI_BASE_URL", base)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    await outcome(ask(usual))
    monkeypatch.setattr(OpenAICompatible, "url", usual.url)
    await outcome(OpenAICompatible.create_async_generator("m", HELLO))
    assert len(usual.requests) == 2
    assert not any("authorization" in request.headers for request in usual.requests)


def test_openai_itself_wants_a_key_and_the_error_says_where_to_set_it(monkeypatch):
    with pytest.raises(errors.NotConfiguredError, match="OPENAI_API_KEY") as caught:
        OpenAICompatible.create_async_generator("m", HELLO)
    assert_fit_to_be_shown(caught.value)
    assert OPENAI_URL.removesuffix("/v1") in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    OpenAICompatible.create_async_generator("m", HELLO)


@pytest.mark.parametrize(
    "given", [{"url": "ftp://x"}, {"key": "canary\nX-Evil: 1"}, {"headers": {"api-key": "canary\r\n"}}]
)
async def test_what_can_not_be_used_is_an_error_at_the_call(usual, given):
    with pytest.raises(errors.NotConfiguredError) as caught:
        ask(usual, **given)
    assert_fit_to_be_shown(caught.value)


def test_it_is_configured_once_an_address_or_a_key_is_named(monkeypatch):
    assert not OpenAICompatible.configured()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAICompatible.configured()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_carries_no_key_along(server, status):
    async with scripted_server() as other:
        server.on(CHAT, [reply(status, b"", f"Location: {other.url}{CHAT}?k={KEY}")])
        result = await outcome(ask(server, key=KEY))
        assert other.connections == 0
    assert result.failure.status == status


@pytest.mark.parametrize(
    "answer",
    [
        said({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}}, 401),
        reply(502, f"<p>{KEY}</p>".encode()),
        HEAD + step("a") + event({"error": {"message": KEY}}),
        HEAD + f"garbage {KEY}".encode(),
    ],
)
async def test_a_key_that_the_server_repeats_is_not_told(server, answer):
    server.on(CHAT, [answer])
    assert "<secret>" in str((await outcome(ask(server, key=KEY))).failure)


# -- What comes back


async def test_the_first_piece_is_there_while_the_server_is_still_talking(server):
    go_on = asyncio.Event()
    server.on(CHAT, [HEAD, step("first"), go_on, step("second"), step(finish="stop"), DONE])
    generator = ask(server)
    assert await anext(generator) == "first"
    go_on.set()
    assert [piece async for piece in generator] == ["second"]


async def test_reasoning_usage_and_finish_come_beside_the_text(server):
    server.on(
        CHAT,
        [
            HEAD,
            step("", role="assistant"),
            step(reasoning_content="Hm, "),
            step(reasoning="well."),
            step("Hello"),
            step(finish="length"),
            usage(3, 2),
            DONE,
        ],
    )
    assert await items(server) == [Reasoning("Hm, "), Reasoning("well."), Text("Hello"), Usage(3, 2), Finish("length")]
    assert (await outcome(ask(server))).pieces == ["Hello"]


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls"])
async def test_why_the_reply_ended_is_told(server, reason):
    server.on(CHAT, [HEAD, streamed("a", finish=reason)])
    assert await items(server) == [Text("a"), Finish(reason)]


async def test_a_refusal_is_the_models_answer(server):
    server.on(CHAT, [HEAD, step(refusal="I can't "), step(refusal="do that."), step(finish="stop"), DONE])
    assert (await outcome(ask(server))).text == "I can't do that."


async def test_a_server_that_answers_without_streaming_is_understood(server):
    server.on(CHAT, [said(completion("Hello", reasoning_content="Hm"), 200)])
    assert await items(server) == [Reasoning("Hm"), Text("Hello"), Usage(3, 2), Finish("stop")]


@pytest.mark.parametrize(
    "end", [(), (Then.HOLD,), (Then.RESET,), (b": ping\n\n", 0.05) * 20], ids=["closed", "open", "reset", "pings"]
)
async def test_a_reply_is_complete_with_its_reason_to_finish_whatever_follows(server, monkeypatch, end):
    monkeypatch.setattr(api, "_AFTER_FINISH", 0.2)
    server.on(CHAT, [HEAD, step("a"), step(finish="stop"), *end])
    result = await outcome(ask(server))
    assert result.error is None
    assert result.text == "a"


async def test_the_connection_is_closed_with_done_even_if_the_server_leaves_it_open(server):
    server.on(CHAT, [HEAD, streamed("a"), Then.HOLD])
    assert (await outcome(ask(server))).text == "a"
    await asyncio.wait_for(server.requests[0].gone.wait(), 1)


@pytest.mark.parametrize(
    ("value", "status", "kind"),
    [
        ({"error": {"message": "Incorrect API key"}}, 401, errors.NotAllowedError),
        ({"error": {"message": "Country not supported"}}, 403, errors.NotAllowedError),
        ({"error": {"message": "Insufficient credits"}}, 402, errors.NoBalanceError),
        ({"error": {"message": "quota", "code": "insufficient_quota"}}, 429, errors.NoBalanceError),
        ({"error": {"message": "Rate limit reached"}}, 429, errors.RateLimitError),
        (
            {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}},
            404,
            errors.ModelUnknownError,
        ),
        ({"error": "model 'x' not found"}, 404, errors.ModelUnknownError),
        ({"detail": "Not Found"}, 404, errors.ServerError),
        ({"message": "upstream"}, 502, errors.ServerError),
        ({"object": "error", "message": "too long", "code": 400}, 400, errors.ServerError),
    ],
)
async def test_what_the_server_says_is_an_error_of_its_kind(server, value, status, kind):
    server.on(CHAT, [said(value, status)])
    result = await outcome(ask(server))
    assert type(result.failure) is kind
    assert result.failure.status == status


async def test_how_long_to_wait_is_told_where_the_server_says_it(server):
    server.on(CHAT, [said({"error": {"message": "slow down"}}, 429, "Retry-After: 17")])
    assert "wait 17 s" in str((await outcome(ask(server, retries=0))).failure)


@pytest.mark.parametrize("error", [{"message": "overloaded", "code": 503}, "overloaded"])
async def test_an_error_in_the_stream_is_raised_after_the_text_before_it(server, error):
    server.on(CHAT, [HEAD, step("Hello"), event({"error": error}), Then.HOLD])
    result = await outcome(ask(server))
    assert result.text == "Hello"
    assert type(result.failure) is errors.ServerError
    assert "overloaded" in str(result.failure)


async def test_models_are_listed(server):
    server.on("/v1/models", [said({"object": "list", "data": [{"id": "a"}, {"id": 7}, "x", {"id": "b"}]}, 200)])
    assert await OpenAICompatible.models(url=server.url, key=KEY) == ["a", "b"]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said({"data": "x"}, 200), errors.IncorrectAnswerError),
        (reply(200, b"<html>"), errors.IncorrectAnswerError),
        (said({"error": {"message": f"no {KEY}"}}, 401), errors.NotAllowedError),
    ],
)
async def test_a_list_of_models_that_is_none_is_told(server, answer, kind):
    server.on("/v1/models", [answer])
    with pytest.raises(kind) as caught:
        await OpenAICompatible.models(url=server.url, key=KEY)
    assert_fit_to_be_shown(caught.value)
    assert_no_secret(str(caught.value))


@pytest.mark.parametrize("way", ["aclose", "break", "cancel"])
@pytest.mark.parametrize("rest", [(Then.HOLD,), (step("word "), 0.01) * 3000], ids=["silent", "talking"])
async def test_a_question_that_is_given_up_closes_the_connection_at_once(server, way, rest):
    server.on(CHAT, [HEAD, step("word "), *rest])
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in ask(server):
            begun.set()
            if way == "break":
                break

    if way == "aclose":
        generator = ask(server)
        assert (await anext(generator)).startswith("word ")
        await generator.aclose()
    else:
        task = asyncio.create_task(read())
        await begun.wait()
        if way == "cancel":
            task.cancel()
        await asyncio.wait({task})
    await asyncio.wait_for(server.requests[0].gone.wait(), 1)


async def test_a_chunked_stream_cut_by_the_server_keeps_what_came(server):
    server.on(CHAT, [CHUNKED_HEAD, http_chunk(step("Hello")), Then.RESET])
    result = await outcome(ask(server))
    assert type(result.failure) is errors.IncompleteReplyError
