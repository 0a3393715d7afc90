"""The types of messages, parts of messages, events of a reply.

A provider yields *events* while a reply arrives. A turn keeps *parts*: successive events of one kind become one part.
A request to a server holds *messages*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

__all__ = [
    "ROLES",
    "AnyMessage",
    "Content",
    "Event",
    "FilePart",
    "Finish",
    "Image",
    "ImagePart",
    "Message",
    "Notice",
    "Part",
    "Reasoning",
    "ReasoningPart",
    "Started",
    "Text",
    "TextPart",
    "TextWasReasoning",
    "ToolCall",
    "ToolCallPart",
    "ToolResultPart",
    "Usage",
    "checked",
    "content_of",
    "flatten",
    "has_images",
    "text_in",
    "with_parts",
]

ROLES = ("system", "developer", "user", "assistant", "tool")
"""The roles that a message may have: those of chat completions."""

Content = str | list[dict[str, Any]]
"""The content of a message: a text, or the parts of OpenAI's chat completions, such as texts and images."""


class Message(TypedDict):
    """One message: a role and its content."""

    role: str
    content: Content


AnyMessage = Mapping[str, Any]
"""An unchecked message ``{"role": …, "content": …}``; the content is a text or a list of parts."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text of a question or a reply."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image.

    Attributes
    ----------
    url : str
        A ``data:`` URL that holds the image, or the address of one.
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a question.

    Attributes
    ----------
    name : str
        Its name, without a folder.
    data : str
        A ``data:`` URL that holds it.
    """

    name: str
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """The model's reasoning; not part of the reply's text.

    Attributes
    ----------
    text : str
        As much as the provider shows; may be empty.
    signature : str
        The provider's own proof of the reasoning: opaque, and sent back unchanged.
    """

    text: str
    signature: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A tool call that the model asks for.

    Attributes
    ----------
    id : str
        The id that its result refers to.
    name : str
        The tool's name.
    arguments : str
        JSON, as the model wrote it; not checked.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """The result of a tool call; `id` is that of the call."""

    id: str
    content: str


Part = TextPart | ImagePart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart
"""A part of a question or a reply."""


@dataclass(frozen=True, slots=True)
class Text:
    """More of the reply's text; one event may hold all text of one network read."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the reply; its `url` is that of an `ImagePart`."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of the model's reasoning; not part of the reply's text.

    Attributes
    ----------
    text : str
        Empty if the provider does not show it.
    signature : str
        The provider's own proof of the reasoning so far: opaque, and sent back unchanged.
    """

    text: str
    signature: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A whole tool call that the model asks for; its `arguments` are JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that the engine counted; None if it does not give the number."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the reply ended: the engine's finish reason.

    ``stop`` is the usual one; with ``length`` the reply reached its limit, with ``content_filter`` a part was left out,
    with ``tool_calls`` the model asks for a tool.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A remark for the status line, such as that the server is busy and there will be a retry."""

    text: str


@dataclass(frozen=True, slots=True)
class Started:
    """The question is about to be sent. A conversation yields it first; a provider never does.

    Attributes
    ----------
    provider, model : str
        The provider and the model that are asked.
    embedded : bool
        Whether it is the embedded server, which is not a language model.
    caution : str
        What users must know of this model's answers.
    where : str
        The address that is asked, for messages; empty if there is none.
    """

    provider: str
    model: str
    embedded: bool = False
    caution: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """The text of the reply so far was reasoning: the provider marked its end, but not its beginning."""


Event = Text | Image | Reasoning | TextWasReasoning | ToolCall | Usage | Finish | Notice | Started
"""An event of a reply while it arrives."""


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
        If the list is empty or an item is not a message; the error says which one, and why.
    """
    return [{"role": entry["role"], "content": entry["content"]} for entry in _entries(messages)]


def _entries(messages: Iterable[Mapping[str, Any]], *, parts: bool = False) -> list[Mapping[str, Any]]:
    """Return `messages` as a list, each of them checked; with `parts`, a content may be a list of them."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise ValueError(
            f"messages must be a list of {{'role', 'content'}} dicts, not {type(messages).__name__}: "
            "a single question is [{'role': 'user', 'content': '…'}]"
        )
    entries = list(messages)
    for number, entry in enumerate(entries):
        _check(number, entry, parts=parts)
    if not entries:
        raise ValueError("messages is empty: give at least one, such as {'role': 'user', 'content': '…'}")
    return entries


def _check(number: int, message: object, *, parts: bool) -> None:
    if not isinstance(message, Mapping):
        raise ValueError(f"messages[{number}] must be a dict with 'role' and 'content', not {type(message).__name__}")
    for key in ("role",) if parts and _is_other_content(message) else ("role", "content"):
        if key not in message:
            raise ValueError(f"messages[{number}] has no {key!r}")
        if not isinstance(message[key], str):
            raise ValueError(f"messages[{number}][{key!r}] must be a str, not {type(message[key]).__name__}")
    if message["role"] not in ROLES:
        raise ValueError(f"messages[{number}]['role'] must be one of {', '.join(ROLES)}, not {message['role']!r}")


def flatten(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return `messages` as one prompt, as the Berlin protocol has room for one only.

    A single user message is returned as it is. Several are labelled with their roles and separated by blank lines; the
    prompt then ends with an open ``Assistant:`` for the reply.

    Raises
    ------
    ValueError
        As `checked` does.
    """
    plain = checked(messages)
    if len(plain) == 1 and plain[0]["role"] == "user":
        return text_in(plain[0]["content"])
    labelled = [f"{message['role'].capitalize()}: {text_in(message['content'])}" for message in plain]
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
    return [dict(entry) for entry in _entries(messages, parts=True)]


def _is_other_content(entry: Mapping[str, Any]) -> bool:
    content = entry.get("content")
    if content is None:  # an assistant's message that only has tool calls
        return bool(entry.get("tool_calls"))
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in content)
    )


def has_images(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether there is an image among the parts of `messages`."""
    contents = [message.get("content") for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return any(isinstance(part, Mapping) and part.get("type") == "image_url" for part in parts)


def text_in(content: Content) -> str:
    """Return the text of a message's content, without images and the like."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def content_of(parts: Iterable[Part]) -> Content:
    """Return the content of a message with the texts, images and files of `parts`: a text if there is nothing else."""
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "image_url", "image_url": {"url": part.url}})
        elif isinstance(part, FilePart):
            content.append({"type": "file", "file": {"filename": part.name, "file_data": part.data}})
    return text_in(content) if all(one["type"] == "text" for one in content) else content
