"""Read the delta in one object of a chat completion.

The form is OpenAI's, with the differences of Ollama, vLLM, llama.cpp, LM Studio, LiteLLM, OpenRouter and Mistral.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from berlin_magic.messages import Usage

__all__ = ["Delta"]


@dataclass(frozen=True, slots=True)
class Delta:
    """The addition of one object to a reply.

    Attributes
    ----------
    text : str
        Text of the reply; if the model refuses, its refusal.
    reasoning : str
        Text of the model's reasoning.
    signature : str
        The provider's signature of the reasoning, which is sent back unchanged.
    images : tuple of str
        The addresses of the reply's images, ``data:`` URLs as a rule.
    finish : str
        Why the reply ended; empty if it has not.
    usage : Usage or None
        The tokens so far, if the object gives them.
    error : mapping or None
        The engine's error object, if the engine failed.
    """

    text: str = ""
    reasoning: str = ""
    signature: str = ""
    images: tuple[str, ...] = ()
    finish: str = ""
    usage: Usage | None = None
    error: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, value: object) -> Delta:
        """Return the delta in `value`: a chunk of a stream, a whole completion, or an error object.

        Keys that are absent, null or of the wrong type add nothing, as engines differ.
        """
        if isinstance(value, list) and len(value) == 1:  # Gemini's errors
            value = value[0]
        if not isinstance(value, Mapping):
            return cls()
        error = _error(value)
        if error is not None:
            return cls(error=error)
        choice = _first_choice(value.get("choices"))
        if isinstance(failure := choice.get("error"), Mapping) and failure:  # OpenRouter
            return cls(error=failure)
        message = choice.get("delta") or choice.get("message")
        message = message if isinstance(message, Mapping) else {}
        finish = choice.get("finish_reason")
        summary, signature = _details(message.get("reasoning_details"))
        return cls(
            text=_text(message.get("content")) or _text(message.get("refusal")),
            reasoning=_text(message.get("reasoning_content"))
            or _text(message.get("reasoning"))
            or _thoughts(message)
            or summary,
            signature=signature,
            images=tuple(_images(message)),
            finish=_finish_reason(finish) if isinstance(finish, str) else "",
            usage=_usage(value.get("usage")),
        )

    @property
    def status(self) -> int | None:
        """The HTTP status that its error gives; None if it gives none."""
        code = self.error.get("code") if self.error else None
        number = int(code) if isinstance(code, str) and re.fullmatch("[0-9]{3}", code) else code
        return number if isinstance(number, int) and 400 <= number <= 599 else None  # noqa: PLR2004 - HTTP's errors


_LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTER = {"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "sensitive"}
_USUAL = {"stop", "end", "eos", "eos_token", "end_turn", "stop_sequence"}


def _finish_reason(finish: str) -> str:
    """Return OpenAI's name of a finish reason; Gemini, Mistral, Claude and TGI have others."""
    reason = finish.casefold()
    if reason in {"null", "none"}:
        return ""
    for names, word in ((_LENGTH, "length"), (_FILTER, "content_filter"), (_USUAL, "stop")):
        if reason in names:
            return word
    return reason


def _first_choice(choices: object) -> Mapping[str, Any]:
    """Return the choice with index 0; empty if there is none, as in an object that only has usage."""
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, Mapping) and not choice.get("index"):
            return choice
    return {}


def _error(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    error = value.get("error")
    if isinstance(error, Mapping) and error:
        return error
    if isinstance(error, str) and error:  # Ollama
        return {"message": error}
    if value.get("object") == "error":  # vLLM before 0.10
        return value
    if "choices" not in value and "detail" in value:  # FastAPI's own, under vLLM and LiteLLM
        return {"message": str(value["detail"])}
    return None


def _text(value: object) -> str:
    if isinstance(value, list):  # Mistral: parts, the thinking among them
        parts = [part for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(_text(part.get("text")) for part in parts)
    return value if isinstance(value, str) else ""


def _images(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses of images: OpenRouter and LiteLLM have ``images``, others put them into the content."""
    for name in ("images", "content"):
        parts = message.get(name)
        for part in parts if isinstance(parts, list) else []:
            image = part.get("image_url") if isinstance(part, Mapping) else None
            url = image.get("url") if isinstance(image, Mapping) else image
            if isinstance(url, str) and url:
                yield url


def _thoughts(message: Mapping[str, Any]) -> str:
    """Return the thinking among the parts of a content (Mistral)."""
    content = message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return "".join(_text(part.get("thinking")) for part in parts if part.get("type") == "thinking")


def _details(details: object) -> tuple[str, str]:
    """Return the text and the signature in OpenRouter's ``reasoning_details``.

    https://openrouter.ai/docs/use-cases/reasoning-tokens: entries of the types ``reasoning.text`` (``text`` and
    ``signature``), ``reasoning.summary`` (``summary``) and ``reasoning.encrypted`` (``data``).
    """
    entries = [entry for entry in details if isinstance(entry, Mapping)] if isinstance(details, list) else []
    text = "".join(_text(entry.get("text")) or _text(entry.get("summary")) for entry in entries)
    signatures = (_text(entry.get("signature")) or _text(entry.get("data")) for entry in entries)
    return text, next((signature for signature in signatures if signature), "")


def _usage(value: object) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    return Usage(
        prompt if isinstance(prompt, int) else None,
        completion if isinstance(completion, int) else None,
    )
