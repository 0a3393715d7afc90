"""The options of a question: which of them a client may set, to what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from berlin_magic.server.engine import EngineError

__all__ = ["UNASKED", "check_options", "chosen"]


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
UNASKED: Mapping[str, Any] = {
    "temperature": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_completion_tokens": 1888,
    "stream_options": {"include_usage": True},
}
"""What an engine is asked for though no user may have chosen it: it is asked without what its model refuses."""


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


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a client's `options` that an engine may be sent."""
    return {name: value for name, value in options.items() if name in _SAMPLING and value is not None}
