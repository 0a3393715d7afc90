"""Which provider a question goes to, with what, and what never goes along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import ACCOUNT, PASSWORD, TOKEN, assert_no_secret
from completions import DONE, step, streamed, usage
from gguf_files import model_file
from scripted import HEAD, ScriptedServer

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, ModelUnknownError, NotConfiguredError
from berlin_magic.messages import Started, Text
from berlin_magic.providers import resolve
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.services import Ollama, OpenAI, Vllm
from berlin_magic.providers.resolve import connect
from berlin_magic.results.conversation import Conversation

CHAT = "/v1/chat/completions"
KEY = "canary-key-sk-0123456789abcdef"
THERE = "http://127.0.0.1:9"


@pytest.fixture
def ollama(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server in the place of Ollama's usual one."""
    monkeypatch.setattr(Ollama, "url", server.url)
    server.on(CHAT, [HEAD + streamed("Hello ", "you")])
    return server


@pytest.fixture
def embedded() -> Iterator[None]:
    yield
    resolve.close_embedded()


# -- The choice


@pytest.mark.parametrize(
    ("environment", "model", "given", "name", "rest"),
    [
        ({}, "ollama:llama3.2", {}, "ollama", "llama3.2"),
        ({}, "", {"provider": "vllm"}, "vllm", ""),
        ({}, "m", {"provider": "Vllm"}, "vllm", "m"),
        ({}, "ollama:m", {"provider": "vllm"}, "ollama", "m"),
        ({}, "m", {"key": KEY, "url": THERE}, "openai", "m"),
        ({}, "m", {"url": THERE}, "berlin", "m"),
        ({"BERLIN_MODEL": "ollama:m"}, "", {}, "ollama", "m"),
        ({"BERLIN_MODEL": "ollama:m"}, "", {"provider": "vllm"}, "vllm", ""),
        ({"BERLIN_MODEL": "m"}, "", {"provider": "vllm"}, "vllm", "m"),
        ({"BERLIN_MODEL": "ollama:m"}, "other", {"url": THERE}, "berlin", "other"),
        ({"BERLIN_PROVIDER": "ollama"}, "m", {}, "ollama", "m"),
        ({"BERLIN_PROVIDER": "ollama"}, "m", {"provider": "vllm"}, "vllm", "m"),
        ({"BERLIN_URL": THERE}, "ollama:m", {}, "ollama", "m"),
        ({"BERLIN_URL": THERE, "OPENAI_API_KEY": KEY}, "m", {}, "berlin", "m"),
        ({"OPENAI_API_KEY": KEY}, "gpt-4", {}, "openai", "gpt-4"),
        ({"OPENAI_BASE_URL": THERE}, "m", {}, "openai", "m"),
        ({"OPENAI_BASE_URL": THERE}, "qwen2.5:7b", {}, "openai", "qwen2.5:7b"),
    ],
)
async def test_what_stands_nearest_to_the_question_decides(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    model: str,
    given: dict[str, Any],
    name: str,
    rest: str,
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    there = await connect(model, **given)
    assert (there.name, there.model) == (name, rest)
    assert there.reason
    assert not there.embedded


@pytest.mark.parametrize("model", ["", "berlin:", "berlin:gpt-4", "gpt-4", "qwen2.5:7b"])
async def test_with_nothing_configured_it_is_still_the_embedded_server(embedded: None, model: str) -> None:
    assert (await connect(model, silence=5.0)).embedded


async def test_the_embedded_server_can_be_asked_though_openai_is_configured(
    embedded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    there = await connect("berlin:")
    assert there.embedded and there.model == resolve.EMBEDDED_MODEL
    assert_no_secret(repr(there), str(there.settings))


@pytest.mark.parametrize("given", [{"provider": "olama"}, {"provider": "ollama", "token": TOKEN}])
async def test_what_a_provider_does_not_take_is_no_secret_and_told(given: dict[str, str]) -> None:
    with pytest.raises(NotConfiguredError) as raised:
        await connect("m", **given)
    assert len(str(raised.value).splitlines()) == 2
    assert_no_secret(str(raised.value))


async def test_a_key_is_not_for_a_berlin_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotConfiguredError, match="key"):
        await connect("m", provider="berlin", url=THERE, key=KEY)


# -- What goes where


async def test_settings_of_one_provider_do_not_go_to_another(embedded: None) -> None:
    given = {"url": THERE, "account": ACCOUNT, "password": PASSWORD, "token": TOKEN, "silence": 3.0}
    there = await connect("ollama:m", **given)
    assert there.provider is Ollama
    assert there.settings == {"silence": 3.0}
    assert there.where == "http://127.0.0.1:11434/v1"
    back = await connect("berlin:m", provider="openai", url=THERE, key=KEY, headers={"X-Key": KEY})
    assert not {"key", "headers"} & back.settings.keys() and back.settings["url"] != THERE


async def test_settings_of_the_provider_that_the_model_names_too_are_its_own() -> None:
    there = await connect("vllm:m", provider="vllm", url=THERE, key=KEY)
    assert (there.provider, there.where, there.settings["url"]) == (Vllm, THERE, THERE)


async def test_no_key_or_header_is_seen_in_a_connection() -> None:
    there = await connect("m", url=THERE, key=KEY, headers={"X-Key": "canary-header"}, api_token=TOKEN)
    assert_no_secret(repr(there), repr(dict(there.settings)))
    assert there.settings["key"] == KEY
    assert isinstance(there.settings["api_token"], Secret)


async def test_an_address_is_shown_without_the_user_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = await connect("m", provider="openai", url="http://ada:canary@127.0.0.1:9/v1")
    assert there.where == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://ada:canary@127.0.0.1:9/v1")
    assert (await connect("m")).where == "http://127.0.0.1:9/v1"


async def test_the_key_of_the_environment_goes_to_its_own_server_alone(
    ollama: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{ollama.url}/v1")
    assert await Conversation(model="m").ask("Hello") == "Hello you"
    assert ollama.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    monkeypatch.setenv("OPENAI_BASE_URL", THERE)
    await Conversation(model="ollama:m").ask("Hello")
    await Conversation(model="m", provider="openai", url=ollama.url).ask("Hello")
    assert all("authorization" not in request.headers for request in ollama.requests[-2:])


# -- A conversation


async def test_a_conversation_asks_the_provider_that_its_model_names(ollama: ScriptedServer) -> None:
    talk = Conversation("Be brief.", model="ollama:llama3.2")
    assert await talk.ask("Hello", temperature=0.5) == "Hello you"
    assert await talk.ask("More") == "Hello you"
    first, second = (request.json for request in ollama.requests)
    assert (first["model"], first["temperature"]) == ("llama3.2", 0.5)
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    assert (talk[0].model, talk[0].provider) == ("llama3.2", "Ollama")
    assert not {"silence", "provider", "parent", "account"} & first.keys()


async def test_a_model_and_an_address_in_code_belong_together(server: ScriptedServer) -> None:
    server.on(CHAT, [HEAD + streamed("Hello")])
    talk = Conversation(model="ollama:m", url=server.url)
    assert await talk.ask("Hello") == await talk.ask("Hello", model="other") == "Hello"
    assert [request.json["model"] for request in server.requests] == ["m", "other"]


async def test_another_address_for_one_question_gets_no_key_of_the_conversations_own(server: ScriptedServer) -> None:
    server.on(CHAT, [HEAD + streamed("Hello")])
    talk = Conversation(model="m", provider="openai", url=THERE, key=KEY)
    assert await talk.ask("Hello", url=server.url) == "Hello"
    assert "authorization" not in server.requests[0].headers


async def test_with_a_key_alone_nothing_is_asked_until_a_model_is_named(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = b'{"data": [{"id": "a"}, {"id": "b"}]}'
    server.on("/v1/models", [HEAD.replace(b"text/event-stream", b"application/json") + models])
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with pytest.raises(ModelUnknownError, match="a, b"):
        await Conversation().ask("Hello")
    assert not server.to(CHAT)


async def test_a_server_that_keeps_no_context_is_sent_the_whole(ollama: ScriptedServer) -> None:
    talk = Conversation(model="ollama:m")
    talk.context = "server"
    await talk.ask("First")
    await talk.ask("Second")
    body = ollama.requests[-1].json
    assert [message["content"] for message in body["messages"]] == ["First", "Hello you", "Second"]
    assert "parent" not in body


# -- What comes besides the text


@pytest.fixture
def thinking(ollama: ScriptedServer) -> ScriptedServer:
    parts = [step(reasoning_content="Let me see"), step(reasoning_content=": 6×7"), step("42"), step(finish="length")]
    ollama.on(CHAT, [HEAD + b"".join([*parts, usage(11, 3), DONE])])
    return ollama


async def test_reasoning_usage_and_reason_are_the_turns_and_not_the_replys(thinking: ScriptedServer) -> None:
    talk = Conversation(model="ollama:m")
    events = [event async for event in talk.events("6×7?")]
    (turn,) = talk
    assert [event for event in events if isinstance(event, Text)] == [Text("42")] and turn.reply == "42"
    assert turn.reasoning == "Let me see: 6×7"
    assert (turn.prompt_tokens, turn.completion_tokens, turn.reason) == (11, 3, "length")
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Started", "Reasoning", "Reasoning", "Text", "Usage", "Finish"]
    assert events[0] == Started("Ollama", "m", where=thinking.url)
    await talk.ask("Again")
    assert "Let me see" not in str(thinking.requests[-1].json)
    record = talk.record()
    assert record["events"][0]["parts"][0] == {"type": "reasoning", "text": "Let me see: 6×7"}
    again = Conversation()
    again.read(record)
    assert (again[0].completion_tokens, again[0].reason) == (3, "length")
    assert (again[0].model, again[0].wanted) == ("m", "ollama:m")


@pytest.mark.parametrize("thought", ["<think>Let me see</think>\n\n", "Let me see\n</think>\n\n"])
async def test_thinking_among_the_text_is_reasoning_and_is_not_sent_again(ollama: ScriptedServer, thought: str) -> None:
    ollama.on(CHAT, [HEAD + streamed(*thought, "42")])
    talk = Conversation(model="ollama:m")
    assert await talk.ask("6×7?") == talk[0].reply == "42"
    assert "Let me see" in talk[0].reasoning
    await talk.ask("Again")
    assert "Let me see" not in str(ollama.requests[-1].json)


async def test_a_reply_that_reached_its_limit_can_be_gone_on_with(thinking: ScriptedServer) -> None:
    talk = Conversation(model="ollama:m")
    assert talk.going_on() is None
    await talk.ask("Tell me")
    assert talk.going_on() is not None


async def test_the_error_of_an_unreachable_server_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ollama, "url", "http://127.0.0.1:1")
    with pytest.raises(BerlinError, match=r"127\.0\.0\.1:1"):
        await Conversation(model="ollama:m", retries=0).ask("Hello")


def test_each_says_what_it_needs() -> None:
    assert "OPENAI_API_KEY" in OpenAI.needs
    assert "BERLIN_URL" in Berlin.needs


@pytest.fixture
def a_local_model(fake_engine: Path) -> Path:
    return model_file(fake_engine / "tiny.gguf")


async def test_with_nothing_configured_a_model_on_this_machine_is_asked(a_local_model: Path) -> None:
    there = await connect()
    assert (there.name, there.model, there.where, there.embedded) == ("local", "tiny", "", False)
    assert there.reason == "nothing is configured, and a model is on this machine"


async def test_whatever_is_configured_comes_before_a_model_on_this_machine(
    a_local_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await connect(url="http://127.0.0.1:1", account="a", password="b")).name == "berlin"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    assert (await connect()).name == "openai"
    assert (await connect("local:")).model == "tiny"


@pytest.mark.parametrize("model", ["guide", "berlin:", "berlin-guide"])
async def test_the_guide_can_be_asked_though_a_model_is_on_this_machine(
    a_local_model: Path, embedded: None, model: str
) -> None:
    there = await connect(model, local_threads=2)
    assert there.embedded and there.model == resolve.EMBEDDED_MODEL


async def test_the_guide_is_asked_by_name_though_another_is_configured_unless_a_server_is_given(
    embedded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:1")
    assert (await connect("guide")).embedded
    assert not (await connect("guide", url="http://127.0.0.1:2")).embedded
    assert (await connect("guide", provider="openai")).name == "openai"


async def test_how_a_local_engine_is_started_is_for_local_models_alone(a_local_model: Path) -> None:
    assert (await connect("local:", local_threads=3, local_idle=None)).settings == {"local_threads": 3}
    assert (await connect("ollama:llama3.2", local_threads=3)).settings == {}
