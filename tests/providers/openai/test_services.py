"""The well-known servers: where each is, and what key it gets."""

from __future__ import annotations

import pytest

from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.providers.openai.services import Ollama, OpenRouter
from berlin_magic.providers.registry import load


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
    provider = load(name)
    assert issubclass(provider, OpenAICompatible)
    endpoint = provider._endpoint(url=None, key="k", headers=None, proxy=None, silence=1)
    assert str(endpoint.url) == url


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
