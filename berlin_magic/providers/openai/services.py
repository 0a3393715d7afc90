"""The providers for well-known servers with OpenAI's chat completions.

Each has environment variables for another address and for its key, which is sent to no other server.
"""

from __future__ import annotations

from berlin_magic.providers.openai.provider import OpenAICompatible

__all__ = ["LMStudio", "LlamaCpp", "Ollama", "OpenAI", "OpenRouter", "Vllm"]


class OpenAI(OpenAICompatible):
    """OpenAI, or the server that ``OPENAI_BASE_URL`` names."""

    name = "OpenAI"
    needs = "OPENAI_API_KEY; another address: OPENAI_BASE_URL"


class OpenRouter(OpenAICompatible):
    """OpenRouter (https://openrouter.ai/docs/quickstart)."""

    name = "OpenRouter"
    needs = "OPENROUTER_API_KEY"
    url = issuer = "https://openrouter.ai/api/v1"
    address_variable = ""
    key_variable = "OPENROUTER_API_KEY"


class _OnThisMachine(OpenAICompatible):
    """A server that usually runs on this machine: it requires no key, and takes no files."""

    takes_files = False
    needs_key = False


class Ollama(_OnThisMachine):
    """Ollama on this machine (https://docs.ollama.com/openai)."""

    name = "Ollama"
    needs = "Ollama, running on this machine; elsewhere: OLLAMA_BASE_URL, OLLAMA_API_KEY"
    url = issuer = "http://127.0.0.1:11434/v1"
    address_variable = "OLLAMA_BASE_URL"
    key_variable = "OLLAMA_API_KEY"


class Vllm(_OnThisMachine):
    """A vLLM server on this machine (https://docs.vllm.ai, "OpenAI-Compatible Server")."""

    name = "vLLM"
    needs = "`vllm serve`, running on this machine; elsewhere: VLLM_BASE_URL, VLLM_API_KEY"
    url = issuer = "http://127.0.0.1:8000/v1"
    address_variable = "VLLM_BASE_URL"
    key_variable = "VLLM_API_KEY"


class LlamaCpp(_OnThisMachine):
    """The llama-server of llama.cpp on this machine (its tools/server/README.md)."""

    name = "llama.cpp"
    needs = "llama-server, running on this machine; elsewhere: LLAMA_BASE_URL, LLAMA_API_KEY"
    url = issuer = "http://127.0.0.1:8080/v1"
    address_variable = "LLAMA_BASE_URL"
    key_variable = "LLAMA_API_KEY"


class LMStudio(_OnThisMachine):
    """LM Studio on this machine (https://lmstudio.ai/docs, "OpenAI Compatibility")."""

    name = "LM Studio"
    needs = "LM Studio's server, running on this machine; elsewhere: LMSTUDIO_BASE_URL, LMSTUDIO_API_KEY"
    url = issuer = "http://127.0.0.1:1234/v1"
    address_variable = "LMSTUDIO_BASE_URL"
    key_variable = "LMSTUDIO_API_KEY"
