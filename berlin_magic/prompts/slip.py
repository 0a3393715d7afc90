"""The packing slip: what would be sent for a question, and where."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.conversations.context_window import Measure, estimate
from berlin_magic.errors import clean
from berlin_magic.messages import ImagePart, Message, Part, TextPart
from berlin_magic.prompts.compose import Value
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
        What is sent, in order; of an image, its address.
    images : frozenset of int
        Which of the `texts` are images.
    tokens : int
        About how many tokens it has.
    """

    role: str
    texts: tuple[str, ...] = field(repr=False)
    images: frozenset[int]
    tokens: int


@dataclass(frozen=True, slots=True)
class Slip:
    """What would be sent.

    Attributes
    ----------
    messages : tuple of Packed
        All messages, oldest first.
    values : tuple of Value
        What the expressions of the prompt gave.
    provider, model, where : str
        Who would be asked, for what, and at which address.
    options : mapping
        The engine's options.
    left_out : int
        So many earlier turns do not fit the limit, and would not be sent.
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
            shown = [
                f"[image, {len(text):,} bytes as text]" if number in message.images else text
                for number, text in enumerate(message.texts)
            ]
            blocks.append(f"── {message.role} (about {message.tokens:,} tokens)\n" + "".join(shown))
        return "\n\n".join(blocks)


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def packed(messages: Sequence[Message], measure: Measure = estimate) -> tuple[Packed, ...]:
    """Return messages, as they are sent, in the form of the slip."""
    found = []
    for message in messages:
        content = message["content"]
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        images = frozenset(number for number, part in enumerate(parts) if part.get("type") == "image_url")
        texts = tuple(
            str(part["image_url"]["url"]) if number in images else str(part.get("text", ""))
            for number, part in enumerate(parts)
        )
        tokens = sum(_tokens_of_image(text) if number in images else measure(text) for number, text in enumerate(texts))
        found.append(Packed(message["role"], texts, images, tokens))
    return tuple(found)


def measured(parts: Sequence[Part], measure: Measure = estimate) -> int:
    """Return about how many tokens the parts of a description have."""
    return sum(
        _tokens_of_image(part.url) if isinstance(part, ImagePart) else measure(part.text)
        for part in parts
        if isinstance(part, ImagePart | TextPart)
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
