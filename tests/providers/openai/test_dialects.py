"""What real engines do otherwise than OpenAI: how each says an error, an end, a model list, and what it refuses."""

from __future__ import annotations

import json
import traceback
from contextlib import asynccontextmanager

import pytest
from asking import HELLO, assert_fit_to_be_shown, outcome
from completions import DONE, completion, event, step, streamed
from scripted import HEAD, Then, reply

from berlin_magic import errors
from berlin_magic.messages import Finish, Reasoning, Text
from berlin_magic.providers.openai import api, services
from berlin_magic.providers.openai.delta import Delta
from berlin_magic.providers.openai.provider import OPENAI_URL, OpenAICompatible
from berlin_magic.providers.openai.services import Ollama, Vllm
from berlin_magic.results.conversation import Conversation

CHAT = "/v1/chat/completions"
ANSWER = [HEAD, streamed("Hello ", "you")]
pytestmark = pytest.mark.usefixtures("brisk")


def ask(server, **given):
    return OpenAICompatible.create_async_generator("m", HELLO, **{"url": server.url, **given})


def said(value, status=400):
    return [reply(status, json.dumps(value).encode())]


# -- The end


async def test_a_reason_to_finish_with_every_chunk_is_not_taken_for_the_end(server, monkeypatch):
    """Gateways in front of Gemini; the pause is longer than what otherwise follows the last word takes."""
    monkeypatch.setattr(api, "_AFTER_FINISH", 0.01)
    words = [step(word, finish="stop") for word in ("one ", "two ", "three")]
    server.on(CHAT, [HEAD, words[0], 0.2, words[1], 0.2, words[2], DONE])
    assert (await outcome(ask(server))).text == "one two three"


@pytest.mark.parametrize("reason", ["null", "None", "stop"])
async def test_a_reason_to_finish_before_the_first_word_is_not_taken_for_the_end(server, monkeypatch, reason):
    monkeypatch.setattr(api, "_AFTER_FINISH", 0.01)
    monkeypatch.setattr(api, "_AFTER_FINISH_WITH_TEXT", 0.01)
    server.on(CHAT, [HEAD, step("", role="assistant", finish=reason), 0.2, step("one"), step(finish="stop"), DONE])
    assert (await outcome(ask(server))).text == "one"


async def test_text_after_an_end_without_text_is_waited_for_too(server, monkeypatch):
    monkeypatch.setattr(api, "_AFTER_FINISH", 0.5)
    late = [part for word in ("two ", "three ", "four") for part in (0.3, step(word))]
    server.on(CHAT, [HEAD, step("one "), step(finish="stop"), *late, Then.HOLD])
    assert (await outcome(ask(server))).text == "one two three four"


async def test_a_server_that_goes_on_with_pings_after_the_end_does_not_keep_the_cell(server, monkeypatch):
    monkeypatch.setattr(api, "_AFTER_FINISH", 0.1)
    server.on(CHAT, [HEAD, step("one"), step(finish="stop"), *[b": ping\n\n", 0.05] * 100, Then.HOLD])
    assert (await outcome(ask(server))).text == "one"
    assert (await server.request(CHAT)).gone


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
async def test_an_engine_that_breaks_off_leaves_an_incomplete_reply(server, reason):
    server.on(CHAT, [HEAD, streamed("one ", finish=reason)])
    result = await outcome(ask(server))
    assert (result.text, type(result.error)) == ("one ", errors.IncompleteReplyError)
    assert reason in str(result.error)


@pytest.mark.parametrize(
    ("theirs", "usual"),
    [("MAX_TOKENS", "length"), ("model_length", "length"), ("SAFETY", "content_filter"), ("eos", "stop")],
)
async def test_other_words_for_an_end_are_told_in_the_usual_ones(server, theirs, usual):
    server.on(CHAT, [HEAD, streamed("one", finish=theirs)])
    stream = OpenAICompatible.stream("m", HELLO, url=server.url)
    assert [item.reason async for item in stream if isinstance(item, Finish)] == [usual]


# -- Other events


@pytest.mark.parametrize(
    "other",
    [
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b"event: ping\ndata: ping\n\n",
        b"data: {}\n\n",
        event({"sources": [{"name": "a page"}]}),
    ],
    ids=["ping", "ping that is no JSON", "empty", "sources"],
)
async def test_an_event_that_is_no_chunk_ends_no_reply(server, other):
    server.on(CHAT, [HEAD, other, step("one "), other, step("two"), other, step(finish="stop"), DONE])
    assert (await outcome(ask(server))).text == "one two"


async def test_thinking_among_the_parts_of_a_content_is_reasoning(server):
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    parts = [step(thinking), step([{"type": "text", "text": "Hello"}])]
    server.on(CHAT, [HEAD, *parts, step(finish="stop"), DONE])
    found = [item async for item in OpenAICompatible.stream("m", HELLO, url=server.url)]
    assert found[:2] == [Reasoning("hm"), Text("Hello")]


# -- Errors

BUSY = errors.RateLimitError
UNKNOWN = errors.ModelUnknownError


@pytest.mark.parametrize(
    ("inside", "kind", "words"),
    [
        (b'error: {"code": 500, "message": "broke", "type": "server_error"}\n\n', errors.ServerError, "broke"),
        (b'event: error\ndata: {"message": "broke"}\n\n', errors.ServerError, "broke"),
        (event({"choices": [{"error": {"code": 502, "message": "broke"}, "finish_reason": "error"}]}),
         errors.ServerError, "HTTP 502"),
        (event({"error": {"message": "slow down", "code": "429"}}), BUSY, "wait a little"),
        (event({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}), BUSY, "wait a little"),
        (event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), BUSY, "Overloaded"),
    ],
    ids=["llama.cpp", "event: error", "OpenRouter", "LiteLLM", "by its code", "Claude"],
)  # fmt: skip
async def test_an_error_in_the_stream_is_of_its_kind_and_keeps_what_came(server, inside, kind, words):
    server.on(CHAT, [HEAD, step("one "), inside, DONE])
    result = await outcome(ask(server))
    assert (result.text, type(result.error)) == ("one ", kind)
    assert words in str(result.error)
    assert "HTTP 500" not in str(result.error) or b"500" in inside
    assert len(server.to(CHAT)) == 1


@pytest.mark.parametrize("inside", [b'error: {"code": 500, "message": "broke"}\n\n', event({"error": {"code": "429"}})])
async def test_an_error_before_the_first_word_is_one_too(server, inside):
    server.on(CHAT, [HEAD, inside, DONE])
    assert isinstance((await outcome(ask(server))).error, errors.ServerError)


@pytest.mark.parametrize(
    ("status", "value", "kind", "advice"),
    [
        (404, [{"error": {"code": 404, "message": "models/x is not found for API version v1", "status": "NOT_FOUND"}}],
         UNKNOWN, "%berlin models"),
        (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}],
         errors.NotAllowedError, "OPENAI_API_KEY"),
        (400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}, UNKNOWN, "%berlin models"),
        (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}, UNKNOWN, "%berlin models"),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, UNKNOWN, "models"),
        (404, {"error": {"message": 'model "x" not found, try pulling it first'}}, UNKNOWN, "%berlin models"),
        (403, {"error": {"message": "flagged by moderation", "code": 403}}, errors.NotAllowedError, "what it says"),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens.",
                         "code": "context_length_exceeded"}}, errors.ServerError, "context_limit"),
        (400, {"error": {"message": "prompt is too long: 201 tokens > 200 maximum"}}, errors.ServerError, "reset"),
        (503, {"error": {"message": "Loading model", "code": 503}}, errors.ServerError, "still being loaded"),
        (422, {"object": "error", "message": {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs"}]}},
         errors.ServerError, "top_k"),
    ],
    ids=["Gemini: model", "Gemini: key", "OpenRouter", "DeepSeek", "Claude", "Ollama", "moderation", "too long",
         "Claude: too long", "llama.cpp loading", "Mistral"],
)  # fmt: skip
async def test_what_an_engine_says_is_of_its_kind_with_advice_that_helps(server, status, value, kind, advice):
    server.on(CHAT, said(value, status))
    error = (await outcome(ask(server, key="k" * 20))).failure
    assert type(error) is kind
    assert advice in str(error)


async def test_how_long_a_server_wants_to_be_left_alone_is_told(server):
    server.on(CHAT, [reply(503, b"{}", "Retry-After: 3600")])
    error = (await outcome(ask(server, retries=5))).failure
    assert "3600 s" in str(error)
    assert len(server.requests) == 1


async def test_a_model_that_is_being_loaded_is_waited_for(server):
    loading = said({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, 503)
    server.on(CHAT, *[loading] * 5, ANSWER)
    assert (await outcome(ask(server, retries=5))).text == "Hello you"


# -- Options that a server refuses


@pytest.mark.parametrize(
    "refusal",
    [
        said({"object": "error", "message": {"detail": [{"loc": ["body", "stream_options"]}]}}, 422),
        said({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}, 422),
        said({"error": {"message": "Unrecognized request argument supplied: stream_options"}}, 400),
    ],
)
async def test_a_server_that_knows_no_stream_options_is_asked_without_them(server, refusal):
    server.on(CHAT, refusal, ANSWER)
    assert (await outcome(ask(server))).text == "Hello you"
    first, second = (request.json for request in server.to(CHAT))
    assert first.pop("stream_options")
    assert first == second


async def test_a_model_that_wants_max_tokens_by_another_name_gets_it(server):
    wants = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    server.on(CHAT, said({"error": {"message": wants, "param": "max_tokens"}}), ANSWER)
    assert (await outcome(ask(server, max_tokens=7))).text == "Hello you"
    first, second = (request.json for request in server.to(CHAT))
    assert (first["max_tokens"], second["max_completion_tokens"]) == (7, 7)
    assert "max_tokens" not in second


async def test_a_server_that_refuses_whatever_it_is_sent_is_asked_no_third_time(server):
    server.on(CHAT, said({"error": {"message": "stream_options, max_completion_tokens, temperature: no"}}))
    assert type((await outcome(ask(server, temperature=1))).error) is errors.ServerError
    assert len(server.to(CHAT)) == 2


async def test_openai_itself_gets_max_completion_tokens_at_once(monkeypatch):
    bodies = []

    async def events():
        yield Text("Hello")

    @asynccontextmanager
    async def chat(_endpoint, body, _options):
        bodies.append(body)
        yield events()

    monkeypatch.setattr(api, "chat", chat)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    await outcome(OpenAICompatible.create_async_generator("m", HELLO, url=OPENAI_URL, max_tokens=7))
    assert bodies[0]["max_completion_tokens"] == 7
    assert "max_tokens" not in bodies[0]


async def test_an_answer_that_is_not_to_be_streamed_is_asked_for_without_what_belongs_to_streams(server):
    server.on(CHAT, said(completion("Hello"), 200))
    talk = Conversation(provider="openai", url=server.url)
    assert await talk.ask("Hello", model="m", stream=False) == "Hello"
    assert "stream_options" not in server.requests[0].json


async def test_a_call_without_content_may_stand_among_the_messages(server):
    server.on(CHAT, ANSWER)
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "3", "tool_call_id": "1"},
    ]
    result = await outcome(OpenAICompatible.create_async_generator("m", messages, url=server.url))
    assert result.error is None
    assert server.requests[0].json["messages"] == messages


# -- Addresses, keys, models


async def test_what_an_address_has_after_its_path_is_sent_and_not_shown(server):
    server.on("/deployments/x/chat/completions", said({"error": {"message": "canary-in-the-query is wrong"}}))
    url = f"{server.url}/deployments/x?api-version=2024-10-21&key=canary-in-the-query"
    error = (await outcome(ask(server, url=url))).failure
    assert server.requests[0].path.endswith("?api-version=2024-10-21&key=canary-in-the-query")
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("provider", "given", "environment", "advice"),
    [
        (Vllm, {}, {"VLLM_API_KEY": "k" * 20}, "is for another server, and was not sent there"),
        (Vllm, {}, {}, "is not set"),
        (Vllm, {"key": "k" * 20}, {}, "not accepted: check VLLM_API_KEY"),
        (Ollama, {}, {}, "OLLAMA_BASE_URL"),
    ],
    ids=["kept back", "none", "wrong", "Ollama"],
)
async def test_a_missing_key_is_told_with_what_would_help(server, monkeypatch, provider, given, environment, advice):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.on(CHAT, said({"error": {"message": "no key"}}, 401))
    error = (await outcome(provider.create_async_generator("m", HELLO, url=server.url, **given))).failure
    assert advice in str(error)
    assert_fit_to_be_shown(error)
    assert ("authorization" in server.requests[0].headers) is bool(given)


async def test_each_service_can_be_elsewhere_with_its_key(server, monkeypatch):
    server.on(CHAT, ANSWER)
    monkeypatch.setenv("VLLM_BASE_URL", server.url)
    monkeypatch.setenv("VLLM_API_KEY", "its-own-key")
    assert (await outcome(Vllm.create_async_generator("m", HELLO))).text == "Hello you"
    assert server.requests[0].headers["authorization"] == "Bearer its-own-key"
    assert Vllm.where() == server.url


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"object": "list", "data": None}, []),
        ([{"id": "a"}, {"id": "b"}], ["a", "b"]),
        ({"models": [{"name": "a", "model": "a"}]}, ["a"]),
    ],
    ids=["null", "a bare list", "models"],
)
async def test_models_are_read_however_they_are_listed(server, listed, names):
    server.on("/v1/models", said(listed, 200))
    assert await OpenAICompatible.models(url=server.url) == names


async def test_a_header_that_only_says_who_asks_takes_no_word_out_of_a_message(server):
    server.on(CHAT, said({"error": {"message": "The model of http://127.0.0.1 is not found; X-Auth is canary-header"}}))
    headers = {"HTTP-Referer": "http://127.0.0.1", "X-Title": "model", "X-Auth": "canary-header"}
    error = (await outcome(ask(server, headers=headers))).failure
    assert "The model of http://127.0.0.1 is not found" in str(error)
    assert "canary" not in str(error)
    assert server.requests[0].headers["x-title"] == "model"


async def test_a_list_of_models_that_can_not_be_asked_for_shows_no_key_in_any_frame():
    with pytest.raises(errors.NotConfiguredError) as caught:
        await OpenAICompatible.models(key="canary-key-0123456789", url="nonsense")
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert "canary" not in repr([frame for frame in frames if "cls" in frame])


def test_an_error_in_a_list_of_one_is_an_error():
    assert Delta.read([{"error": {"message": "x"}}]).error == {"message": "x"}


@pytest.mark.parametrize(
    ("error", "advice", "key"),
    [
        ({"code": "unsupported_country_region_territory", "message": "Country, region, or territory"}, "region", False),
        ({"message": "User location is not supported for the API use."}, "another provider", False),
        ({"message": "This is not available in your region."}, "region", False),
        ({"message": "Blocked by policy."}, "read what it says", False),
        ({"message": "This API key has no access to the model."}, "OPENAI_API_KEY", True),
        ({"message": "missing scopes: model.request"}, "OPENAI_API_KEY", True),
    ],
)
async def test_a_403_is_told_as_a_matter_of_the_key_only_if_it_is_one(monkeypatch, server, error, advice, key):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key")
    server.on(CHAT, [reply(403, json.dumps({"error": error}).encode())])
    failure = (await outcome(services.OpenAI.create_async_generator("m", HELLO))).failure
    assert type(failure) is errors.NotAllowedError and advice in str(failure)
    assert ("OPENAI_API_KEY" in str(failure)) == key
