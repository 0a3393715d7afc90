"""Sampling options: which of them a client may set, and how a model that refuses some is asked instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from berlin_magic.server.engine import EngineError

__all__ = ["Asking", "RefusedOptions", "check_options", "sampling"]


def _number(least: float, most: float = 10**6, *, whole: bool = False) -> tuple[str, Callable[[Any], bool]]:
    kinds = int if whole else (int, float)
    return (
        f"a{' whole' if whole else ''} number from {least:,} to {most:,}",
        lambda value: isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


_TEXT = "a text", _is_text
_SHARE, _PENALTY, _LIMIT = _number(0, 1), _number(-100, 100), _number(1, 10**9, whole=True)
_TEXTS = (
    "a text, or a list of texts",
    lambda value: _is_text(value) or (isinstance(value, list) and len(value) <= _MOST and all(map(_is_text, value))),
)
_BIASES = (
    "an object of numbers from -100 to 100",
    lambda value: isinstance(value, Mapping) and len(value) <= _MOST and all(map(_PENALTY[1], value.values())),
)
_SCHEMA = "an object", lambda value: isinstance(value, Mapping) and _is_json(value)
# What shapes the text of one answer, with what it may be; the engine may allow less. Everything else that engines and
# gateways know is not a client's to say: it changes the form of the answer, or which model, provider or tool is paid
# for with somebody else's key.
_SAMPLING: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "model": _TEXT,
    "temperature": _number(0, 100),
    "top_p": _SHARE,
    "top_k": _number(-1, whole=True),  # -1: no limit (vLLM)
    "min_p": _SHARE,
    "typical_p": _SHARE,
    "stop": _TEXTS,
    "seed": _number(-(2**63), 2**64 - 1, whole=True),
    "logit_bias": _BIASES,
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
    "repetition_penalty": _number(0, 100),
    "repeat_penalty": _number(0, 100),
    "max_tokens": _LIMIT,
    "max_completion_tokens": _LIMIT,
    "response_format": _SCHEMA,
    "reasoning_effort": _TEXT,
    "verbosity": _TEXT,
}
_LONGEST = 1_000  # characters of a text among the options
_MOST = 1_000  # of a list
_LARGEST = 100_000  # characters of a JSON schema
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


def check_options(options: Mapping[str, Any]) -> None:
    """Check those of a client's `options` that an engine may be sent: of the wrong type, they are its user's mistake.

    Raises
    ------
    EngineError
        It names the option and what it may be, and does not repeat the value.
    """
    for name, value in options.items():
        what, is_right = _SAMPLING.get(name, ("", bool))
        if what and value is not None and not is_right(value):
            raise EngineError(f"The option {name} must be {what}", status=400, code=-1, reason=f"wrong {name}")


def _is_json(value: object) -> bool:
    try:
        return len(json.dumps(value, allow_nan=False)) <= _LARGEST
    except (ValueError, RecursionError):
        return False


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

    def asking(self, body: Mapping[str, Any]) -> Asking:
        """Return the question `body` on its way to the engine."""
        return Asking(body, self)

    def known(self, model: str) -> frozenset[str]:
        """Return the options that `model` refuses."""
        return self._by_model.get(model, frozenset())

    def remember(self, model: str, refused: Iterable[str]) -> None:
        """Ask `model` without the options `refused`, too, from now on: it counts for everybody who asks it."""
        known = self._by_model.pop(model, frozenset())
        while len(self._by_model) >= self._most:
            del self._by_model[next(iter(self._by_model))]
        self._by_model[model] = known.union(refused)


class Asking:
    """One question on its way to an engine, written anew where a refusal names one of its options.

    Refusals quote: what one says in a user's own words is tried for that user's question alone, and the rest is
    remembered for others only when the engine has accepted the question without it.

    Parameters
    ----------
    body : mapping
        The question, without the wish to be told the usage.
    options : RefusedOptions
        What is known about the engine's models, and where it is remembered.
    """

    def __init__(self, body: Mapping[str, Any], options: RefusedOptions) -> None:
        self._body = body
        self._options = options
        self._model = str(body.get("model"))
        self._refused = options.known(self._model)
        self._certain: set[str] = set()

    @property
    def request(self) -> dict[str, Any]:
        """What to send, with the wish to be told the usage."""
        request = {**self._body, "stream_options": _UNASKED["stream_options"]}
        if "max_tokens" in self._refused and "max_tokens" in request:
            limit = request.pop("max_tokens")  # reasoning models count their thinking, too, and call it otherwise
            request.setdefault("max_completion_tokens", limit)
        return {
            name: value for name, value in request.items() if name not in self._refused or value != _UNASKED.get(name)
        }

    def refused(self, refusal: EngineError) -> bool:
        """Say whether `refusal` is one of an option, and `request` another one from now on."""
        if refusal.status not in _MALFORMED or not isinstance(refusal.data, Mapping):
            return False
        request, error = self.request, refusal.data.get("error") or {}
        found = {name for name in _named(error) if request.get(name, _UNASKED) == _UNASKED.get(name)}
        if "max_tokens" in request and "max_tokens" in _named(error):
            found.add("max_tokens")
        self._refused |= found
        words = json.dumps(list(self._body.values()), ensure_ascii=False, default=str).casefold()
        self._certain |= found & _named(error, quoted=words)
        return bool(found)

    def accepted(self) -> None:
        """Remember what this question had to be asked without."""
        if self._certain:
            self._options.remember(self._model, self._certain)


def _named(error: Mapping[str, Any], quoted: str = "") -> set[str]:
    """Return the options that an error says are not taken, in other words than those that it may have `quoted`."""
    said, param = str(dict(error)), error.get("param")
    where = param if isinstance(param, str) and param else said
    why = [reason for reason in _NOT_TAKEN.findall(said.casefold()) if reason not in quoted]
    named = {name for name in (*_UNASKED, "max_tokens") if re.search(rf"\b{name}\b", where)}
    # Of the usage it is enough to be named: it is the one option that servers refuse in words of their own.
    return {name for name in named if (why or name == "stream_options") and (where is param or name not in quoted)}
