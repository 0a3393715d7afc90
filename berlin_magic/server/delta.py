"""A delta: what one object of an OpenAI-compatible answer adds to the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Delta"]

_LOWEST_ERROR, _HIGHEST_ERROR = 400, 599


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of a reply.

    Attributes
    ----------
    text : str
        What it adds; for a refusal, the model's words of refusal.
    thinks : bool
        Whether the model is at work on what is not part of the reply (reasoning).
    finished : bool
        Whether the reply is complete with it.
    error : mapping or None
        The engine's own error object, where it is no step but a failure.
    """

    text: str = ""
    thinks: bool = False
    finished: bool = False
    error: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, value: object) -> Delta:
        """Return the delta in `value`: a chunk of a stream, a whole completion or an error object.

        Keys that are absent, null or of the wrong type add nothing: engines differ.
        """
        if not isinstance(value, Mapping):
            return cls()
        error = _error(value)
        if error is not None:
            return cls(error=error)
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping):
            return cls()  # usage comes in an object without choices
        said = choice.get("delta") or choice.get("message")
        said = said if isinstance(said, Mapping) else {}
        return cls(
            text=_text(said, "content") or _text(said, "refusal"),
            thinks=bool(_text(said, "reasoning_content") or _text(said, "reasoning")),
            finished=choice.get("finish_reason") is not None,
        )

    @property
    def status(self) -> int:
        """The HTTP status that its error names; 500 where it names none."""
        code = self.error.get("code") if self.error else None
        return code if isinstance(code, int) and _LOWEST_ERROR <= code <= _HIGHEST_ERROR else 500


def _error(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    error = value.get("error")
    if isinstance(error, Mapping) and error:
        return error
    if isinstance(error, str) and error:  # Ollama
        return {"message": error}
    return value if value.get("object") == "error" else None  # vLLM before 0.10


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""
