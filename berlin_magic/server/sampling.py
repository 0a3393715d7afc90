"""Sampling options: which of them a client may set, and how a model that refuses some is asked instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from berlin_magic.server.engine import EngineError

__all__ = ["RefusedOptions", "sampling"]

# What shapes the text of one answer. Everything else that engines and gateways know is not a client's to say: it
# changes the form of the answer, or which model, provider or tool is paid for with somebody else's key.
_SAMPLING = frozenset(
    {
        *("model", "temperature", "top_p", "top_k", "min_p", "typical_p", "stop", "seed", "logit_bias"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty", "repeat_penalty"),
        *("max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "verbosity"),
    }
)
# The protocol's clients send these whether their user has chosen them or not (protocol page, "Chat").
_UNASKED: Mapping[str, Any] = {
    "temperature": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_completion_tokens": 1888,
    "stream_options": {"include_usage": True},
}
_MALFORMED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
# OpenAI; Mistral and others that check with pydantic; LiteLLM; Claude.
_NOT_TAKEN = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra[_ ]|not permitted|not allowed|deprecated"
)


def sampling(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a client's `options` that an engine may be sent."""
    return {name: value for name, value in options.items() if name in _SAMPLING and value is not None}


class RefusedOptions:
    """What each model of one engine was found to refuse: it is asked without, or under the other name, from then on.

    Only what clients send unasked is left out; what a user has chosen is sent, or refused.

    Parameters
    ----------
    most : int
        Models that are remembered.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._by_model: dict[str, frozenset[str]] = {}

    def written(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request to send for `body`, with the wish to be told the usage."""
        refused = self._by_model.get(str(body.get("model")), frozenset())
        request = {**body, "stream_options": _UNASKED["stream_options"]}
        if "max_tokens" in refused and "max_tokens" in request:
            limit = request.pop("max_tokens")  # reasoning models count their thinking, too, and call it otherwise
            request.setdefault("max_completion_tokens", limit)
        return {name: value for name, value in request.items() if name not in refused or value != _UNASKED.get(name)}

    def learn(self, request: Mapping[str, Any], refusal: EngineError) -> bool:
        """Say whether `refusal` is one of `request`'s options, and `written` another request from now on."""
        if refusal.status not in _MALFORMED or not isinstance(refusal.data, Mapping):
            return False
        error = refusal.data.get("error") or {}
        found = {name for name in _named(error) if request.get(name, _UNASKED) == _UNASKED.get(name)}
        if "max_tokens" in request and "max_tokens" in _named(error):
            found.add("max_tokens")
        if not found:
            return False
        model = str(request.get("model"))
        known = self._by_model.pop(model, frozenset())
        while len(self._by_model) >= self._most:
            del self._by_model[next(iter(self._by_model))]
        self._by_model[model] = known | found
        return True


def _named(error: Mapping[str, Any]) -> set[str]:
    """Return the options that an error says are not taken."""
    said = str(dict(error))
    names = {"stream_options"} if "stream_options" in said else set()
    if _NOT_TAKEN.search(said.casefold()):
        param = error.get("param")
        where = param if isinstance(param, str) and param else said
        names |= {name for name in (*_UNASKED, "max_tokens") if re.search(rf"\b{name}\b", where)}
    return names
