"""Messages of a conversation, and the events of a reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast

__all__ = [
    "ROLES",
    "AnyMessage",
    "Event",
    "Finish",
    "Message",
    "Notice",
    "Reasoning",
    "Usage",
    "checked",
    "flatten",
    "with_parts",
]

ROLES = ("system", "developer", "user", "assistant", "tool")
"""The roles that a message may have: those of the chat completions that every engine behind a server speaks."""


class Message(TypedDict):
    """One message: who speaks, and the text."""

    role: str
    content: str


AnyMessage = Mapping[str, Any]
"""A message as others hand it over: ``{"role": …, "content": …}``, the content a text or a list of parts."""


def checked(messages: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Return `messages` as a new list of plain messages.

    Parameters
    ----------
    messages : iterable of mapping
        Each with a ``role`` out of `ROLES` and a ``content`` that is a string; further keys are dropped.

    Returns
    -------
    list of Message
        At least one.

    Raises
    ------
    ValueError
        Where the list is empty or anything in it is not a message; it says which one, and why.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise ValueError(
            f"messages must be a list of {{'role', 'content'}} dicts, not {type(messages).__name__}: "
            "a single question is [{'role': 'user', 'content': '…'}]"
        )
    result = [_checked_one(number, message) for number, message in enumerate(messages)]
    if not result:
        raise ValueError("messages is empty: give at least one, such as {'role': 'user', 'content': '…'}")
    return result


def _checked_one(number: int, message: object) -> Message:
    if not isinstance(message, Mapping):
        raise ValueError(f"messages[{number}] must be a dict with 'role' and 'content', not {type(message).__name__}")
    entry = cast("Mapping[str, Any]", message)
    for key in ("role", "content"):
        if key not in entry:
            raise ValueError(f"messages[{number}] has no {key!r}")
        if not isinstance(entry[key], str):
            raise ValueError(f"messages[{number}][{key!r}] must be a str, not {type(entry[key]).__name__}")
    if entry["role"] not in ROLES:
        raise ValueError(f"messages[{number}]['role'] must be one of {', '.join(ROLES)}, not {entry['role']!r}")
    return {"role": entry["role"], "content": entry["content"]}


def flatten(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return `messages` as the one prompt that the Berlin protocol has room for.

    A single user message goes as it is. Several are labelled with their roles, a blank line between them, and end
    with an open ``Assistant:`` for the reply.

    Raises
    ------
    ValueError
        As `checked` does.
    """
    plain = checked(messages)
    if len(plain) == 1 and plain[0]["role"] == "user":
        return plain[0]["content"]
    labelled = [f"{message['role'].capitalize()}: {message['content']}" for message in plain]
    return "\n\n".join([*labelled, "Assistant:"])


def with_parts(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `messages` as a new list, for a server that takes images: a ``content`` may be a list of parts.

    A part is a mapping with a ``type``, such as ``{"type": "text", "text": …}`` or
    ``{"type": "image_url", "image_url": {"url": "data:image/png;base64,…"}}``. Further keys of a message are kept.

    Raises
    ------
    ValueError
        As `checked` does.
    """
    entries = list(messages) if isinstance(messages, Iterable) and not isinstance(messages, (str, bytes)) else messages
    as_text = entries
    if isinstance(entries, list):
        as_text = [
            {**entry, "content": ""} if isinstance(entry, Mapping) and _is_other_content(entry) else entry
            for entry in entries
        ]
    checked(as_text)
    return [dict(entry) for entry in entries]


def _is_other_content(entry: Mapping[str, Any]) -> bool:
    content = entry.get("content")
    if content is None:  # an assistant's turn that is a call alone
        return bool(entry.get("tool_calls"))
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in content)
    )


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks before it answers; no part of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that the engine counted; None for what it does not tell."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the reply ended, in the engine's own word.

    ``stop`` is the usual one; ``length`` says that the reply reached its limit, ``content_filter`` that a part was
    left out, ``tool_calls`` that the model wants a tool.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the status line, such as that the server is busy and is asked again."""

    text: str


Event = Reasoning | Usage | Finish | Notice
