"""Which error a server's refusal is, by its status and its words; for what has no code of its own."""

from __future__ import annotations

import re

from berlin_magic.errors import (
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    RateLimitError,
    ServerError,
)

__all__ = ["is_loading", "is_too_long", "refusal_kind"]

# wire/chat-no-balance; then how engines say it.
_NO_BALANCE = re.compile("积分余额不足|insufficient balance|insufficient_quota|balance is|more credits")
# wire/chat-unknown-model; then OpenAI, vLLM, Ollama, LiteLLM; OpenRouter, DeepSeek; Gemini; Claude.
_MODEL_UNKNOWN = re.compile(
    r"model[_ ]not[_ ](found|exist|available)|(unknown|invalid) model|no such model"
    r"|model \S+ (is not supported|does not exist|not found)|not a valid model|models?/\S+ is not found"
    r"|\bmodel: \S+ .*not_found_error"
)
_TOO_MANY = re.compile("rate[_ ]limit|too many requests|resource_exhausted|overloaded_error")
# OpenAI, vLLM; llama.cpp; Claude; Gemini; Ollama.
_TOO_LONG = re.compile(
    "context[_ ]length|maximum context|context[_ ]size|context window|prompt is too long|input token count"
)
_LOADING = re.compile("loading model|model is (still )?(being )?load")
_WRONG_KEY = re.compile("invalid[_ ]api[_ ]key|api key not valid|incorrect api key")
_BY_STATUS = {401: NotAllowedError, 402: NoBalanceError, 403: NotAllowedError, 429: RateLimitError}


def refusal_kind(status: int | None, words: str) -> type[ServerError]:
    """Return the class of the error: by `words` (message, code and type), where they are clear, else by `status`.

    Parameters
    ----------
    status : int or None
        The HTTP status, or the one that an error within a stream names; None where it names none.
    words : str
        What the server says.
    """
    said = words.casefold()
    if _NO_BALANCE.search(said):
        return NoBalanceError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for pattern, kind in ((_MODEL_UNKNOWN, ModelUnknownError), (_WRONG_KEY, NotAllowedError)):
        if pattern.search(said):
            return kind
    return RateLimitError if status is None and _TOO_MANY.search(said) else ServerError


def is_too_long(words: str) -> bool:
    """Say whether a server says that the conversation is longer than the model can read."""
    return _TOO_LONG.search(words.casefold()) is not None


def is_loading(words: str) -> bool:
    """Say whether a server says that its model is not in memory yet (llama.cpp, with a 503)."""
    return _LOADING.search(words.casefold()) is not None
