"""The providers by their short names: the well-known servers, each at its usual address."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from berlin_magic.berlin import Berlin
from berlin_magic.openai_compatible import OpenAICompatible
from berlin_magic.provider import Provider

__all__ = ["SERVICES", "LMStudio", "LlamaCpp", "Ollama", "OpenAI", "OpenRouter", "Vllm", "named_provider"]


class OpenAI(OpenAICompatible):
    """OpenAI, or whatever ``OPENAI_BASE_URL`` names."""

    name = "OpenAI"


class OpenRouter(OpenAICompatible):
    """OpenRouter (https://openrouter.ai/docs/quickstart)."""

    name = "OpenRouter"
    url = issuer = "https://openrouter.ai/api/v1"
    address_variable = ""
    key_variable = "OPENROUTER_API_KEY"


class Ollama(OpenAICompatible):
    """Ollama on this machine (https://docs.ollama.com/openai)."""

    name = "Ollama"
    url = issuer = "http://127.0.0.1:11434/v1"
    address_variable = ""
    key_variable = ""
    needs_key = False


class Vllm(OpenAICompatible):
    """A vLLM server on this machine (https://docs.vllm.ai, "OpenAI-Compatible Server")."""

    name = "vLLM"
    url = issuer = "http://127.0.0.1:8000/v1"
    address_variable = ""
    key_variable = "VLLM_API_KEY"
    needs_key = False


class LlamaCpp(OpenAICompatible):
    """The llama-server of llama.cpp on this machine (its tools/server/README.md)."""

    name = "llama.cpp"
    url = issuer = "http://127.0.0.1:8080/v1"
    address_variable = ""
    key_variable = "LLAMA_API_KEY"
    needs_key = False


class LMStudio(OpenAICompatible):
    """LM Studio on this machine (https://lmstudio.ai/docs, "OpenAI Compatibility")."""

    name = "LM Studio"
    url = issuer = "http://127.0.0.1:1234/v1"
    address_variable = ""
    key_variable = ""
    needs_key = False


SERVICES: Mapping[str, type[Provider]] = MappingProxyType(
    {
        "berlin": Berlin,
        "openai": OpenAI,
        "openrouter": OpenRouter,
        "ollama": Ollama,
        "vllm": Vllm,
        "llamacpp": LlamaCpp,
        "lmstudio": LMStudio,
    }
)
"""Each provider by its short name, as in ``%%berlin -m ollama:llama3.2``."""


def named_provider(model: str) -> tuple[type[Provider] | None, str]:
    """Return the provider that `model` names by a prefix, and the model without it.

    A prefix counts only if it is a provider's name: ``qwen2.5:7b`` is a model, and ``ollama:qwen2.5:7b`` is that
    model of Ollama.
    """
    prefix, colon, rest = model.partition(":")
    provider = SERVICES.get(prefix.strip().lower()) if colon else None
    return (provider, rest.strip()) if provider else (None, model)
