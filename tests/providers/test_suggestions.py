"""What the user may have meant by a model that is unknown."""

from __future__ import annotations

import asyncio
import json

import pytest
from asking import ACCOUNT, HELLO, PASSWORD, TOKEN, assert_fit_to_be_shown, outcome
from scripted import Then, envelope, reply

from berlin_magic.errors import ModelUnknownError
from berlin_magic.providers import suggestions
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.providers.suggestions import nearest, with_nearest

MODELS = ["gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo", "llama3.2:latest", "qwen2.5:7b", "mistralai/Mistral-7B-Instruct"]


@pytest.mark.parametrize(
    ("model", "first"),
    [
        ("gpt4o", "gpt-4o"),
        ("GPT-4O", "gpt-4o"),
        ("gpt-4-o-mini", "gpt-4o-mini"),
        ("gpt-3.5", "gpt-3.5-turbo"),
        ("llama3", "llama3.2:latest"),
        ("llama-3.2", "llama3.2:latest"),
        ("qwen2.5", "qwen2.5:7b"),
        ("mistral-7b-instruct", "mistralai/Mistral-7B-Instruct"),
    ],
)
def test_the_most_similar_comes_first(model, first):
    assert nearest(model, MODELS)[0] == first


@pytest.mark.parametrize("model", ["", "---", "qqqqqq", "zzz"])
def test_what_is_like_none_is_near_to_none(model):
    assert nearest(model, MODELS) == []


def test_a_model_is_not_near_to_itself_and_three_are_enough():
    assert "gpt-4o" not in nearest("gpt-4o", MODELS)
    assert len(nearest("gpt-4", [f"gpt-4-{number}" for number in range(9)])) == 3


@pytest.mark.parametrize(
    ("model", "meant"),
    [("olama:llama3.2", "ollama:llama3.2"), ("openrouters:x/y:free", "openrouter:x/y:free"), ("qwen2.5:7b", "")],
)
async def test_a_prefix_that_is_nearly_a_providers_name_may_have_meant_it(model, meant):
    async def none():
        return []

    error = await with_nearest(ModelUnknownError("The server does not know it.\nName another."), model, none)
    assert (meant in str(error)) if meant else "mean" not in str(error)
    assert_fit_to_be_shown(error)


def test_a_list_without_end_is_not_compared_to_its_end():
    names = ["x" * 10_000] * 10 + [f"model-{number}" for number in range(100_000)]
    assert len(nearest("model-7" * 1000, names)) <= 3


@pytest.fixture(params=["Berlin", "OpenAI"])
def unknown(request, server):
    """Return how to ask a server for a model that it does not know, and the path and answer of its list of models."""
    if request.param == "Berlin":
        server.on("/api/chat/completions", [envelope(5000, [], "Model gpt-4p is not supported", status=500)])
        listed = envelope(0, {"chat_models": [{"value": name} for name in MODELS]})
        return (
            lambda: Berlin.create_async_generator("gpt-4p", HELLO, url=server.url, token=TOKEN),
            "/api/config",
            listed,
        )
    error = {"error": {"message": "The model `gpt-4p` does not exist", "code": "model_not_found"}}
    server.on("/v1/chat/completions", [reply(404, json.dumps(error).encode())])
    listed = reply(200, json.dumps({"data": [{"id": name} for name in MODELS]}).encode())
    return (
        lambda: OpenAICompatible.create_async_generator("gpt-4p", HELLO, url=server.url, key=TOKEN),
        "/v1/models",
        listed,
    )


async def test_the_error_names_what_may_have_been_meant(server, unknown):
    ask, path, listed = unknown
    server.on(path, [listed])
    error = (await outcome(ask())).failure
    assert type(error) is ModelUnknownError
    assert "gpt-4p" in str(error)
    assert "Did you mean gpt-4o or gpt-4o-mini" in str(error)
    assert len(server.to(path)) == 1
    assert len(server.requests) == 2


FAULTS = [[Then.RESET], [Then.HOLD], [reply(503, b"")], [reply(200, b"<html>")], [envelope(-1, [], "no", status=401)]]


@pytest.mark.parametrize("fault", FAULTS, ids=["reset", "silent", "busy", "a page", "refused"])
async def test_a_list_that_can_not_be_had_changes_nothing(server, unknown, fault, monkeypatch):
    monkeypatch.setattr(suggestions, "_TIMEOUT", 0.3)
    ask, path, _ = unknown
    server.on(path, fault)
    error = (await asyncio.wait_for(outcome(ask()), 10)).failure
    assert type(error) is ModelUnknownError
    assert "Did you mean" not in str(error)
    assert error.status in (404, 500)
    assert len(server.to(path)) <= 2  # aiohttp itself (3.14) sends a GET once more over a connection that was lost


async def test_it_can_be_stopped_while_the_list_is_asked_for(server, unknown):
    ask, path, _ = unknown
    server.on(path, [Then.HOLD])
    task = asyncio.create_task(outcome(ask()))
    listing = await server.request(path)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
    await asyncio.wait_for(listing.gone.wait(), 1)


async def test_a_list_with_hostile_names_is_fit_to_be_shown(order):
    async def known():
        return ["gpt-4\x1b[31m\n\n\n\n\no", "gpt-4" + "o" * 90]

    error = ModelUnknownError("No such model.\nName another.", status=404)
    assert await with_nearest(error, "gpt-4o", known) is error
    assert "Did you mean" in str(error)
    assert "\x1b" not in str(error)
    assert_fit_to_be_shown(error)


async def test_names_that_are_a_secret_are_not_told(server):
    server.on("/api/chat/completions", [envelope(5000, [], "Model x is not supported", status=500)])
    server.on("/api/config", [envelope(0, {"chat_models": [{"value": TOKEN}, {"value": PASSWORD}]})])
    ask = Berlin.create_async_generator(
        TOKEN.removeprefix("canary-"), HELLO, url=server.url, token=TOKEN, account=ACCOUNT, password=PASSWORD
    )
    assert "Did you mean <secret>" in str((await outcome(ask)).failure)
