"""A conversation that arrives as one labelled prompt, read back into its messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from berlin_magic.server.engine import Message

__all__ = ["messages_in", "unfolded"]

# The protocol has room for one prompt, so its clients send a whole conversation as "System: …\n\nUser: …\n\n
# Assistant: …\n\nUser: …\n\nAssistant:". Ours puts a blank line between (berlin_magic.messages.flatten); others
# of the family put a single line break.
_ROLES = "System|Developer|User|Assistant|Tool"
_AFTER_BLANK_LINE = re.compile(rf"(?:\A|\n[ \t]*\r?\n)({_ROLES}):(?=\s|\Z)")
_AT_LINE_START = re.compile(rf"(?:\A|\n)({_ROLES}):(?=\s|\Z)")


def messages_in(prompt: str) -> list[Message]:
    """Return the messages that `prompt` holds: several where it is a labelled conversation, else itself.

    It is one where it begins with a label and ends with an open ``Assistant:`` for the reply. Labels count after a
    blank line, and only where that does not make a conversation, at any beginning of a line.
    """
    text = prompt.strip()
    for label in (_AFTER_BLANK_LINE, _AT_LINE_START):
        found = list(label.finditer(text))
        if len(found) > 1 and found[0].start() == 0 and found[-1][1] == "Assistant" and found[-1].end() == len(text):
            ends = [match.start() for match in found[1:]]
            return [
                {"role": match[1].lower(), "content": text[match.end() : end].strip()}
                for match, end in zip(found, ends, strict=False)
            ]
    return [{"role": "user", "content": prompt}]


def unfolded(messages: Sequence[Message]) -> list[Message]:
    """Return `messages` with each labelled prompt among them replaced by the messages that it holds.

    A labelled prompt holds a conversation from its beginning, so what was said before it is left out: a server that
    keeps the context itself would report it twice.
    """
    result: list[Message] = []
    for message in messages:
        inside = messages_in(str(message.get("content") or "")) if message.get("role") == "user" else [message]
        result = inside if len(inside) > 1 else [*result, message]
    return result
