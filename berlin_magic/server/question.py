"""The question: the body of one chat request, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from berlin_magic.server.engine import EngineError
from berlin_magic.server.options import check_options

__all__ = ["DEFAULT_MODEL", "Question", "default_model"]

DEFAULT_MODEL = "gpt-3.5-turbo"
"""The model that every client names if its user has chosen no model (protocol page, "Chat")."""

_LONGEST_ID = 200
_LIMITS = ("max_tokens", "max_completion_tokens")


def default_model(served: Sequence[str]) -> str:
    """Return the model out of those `served` that is asked if the user names none.

    The client then sends `DEFAULT_MODEL`; if that is served, nobody knows whether the user has chosen it.
    """
    return DEFAULT_MODEL if not served or DEFAULT_MODEL in served else served[0]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a client.

    Attributes
    ----------
    prompt : str
        The question, or a whole labelled conversation: for the server it is one message of the user.
    parent : str
        The conversation (`parentMessageId`).
    options : mapping
        ``model``, ``temperature``, …, as the client sent them.
    """

    prompt: str
    parent: str
    options: Mapping[str, Any]

    @property
    def limit(self) -> int | None:
        """The most tokens of the reply; None if the client names none."""
        given = [value for name in _LIMITS if (value := self.options.get(name)) is not None]
        return min(given, default=None)

    def limited(self, most: int | None) -> Mapping[str, Any]:
        """Return the options with a limit of the reply that is no higher than `most`."""
        if most is None:
            return self.options
        return {name: min(value, most) if name in _LIMITS and value else value for name, value in self.options.items()}

    @classmethod
    def read(cls, body: object) -> Question:
        """Return the question in a request's JSON.

        Raises
        ------
        EngineError
            With the status and code of the protocol, if something is missing or of the wrong type.
        """
        if not isinstance(body, Mapping):
            raise EngineError("The body is not a JSON object", status=400, code=-1)
        prompt, parent, options = body.get("prompt"), body.get("parentMessageId"), body.get("options") or {}
        if not isinstance(prompt, str) or not prompt:
            raise EngineError("prompt is missing", status=400, code=-1)
        if not isinstance(parent, str):
            raise EngineError("parentMessageId is missing")  # 500/5000, as the original
        if len(parent) > _LONGEST_ID:
            raise EngineError(f"parentMessageId is longer than {_LONGEST_ID} characters", status=400, code=-1)
        if not isinstance(options, Mapping):
            raise EngineError("options is not an object", status=400, code=-1)
        check_options(options)
        return cls(prompt, parent, options)

    def model(self, served: Sequence[str], *, unnamed: str = DEFAULT_MODEL, advice: str = "") -> str:
        """Return the model to answer with.

        Parameters
        ----------
        served : sequence of str
            The models of the engine; empty if it does not list them.
        unnamed : str
            The name that clients send if their user has chosen no model. It stands for the first model served, unless
            it is one itself.
        advice : str
            Advice for a user who asks for a model that is not served.

        Raises
        ------
        EngineError
            If a model was asked for that is not served.
        """
        asked: str = self.options.get("model") or unnamed
        if asked in served or not served:
            return asked or default_model(served)
        if asked == unnamed:
            return default_model(served)
        message = f"Model {asked[:_LONGEST_ID]} is not supported{f': {advice}' if advice else ''}"
        raise EngineError(message, reason="no such model")
