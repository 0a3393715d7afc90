"""Read the context that was sent with a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from berlin_magic.messages import AnyMessage

__all__ = ["Context", "Exchange", "excerpt", "messages_in", "question_and_context", "report", "summary", "unflattened"]

# The protocol has room for one prompt, so its clients send a whole conversation as "System: …\n\nUser: …\n\n
# Assistant: …\n\nUser: …\n\nAssistant:". Ours puts a blank line between (berlin_magic.messages.flatten); others
# of the family put a single line break.
_ROLES = "System|Developer|User|Assistant|Tool"
_AFTER_BLANK_LINE = re.compile(rf"(?:\A|\n[ \t]*\r?\n)({_ROLES}):(?=\s|\Z)")
_AT_LINE_START = re.compile(rf"(?:\A|\n)({_ROLES}):(?=\s|\Z)")


def messages_in(prompt: str) -> list[AnyMessage]:
    """Return the messages that `prompt` holds: several if it is a labelled conversation, else itself.

    A labelled conversation begins with a label and ends with ``Assistant:``, for the reply. Labels count after a blank
    line; if that is not a conversation, at the beginning of any line.
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


def unflattened(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return `messages` with each labelled prompt among them replaced by the messages that it holds.

    A labelled prompt holds a conversation from its beginning, so what was said before it is left out: a server that
    keeps the context itself would report it twice.
    """
    result: list[AnyMessage] = []
    for message in messages:
        inside = messages_in(str(message.get("content") or "")) if message.get("role") == "user" else [message]
        result = inside if len(inside) > 1 else [*result, message]
    return result


_LISTED = 12


class Exchange(NamedTuple):
    """One earlier question and its answer, which is empty if none was sent."""

    question: str
    answer: str


class Context(NamedTuple):
    """The messages that were sent with a question.

    Attributes
    ----------
    system : tuple of str
        The system prompts.
    earlier : tuple of Exchange
        Oldest first.
    messages : int
        The number of messages before the question, without system prompts.
    """

    system: tuple[str, ...]
    earlier: tuple[Exchange, ...]
    messages: int


def question_and_context(messages: Sequence[AnyMessage]) -> tuple[str, Context]:
    """Return the last question of `messages` and its context; labelled prompts are read as conversations."""
    plain = [(str(message.get("role")), str(message.get("content") or "")) for message in unflattened(messages)]
    asked = [place for place, (role, _) in enumerate(plain) if role == "user"]
    question, before = (plain[asked[-1]][1], plain[: asked[-1]]) if asked else ("", plain)
    earlier: list[Exchange] = []
    for role, content in before:
        if role == "user":
            earlier.append(Exchange(content, ""))
        elif role == "assistant" and earlier and not earlier[-1].answer:
            earlier[-1] = Exchange(earlier[-1].question, content)
    system = tuple(content for role, content in plain if role in {"system", "developer"})
    count = sum(role not in {"system", "developer"} for role, _ in before)
    return question, Context(system, tuple(earlier), count)


def excerpt(text: str, limit: int = 90) -> str:
    """Return the beginning of `text` as a code span on one line: Markdown in it has no effect."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[:limit].rsplit(" ", 1)[0] + " …"
    fence = "`" * (max(map(len, re.findall(r"`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}" if line else "(nothing)"


def report(question: str, context: Context) -> str:
    """Return the answer to a `question` about earlier questions or about the context."""
    system = [f"The system prompt is {excerpt(prompt)}." for prompt in context.system]
    if re.search(r"system\s+(?:prompt|message)", question, re.IGNORECASE) and not system:
        system = ["No system prompt was sent."]
    if not context.earlier:
        return "\n\n".join([*system, "No earlier message came with this question: nothing was asked before it."])
    if re.search(r"\bfirst\b", question, re.IGNORECASE):
        lead = f"Your first question was {excerpt(context.earlier[0].question)}."
    elif re.search(r"\b(?:last|previous|before|just|ask(?:ed)?|said|say)\b", question, re.IGNORECASE):
        lead = f"Your previous question was {excerpt(context.earlier[-1].question)}."
    else:
        lead = f"{_count(context.messages).capitalize()} came with this question."
    return "\n\n".join([lead, *system, "What came before it, oldest first:", _listed(context.earlier)])


def summary(context: Context) -> str:
    """Return a summary of the context, as a part of a sentence."""
    said = _count(context.messages)
    if context.earlier:
        said += f", the first {excerpt(context.earlier[0].question, 50)}"
    return f"{said}; and a system prompt, which the guide cannot follow" if context.system else said


def _count(messages: int) -> str:
    return f"{messages or 'no'} earlier message{'s' if messages > 1 else ''}"


def _listed(earlier: Sequence[Exchange]) -> str:
    """Return the exchanges, numbered; if there are many, only the first and the newest are listed."""
    left_out = max(len(earlier) - _LISTED, 0)
    lines: list[str] = []
    for number, exchange in enumerate(earlier, 1):
        if 1 < number <= 1 + left_out:
            continue
        lines.append(f"{number}. You asked {excerpt(exchange.question)}")
        answered = f"the answer began {excerpt(exchange.answer, 60)}" if exchange.answer else "with no answer"
        lines.append(f"   - {answered}")
        if number == 1 and left_out:
            lines.append(f"   - then {left_out} more, not listed here")
    return "\n".join(lines)
