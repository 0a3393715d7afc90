"""A LiteLLM proxy, which whole organisations put in front of their engines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from asking import outcome
from engines.conftest import WAYS, Ask, through_berlin
from engines.peer import ACCOUNT, PASSWORD, Engine, behind_berlin, free_port, installed, running
from scripted import CHUNKED_HEAD, HEAD, Script, ScriptedServer, Then, http_chunk

from berlin_magic.errors import (
    IncompleteReplyError,
    ModelUnknownError,
    RateLimitError,
    ServerError,
)
from berlin_magic.messages import Finish, Usage
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible

pytestmark = pytest.mark.usefixtures("wanted")

REQUIREMENT = "litellm[proxy]==1.106.2"
KEY = "sk-canary-litellm-key"
SAID = "The quick brown fox, é 中文 🎉, jumps over\n\nthe **lazy** dog."


@pytest.fixture(scope="module")
def scripted_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def litellm(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, scripted_port: int
) -> Iterator[Engine]:
    programs = installed(Path(pytestconfig.cache.mkdir("litellm")), REQUIREMENT)
    folder = tmp_path_factory.mktemp("litellm")
    mock = {"model": "openai/mock", "api_key": "none", "mock_response": SAID}
    scripted = {"model": "openai/x", "api_key": "none", "api_base": f"http://127.0.0.1:{scripted_port}/v1"}
    models = {"mock": mock, "limited": {**mock, "mock_response": "litellm.RateLimitError"}, "scripted": scripted}
    settings = {
        "model_list": [{"model_name": name, "litellm_params": given} for name, given in models.items()],
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    }
    (folder / "litellm.yaml").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")  # JSON is YAML
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [programs / "litellm", "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else it fetches a list of prices
    with (
        running(*command, ready=f"{url}/health/liveliness", log=folder / "litellm.log", env=env),
        behind_berlin(url, folder, key=KEY) as engine,
    ):
        yield engine


@pytest.fixture
async def behind(scripted_port: int) -> AsyncIterator[ScriptedServer]:
    """The engine behind LiteLLM's model "scripted"."""
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.accept, "127.0.0.1", scripted_port)
    yield scripted
    server.close()
    await scripted.close()


def said(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


async def test_the_reply_is_what_the_engine_says(litellm: Engine, ask: Any):
    reply = await ask(litellm, "Hello", "mock")
    assert (reply.text, reply.error) == (SAID, None)


async def test_usage_and_finish_are_told(litellm: Engine):
    messages = [{"role": "user", "content": "Hello"}]
    told = [item async for item in OpenAICompatible.stream("mock", messages, url=litellm.url, key=litellm.key)]
    usage, finish = told[-2:]
    assert isinstance(usage, Usage)
    assert usage.prompt_tokens
    assert usage.completion_tokens
    assert finish == Finish("stop")
    before = litellm.balance
    assert (await outcome(through_berlin(litellm, "Hello", "mock"))).text == SAID
    assert before - litellm.balance == usage.prompt_tokens + usage.completion_tokens


async def test_its_models_are_listed(litellm: Engine):
    names = {"mock", "limited", "scripted"}
    assert set(await OpenAICompatible.models(url=litellm.url, key=litellm.key)) == names
    assert set(await Berlin.models(url=litellm.berlin, account=ACCOUNT, password=PASSWORD)) == names


@pytest.mark.parametrize(("model", "error"), [("limited", RateLimitError), ("nonesuch", ModelUnknownError)])
async def test_what_it_refuses_is_the_error_that_it_means(litellm: Engine, ask: Any, model: str, error: type):
    assert type((await ask(litellm, "Hello", model, retries=0)).failure) is error


async def test_a_wrong_key_is_refused_without_being_shown(litellm: Engine):
    # Without a database of keys, LiteLLM answers 400 "No connected db." where others answer 401.
    messages = [{"role": "user", "content": "Hello"}]
    refused = await outcome(
        OpenAICompatible.create_async_generator("mock", messages, url=litellm.url, key="sk-canary-wrong")
    )
    assert isinstance(refused.failure, ServerError)


async def test_text_arrives_while_the_engine_behind_it_is_talking(
    litellm: Engine, behind: ScriptedServer, generator: Ask
):
    words = ["The ", "quick ", "brown ", "fox ", "jumps ", "over."]
    arrived = [asyncio.Event() for _ in words]  # the engine says a word when the one before it is here
    script = [step for word, event in zip(words, arrived, strict=True) for step in (said(word), event)]
    behind.on("/v1/chat/completions", [HEAD, *script, said("", finish_reason="stop")])
    async with asyncio.timeout(30), aclosing(generator(litellm, "Hello", "scripted")) as pieces:
        for word, event in zip(words, arrived, strict=True):
            assert await anext(pieces) == word
            event.set()
        assert [piece async for piece in pieces] == []


async def test_a_reply_that_is_closed_ends_the_engine_behind_it(
    litellm: Engine, behind: ScriptedServer, generator: Ask
):
    behind.on("/v1/chat/completions", [HEAD, said("The "), Then.HOLD])
    async with asyncio.timeout(30), aclosing(generator(litellm, "Hello", "scripted")) as pieces:
        assert await anext(pieces) == "The "
    request = await behind.request("/v1/chat/completions")
    await asyncio.wait_for(request.gone.wait(), 30)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([Then.RESET], id="reset"),
        pytest.param([], id="closed"),
        pytest.param([http_chunk(b'data: {"id": "c", "choices": [{"del')], id="closed in the middle of an object"),
        pytest.param([http_chunk(b'data: {"error": {"message": "overloaded", "code": 529}}\n\n')], id="an error"),
    ],
)
async def test_an_engine_that_fails_behind_it_leaves_no_reply_that_looks_whole(
    litellm: Engine, behind: ScriptedServer, generator: Ask, end: Script
):
    first, second = asyncio.Event(), asyncio.Event()  # set when the word before it has arrived
    words = [http_chunk(said("The ")), first, http_chunk(said("answer ")), second]
    behind.on("/v1/chat/completions", [CHUNKED_HEAD, *words, *end])
    pieces = generator(litellm, "Hello", "scripted")
    async with asyncio.timeout(30):
        assert await anext(pieces) == "The "
        first.set()
        assert await anext(pieces) == "answer "
        second.set()
        reply = await outcome(pieces)
    assert reply.text == ""
    assert isinstance(reply.failure, (IncompleteReplyError, ServerError))


async def test_where_only_the_end_of_the_connection_ends_an_answer_litellm_takes_a_cut_for_its_end(
    litellm: Engine, behind: ScriptedServer, ask: Any
):
    """Seen, not wished for: it makes up a finish_reason "stop", and nobody in front of it can tell."""
    behind.on("/v1/chat/completions", [HEAD, said("The "), said("answer ")])
    reply = await asyncio.wait_for(ask(litellm, "Hello", "scripted"), 30)
    assert (reply.text, reply.error) == ("The answer ", None)


async def test_twenty_at_a_time_are_neither_lost_nor_mixed(litellm: Engine, behind: ScriptedServer):
    def echo(request: Any) -> Script:
        prompt = request.json["messages"][-1]["content"]
        return [HEAD, *[step for _ in range(5) for step in (said(prompt), 0.02)], said("", finish_reason="stop")]

    behind.on("/v1/chat/completions", echo)
    asked = [(way, f"<{number}>") for number in range(10) for way in WAYS.values()]
    replies = await asyncio.gather(*(outcome(way(litellm, prompt, "scripted")) for way, prompt in asked))
    assert [reply.text for reply in replies] == [prompt * 5 for _, prompt in asked]
