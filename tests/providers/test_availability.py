"""The check of all providers runs them at once, within a time limit, and shows no secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pytest
from asking import assert_no_secret
from scripted import HEAD, ScriptedServer, Then, reply
from shells import new_shell

from berlin_magic.errors import BerlinError
from berlin_magic.kernel import commands
from berlin_magic.kernel.extension import load
from berlin_magic.providers import availability, registry, resolve
from berlin_magic.providers.base import Provider
from berlin_magic.providers.openai.services import LlamaCpp, LMStudio, Ollama, OpenAI, OpenRouter, Vllm

KEY = "canary-key-sk-0123456789abcdef"
MODELS = b'{"data": [{"id": "llama3.2"}, {"id": "qwen2.5:7b"}]}'
NOBODY = "http://127.0.0.1:1"


class Mute(Provider):
    """One that has nothing to say of its models."""

    name = "Mute"
    needs = "nothing"

    @classmethod
    async def create_async_generator(cls, model: Any, messages: Any, proxy: Any = None, **kwargs: Any) -> Any:
        yield "hm"


class Careless(Mute):
    """One that puts what it knows into its errors."""

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        raise RuntimeError(f"{KEY} is wrong")


class Slow(Mute):
    """One that never comes back."""

    @classmethod
    async def models(cls, proxy: str | None = None, **kwargs: Any) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of what runs on this machine is asked, and nothing elsewhere."""
    for service in (Ollama, Vllm, LlamaCpp, LMStudio):
        monkeypatch.setattr(service, "url", NOBODY)
    for variable in ("OPENROUTER_API_KEY", "VLLM_API_KEY", "LLAMA_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(availability, "_TIMEOUT", 1.0)
    yield
    resolve.close_embedded()


def also(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    more = {name.lower(): EntryPoint(name.lower(), f"{__name__}:{name}", registry.GROUP) for name in names}
    everything = MappingProxyType({**registry.installed(), **more})
    monkeypatch.setattr(availability, "refresh_installed", lambda: everything)
    monkeypatch.setattr(registry, "installed", cache(lambda: everything))


async def found(**settings: Any) -> dict[str, availability.Availability]:
    return {finding.name: finding for finding in await availability.check_availability(settings)}


async def test_each_says_what_it_needs_and_whether_it_answers(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/v1/models", [reply(200, MODELS)])
    monkeypatch.setattr(Ollama, "url", f"{server.url}/v1")
    there = await found()
    assert list(there) == list(registry.installed())
    assert there["ollama"].answer == "answers: 2 models" and there["ollama"].where == f"{server.url}/v1"
    assert there["berlin"].answer.startswith("answers: ") and "(embedded)" in there["berlin"].where
    for name in ("vllm", "llamacpp", "lmstudio"):
        assert there[name].answer.startswith("does not answer") and there[name].needs


async def test_without_a_key_nobody_elsewhere_is_asked(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in (OpenAI, OpenRouter):
        monkeypatch.setattr(service, "url", server.url)
        monkeypatch.setattr(service, "issuer", server.url)
    there = await found()
    for name in ("openai", "openrouter"):
        assert there[name].answer.startswith("is not set up") and "API_KEY" in there[name].needs
    assert server.connections == 0


async def test_one_that_is_silent_keeps_none_of_the_others_waiting(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/v1/models", [Then.HOLD])
    for service in (Ollama, Vllm, LlamaCpp):
        monkeypatch.setattr(service, "url", server.url)
    also(monkeypatch, "Slow")
    await found()  # whatever is slow the first time
    loop = asyncio.get_running_loop()
    start = loop.time()
    there = await found()
    assert loop.time() - start < 4.0  # one after the other it would be at least as long as that
    for name in ("ollama", "vllm", "llamacpp", "slow"):
        assert there[name].answer == "does not answer"


async def test_whatever_goes_wrong_with_one_is_a_line_without_a_secret(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/v1/models", [reply(401, f'{{"error": {{"message": "{KEY} is wrong"}}}}'.encode())])
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    also(monkeypatch, "Careless", "Mute", "Nowhere")
    there = await found()
    assert there["openai"].answer.startswith("does not answer")
    assert (there["careless"].answer, there["careless"].why) == ("does not answer", "RuntimeError")
    assert "can't be loaded" in there["nowhere"].why
    assert there["mute"].answer.startswith("is there")
    for finding in there.values():
        assert_no_secret(repr(finding))
        assert "\n" not in finding.answer + finding.why


async def test_the_settings_are_for_their_provider_alone(server: ScriptedServer) -> None:
    server.on("/v1/models", [HEAD.replace(b"text/event-stream", b"application/json") + MODELS])
    there = await found(provider="vllm", url=server.url)
    assert there["vllm"].answer == "answers: 2 models"
    assert len(server.requests) == 1


async def test_the_list_marks_the_one_in_use(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("/v1/models", [reply(200, MODELS)])
    monkeypatch.setattr(Ollama, "url", server.url)
    shell = new_shell()
    load(shell)
    magics: Any = shell.magics_manager.registry["BerlinMagics"]
    lines = (await commands.run(magics, "providers")).text.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["berlin"]
    await commands.run(magics, "use ollama:llama3.2")
    lines = (await commands.run(magics, "providers")).text.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["ollama"]
    models = (await commands.run(magics, "models")).text.splitlines()
    assert models[:2] == ["* llama3.2", "  qwen2.5:7b"] and "ollama:MODEL" in models[2]


async def test_a_provider_that_is_none_does_not_keep_the_list_from_being_shown() -> None:
    shell = new_shell(provider="olama")
    load(shell)
    magics: Any = shell.magics_manager.registry["BerlinMagics"]
    with pytest.raises(BerlinError, match="olama"):
        await commands.run(magics, "")
    assert "openrouter" in (await commands.run(magics, "providers")).text
