"""The packing slip: what would be sent for a question, and where."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.conversations.context_window import Measure, estimate
from berlin_magic.errors import clean
from berlin_magic.messages import FilePart, ImagePart, Message, Part, TextPart
from berlin_magic.prompts.compose import Value
from berlin_magic.prompts.documents import tokens_of_file
from berlin_magic.prompts.images import image_tokens, size_of

__all__ = ["Packed", "Slip", "packed"]


@dataclass(frozen=True, slots=True)
class Packed:
    """A message of the slip: who speaks, its texts and images in order, and its size.

    Attributes
    ----------
    role : str
        As it is sent.
    texts : tuple of str
        What is sent, in order; of an image, its address; of a file, its data.
    images : frozenset of int
        Which of the `texts` are images.
    tokens : int
        About how many tokens it has.
    files : mapping
        The names of those of the `texts` that are files, by their numbers.
    """

    role: str
    texts: tuple[str, ...] = field(repr=False)
    images: frozenset[int]
    tokens: int
    files: Mapping[int, str] = field(default_factory=dict)

    def named(self, number: int) -> str:
        """Return in a few words what an image or a file is; an empty string for a text."""
        size = f"{len(self.texts[number]):,} bytes as text"
        if number in self.files:
            return f"[file {clean(self.files[number], 80)}, {size}]"
        return f"[image, {size}]" if number in self.images else ""


@dataclass(frozen=True, slots=True)
class Slip:
    """A request that would be sent.

    Attributes
    ----------
    messages : tuple of Packed
        All messages, oldest first.
    values : tuple of Value
        What the expressions of the prompt gave.
    provider, model, where : str
        The provider, the model and the address.
    options : mapping
        The engine's options.
    left_out : int
        The number of earlier turns that do not fit the limit, and would not be sent.
    notes : tuple of str
        Further remarks, a line each: a price, what is missing, what is suspicious.
    """

    messages: tuple[Packed, ...]
    values: tuple[Value, ...]
    provider: str
    model: str
    where: str
    options: Mapping[str, Any]
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """About how many tokens would be sent."""
        return sum(message.tokens for message in self.messages)

    @property
    def head(self) -> list[str]:
        """What it says before the messages, a line each."""
        options = ", ".join(f"{clean(name, 40)} = {clean(str(value), 40)}" for name, value in self.options.items())
        roles = ", ".join(f"{count} {role}" for role, count in Counter(one.role for one in self.messages).items())
        lines = [
            f"to       {clean(self.provider, 40)} at {clean(self.where) or '(its own address)'}",
            f"model    {clean(self.model, 80) or '(the only one that the server has)'}",
            f"options  {options}" if options else "",
            f"size     {_count(len(self.messages), 'message')} ({roles}), about {self.tokens:,} tokens (an estimate)",
        ]
        if self.left_out:
            lines.append(f"left out {_count(self.left_out, 'earlier turn')}: `%config BerlinMagics.context_limit`")
        for value in self.values:
            about = value.description
            cut = f"; {about.cut}" if about.cut else ""
            size = measured(about.parts)
            lines.append(
                f"value    {clean(value.code, 60)}: {clean(about.kind, 80)}, {about.level}, {size:,} tokens{cut}"
            )
        return [line for line in [*lines, *(f"note     {note}" for note in self.notes)] if line]

    def as_text(self) -> str:
        """Return it as plain text."""
        blocks = ["\n".join(self.head)]
        for message in self.messages:
            shown = [message.named(number) or text for number, text in enumerate(message.texts)]
            blocks.append(f"── {message.role} (about {message.tokens:,} tokens)\n" + "".join(shown))
        return "\n\n".join(blocks)


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def packed(messages: Sequence[Message], measure: Measure = estimate) -> tuple[Packed, ...]:
    """Return messages, as they are sent, in the form of the slip."""
    return tuple(_packed(message, measure) for message in messages)


def _packed(message: Message, measure: Measure) -> Packed:
    content = message["content"]
    parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts, images, files, tokens = [], set(), {}, 0
    for number, part in enumerate(parts):
        match part:
            case {"type": "image_url", "image_url": {"url": text}}:
                images.add(number)
                tokens += _tokens_of_image(str(text))
            case {"type": "file", "file": {"filename": name, "file_data": text}}:
                files[number] = str(name)
                tokens += tokens_of_file(str(text))
            case _:
                text = part.get("text", "")
                tokens += measure(str(text))
        texts.append(str(text))
    return Packed(message["role"], tuple(texts), frozenset(images), tokens, files)


def measured(parts: Sequence[Part], measure: Measure = estimate) -> int:
    """Return about how many tokens the parts of a description have."""
    return sum(
        _tokens_of_image(part.url)
        if isinstance(part, ImagePart)
        else tokens_of_file(part.data)
        if isinstance(part, FilePart)
        else measure(part.text)
        for part in parts
        if isinstance(part, ImagePart | FilePart | TextPart)
    )


def _tokens_of_image(url: str) -> int:
    """Return about how many tokens an image costs; of one that is elsewhere, what a large one costs."""
    head, _, encoded = url.partition(";base64,")
    try:
        found = size_of(base64.b64decode(encoded)) if head.startswith("data:") else None
    except ValueError:
        found = None
    return image_tokens(*found[1:]) if found else _LARGE


_LARGE = 1600  # tokens
