"""The providers by their short names."""

from __future__ import annotations

import pytest

from berlin_magic.berlin import Berlin
from berlin_magic.openai_compatible import OpenAICompatible
from berlin_magic.services import SERVICES, Ollama, OpenRouter, named_provider

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("model", "provider", "rest"),
    [
        ("ollama:llama3.2", "ollama", "llama3.2"),
        ("ollama:qwen2.5:7b", "ollama", "qwen2.5:7b"),
        ("Ollama: llama3.2", "ollama", "llama3.2"),
        ("openrouter:meta/llama:free", "openrouter", "meta/llama:free"),
        ("berlin:gpt-4", "berlin", "gpt-4"),
        ("lmstudio:", "lmstudio", ""),
    ],
)
def test_a_prefix_that_is_a_provider_names_it(model, provider, rest):
    assert named_provider(model) == (SERVICES[provider], rest)


@pytest.mark.parametrize("model", ["qwen2.5:7b", "gpt-4", "ollama", "", ":x", "ft:gpt-4:org"])
def test_any_other_prefix_is_part_of_the_models_name(model):
    assert named_provider(model) == (None, model)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("openrouter", "https://openrouter.ai/api/v1"),
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("vllm", "http://127.0.0.1:8000/v1"),
        ("llamacpp", "http://127.0.0.1:8080/v1"),
        ("lmstudio", "http://127.0.0.1:1234/v1"),
    ],
)
def test_each_has_its_usual_address(name, url):
    provider = SERVICES[name]
    assert issubclass(provider, OpenAICompatible)
    endpoint = provider._endpoint(url=None, key="k", headers=None, proxy=None, silence=1)
    assert str(endpoint.url) == url


def test_berlin_is_one_of_them():
    assert SERVICES["berlin"] is Berlin


def test_those_on_this_machine_need_no_key_and_get_none_that_is_not_theirs(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key")
    monkeypatch.setenv("OPENAI_BASE_URL", Ollama.url)
    endpoint = Ollama._endpoint(url=None, key=None, headers=None, proxy=None, silence=1)
    assert endpoint.key == ""


def test_each_has_its_own_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key")
    monkeypatch.setenv("OPENROUTER_API_KEY", "its-own-key")
    endpoint = OpenRouter._endpoint(url=None, key=None, headers=None, proxy=None, silence=1)
    assert endpoint.key == "its-own-key"
    elsewhere = OpenRouter._endpoint(url="http://127.0.0.1:1", key=None, headers=None, proxy=None, silence=1)
    assert elsewhere.key == ""
