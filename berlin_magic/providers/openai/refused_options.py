"""Leave out the options that a model refuses."""

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
    """The options that each model of one server refuses.

    Later requests to the model are sent without them, or with another name (``max_tokens``, which OpenAI's reasoning
    models call ``max_completion_tokens``). Only default options are left out; an option that the user has set is
    always sent, and the server may refuse it.

    Parameters
    ----------
    defaults : mapping
        The options that are sent if the user has not set them, with their values.
    most : int
        The most models to remember.
    """

    def __init__(self, defaults: Mapping[str, Any], most: int = 1_000) -> None:
        self.defaults = defaults
        self._most = most
        self._by_model: dict[str, frozenset[str]] = {}

    def request(self, body: Mapping[str, Any]) -> ChatRequest:
        """Return the request for `body`, without the options that its model is known to refuse."""
        return ChatRequest(body, self)

    def known(self, model: str) -> frozenset[str]:
        """Return the options that `model` refuses."""
        return self._by_model.get(model, frozenset())

    def remember(self, model: str, refused: Iterable[str]) -> None:
        """Remember that `model` refuses these options."""
        known = self._by_model.pop(model, frozenset())
        while len(self._by_model) >= self._most:
            del self._by_model[next(iter(self._by_model))]
        self._by_model[model] = known.union(refused)


class ChatRequest:
    """One request, from which the options are removed that the server refuses.

    A refusal may quote the question. An option whose name is in the question is therefore left out of this request
    only. The others are remembered for later requests, once the server has accepted this one without them.

    Parameters
    ----------
    body : mapping
        The request with all its options.
    options : RefusedOptions
        The options that the server's models refuse; they are remembered there.
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
        request, defaults = dict(self._given), self._options.defaults
        if "max_tokens" in self._refused and "max_tokens" in request:
            limit = request.pop("max_tokens")  # reasoning models count their reasoning, too
            request.setdefault("max_completion_tokens", limit)
        return {
            name: value for name, value in request.items() if name not in self._refused or value != defaults.get(name)
        }

    def refused(self, status: int, error: Mapping[str, Any]) -> bool:
        """Remove the options that the server's `error` is about; return whether `body` has changed."""
        if status not in _MALFORMED:
            return False
        request, defaults, named = self.body, self._options.defaults, self._named(error)
        found = {name for name in named if request.get(name, defaults) == defaults.get(name)}
        if "max_tokens" in request and "max_tokens" in named:
            found.add("max_tokens")
        self._refused |= found
        words = json.dumps(list(self._given.values()), ensure_ascii=False, default=str).casefold()
        self._certain |= found & self._named(error, quoted=words)
        return bool(found)

    def accepted(self) -> None:
        """Remember the options that this request was sent without."""
        if self._certain:
            self._options.remember(self._model, self._certain)

    def _named(self, error: Mapping[str, Any], quoted: str = "") -> set[str]:
        """Return the options that an error names as refused; words that it may have `quoted` do not count."""
        said, param = str(dict(error)), error.get("param")
        text = param if isinstance(param, str) and param else said
        why = [reason for reason in _NOT_TAKEN.findall(said.casefold()) if reason not in quoted]
        named = {name for name in (*self._options.defaults, "max_tokens") if re.search(rf"\b{name}\b", text)}
        # For the usage the name is enough: the words differ between servers.
        return {name for name in named if (why or name == "stream_options") and (text is param or name not in quoted)}
