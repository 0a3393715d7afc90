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

__all__ = ["refusal_kind"]

# wire/chat-no-balance; then how engines say it.
_NO_BALANCE = re.compile("积分余额不足|insufficient balance|insufficient_quota|balance is|more credits")
# wire/chat-unknown-model; then OpenAI, vLLM, Ollama, LiteLLM.
_MODEL_UNKNOWN = re.compile(
    r"model[_ ]not[_ ]found|(unknown|invalid) model|model \S+ (is not supported|does not exist|not found)"
)
_BY_STATUS = {401: NotAllowedError, 402: NoBalanceError, 403: NotAllowedError, 429: RateLimitError}


def refusal_kind(status: int, words: str) -> type[ServerError]:
    """Return the class of the error: by `words` (message, code and type), where they are clear, else by `status`."""
    said = words.casefold()
    if _NO_BALANCE.search(said):
        return NoBalanceError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ModelUnknownError if _MODEL_UNKNOWN.search(said) else ServerError
