"""Classify a server's error by its status and its text."""

from __future__ import annotations

import re
from collections.abc import Callable

from berlin_magic.errors import (
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    RateLimitError,
    ServerError,
)

__all__ = [
    "TOO_LONG",
    "concerns_key",
    "concerns_region",
    "error_kind",
    "is_loading",
    "is_prohibited",
    "is_too_long",
]

TOO_LONG = (
    "The conversation is too long: `%berlin reset` begins a new one, and\n"
    "`%config BerlinMagics.context_limit = 8000` (tokens) leaves out the oldest turns."
)
"""Advice if a conversation is too long for the model or the server."""

# wire/chat-no-balance; then the texts of engines.
_NO_BALANCE = re.compile("积分余额不足|超级会员使用|insufficient balance|insufficient_quota|balance is|more credits")
# wire/chat-unknown-model; then OpenAI, vLLM, Ollama, LiteLLM; OpenRouter, DeepSeek; Gemini; Claude.
_MODEL_UNKNOWN = re.compile(
    r"model[_ ]not[_ ](found|exist|available)|(unknown|invalid) model|no such model"
    r"|model \S+ (is not supported|does not exist|not found)|not a valid model|models?/\S+ is not found"
    r"|\bmodel: \S+ .*not_found_error"
    r"|未配置对应ai模型"
)
_TOO_MANY = re.compile("rate[_ ]limit|too many requests|resource_exhausted|overloaded_error")
_WRONG_KEY = re.compile("invalid[_ ]api[_ ]key|api key not valid|incorrect api key")
_BY_STATUS = {401: NotAllowedError, 402: NoBalanceError, 403: NotAllowedError, 429: RateLimitError}


def error_kind(status: int | None, words: str) -> type[ServerError]:
    """Return the class of the error: by `words` if they are clear, else by `status`.

    Parameters
    ----------
    status : int or None
        The HTTP status, or the one that an error within a stream gives; None if it gives none.
    words : str
        The text of the error: its message, code and type.
    """
    text = words.casefold()
    if _NO_BALANCE.search(text):
        return NoBalanceError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for pattern, kind in ((_MODEL_UNKNOWN, ModelUnknownError), (_WRONG_KEY, NotAllowedError)):
        if pattern.search(text):
            return kind
    return RateLimitError if status is None and _TOO_MANY.search(text) else ServerError


def _matches(pattern: str) -> Callable[[str], bool]:
    """Return a function that returns whether a text matches `pattern`, whatever its case."""
    compiled = re.compile(pattern)
    return lambda words: compiled.search(words.casefold()) is not None


# OpenAI, vLLM; llama.cpp; Claude; Gemini; Ollama.
is_too_long = _matches(
    "context[_ ]length|maximum context|context[_ ]size|context window|prompt is too long|input token count"
    "|request entity too large"
)
"""Return whether an error means that the conversation is too long for the model."""

concerns_region = _matches(
    "unsupported_country|country, region|region,? or territory|location is not supported|your region"
)
"""Return whether an error means that the user's country is not served (OpenAI, Gemini)."""

concerns_key = _matches(r"\bkey\b|api[_-]key|token|credential|authenticat|authoriz|permission|scope|project")
"""Return whether an error is about the key or its permissions."""

is_prohibited = _matches("敏感词|违反了我们的规定")  # ChatGPT-Web's check of the prompt
"""Return whether an error of a Berlin server means that its administrator forbids words of the prompt."""

is_loading = _matches("loading model|model is (still )?(being )?load")
"""Return whether an error means that the model is not in memory yet (llama.cpp, with a 503)."""
