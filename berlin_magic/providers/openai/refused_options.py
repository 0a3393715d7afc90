"""Options that a model refuses, and the request that is sent without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

__all__ = ["ChatRequest", "RefusedOptions"]

_MALFORMED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
# OpenAI; Mistral and others that check with pydantic; LiteLLM; Claude.
_NOT_TAKEN = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra[_ ]|not permitted|not allowed|deprecated"
)


class RefusedOptions:
    """What each model of one server was found to refuse.

    It is asked without that, or under the other name (``max_tokens``, which OpenAI's reasoning models know as
    ``max_completion_tokens``), from then on. Only what is sent unasked is left out; what a user has chosen is sent, or
    refused.

    Parameters
    ----------
    unasked : mapping
        The options that are sent if nobody has chosen them, with their values.
    most : int
        Models that are remembered.
    """

    def __init__(self, unasked: Mapping[str, Any], most: int = 1_000) -> None:
        self.unasked = unasked
        self._most = most
        self._by_model: dict[str, frozenset[str]] = {}

    def request(self, body: Mapping[str, Any]) -> ChatRequest:
        """Return the request `body`, to be sent without what its model is known to refuse."""
        return ChatRequest(body, self)

    def known(self, model: str) -> frozenset[str]:
        """Return the options that `model` refuses."""
        return self._by_model.get(model, frozenset())

    def remember(self, model: str, refused: Iterable[str]) -> None:
        """Ask `model` without the options `refused`, too, from now on."""
        known = self._by_model.pop(model, frozenset())
        while len(self._by_model) >= self._most:
            del self._by_model[next(iter(self._by_model))]
        self._by_model[model] = known.union(refused)


class ChatRequest:
    """One request, written anew if a refusal names one of its options.

    Refusals quote: an option that is named in the user's own words is left out of that user's request alone. The rest
    is remembered for others, once the server has accepted a request without it.

    Parameters
    ----------
    body : mapping
        What is to be asked.
    options : RefusedOptions
        What is known about the server's models, and where it is remembered.
    """

    def __init__(self, body: Mapping[str, Any], options: RefusedOptions) -> None:
        self._given = body
        self._options = options
        self._model = str(body.get("model"))
        self._refused = options.known(self._model)
        self._certain: set[str] = set()

    @property
    def body(self) -> dict[str, Any]:
        """What to send."""
        request, unasked = dict(self._given), self._options.unasked
        if "max_tokens" in self._refused and "max_tokens" in request:
            limit = request.pop("max_tokens")  # reasoning models count their thinking, too
            request.setdefault("max_completion_tokens", limit)
        return {
            name: value for name, value in request.items() if name not in self._refused or value != unasked.get(name)
        }

    def refused(self, status: int, error: Mapping[str, Any]) -> bool:
        """Say whether the server's `error` is about an option, and `body` is another one from now on."""
        if status not in _MALFORMED:
            return False
        request, unasked, named = self.body, self._options.unasked, self._named(error)
        found = {name for name in named if request.get(name, unasked) == unasked.get(name)}
        if "max_tokens" in request and "max_tokens" in named:
            found.add("max_tokens")
        self._refused |= found
        words = json.dumps(list(self._given.values()), ensure_ascii=False, default=str).casefold()
        self._certain |= found & self._named(error, quoted=words)
        return bool(found)

    def accepted(self) -> None:
        """Remember what this request had to be sent without."""
        if self._certain:
            self._options.remember(self._model, self._certain)

    def _named(self, error: Mapping[str, Any], quoted: str = "") -> set[str]:
        """Return the options that an error says are not taken, in other words than those that it may have `quoted`."""
        said, param = str(dict(error)), error.get("param")
        where = param if isinstance(param, str) and param else said
        why = [reason for reason in _NOT_TAKEN.findall(said.casefold()) if reason not in quoted]
        named = {name for name in (*self._options.unasked, "max_tokens") if re.search(rf"\b{name}\b", where)}
        # Of the usage it is enough to be named: it is the one option that servers refuse in words of their own.
        return {name for name in named if (why or name == "stream_options") and (where is param or name not in quoted)}
