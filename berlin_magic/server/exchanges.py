"""What came with a question: the system prompt and the earlier questions and answers, read and reported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from berlin_magic.server.engine import Message
from berlin_magic.server.transcript import unfolded

__all__ = ["Context", "Exchange", "excerpt", "report", "summary", "understood"]

_LISTED = 12


class Exchange(NamedTuple):
    """One earlier question and its answer, which is empty where none was sent."""

    question: str
    answer: str


class Context(NamedTuple):
    """What was sent besides the question itself.

    Attributes
    ----------
    system : tuple of str
        The system prompts.
    earlier : tuple of Exchange
        Oldest first.
    messages : int
        How many messages came before the question, system prompts not counted.
    """

    system: tuple[str, ...]
    earlier: tuple[Exchange, ...]
    messages: int


def understood(messages: Sequence[Message]) -> tuple[str, Context]:
    """Return the last question of `messages` and its context; labelled prompts are read as conversations."""
    plain = [(str(message.get("role")), str(message.get("content") or "")) for message in unfolded(messages)]
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
    """Return the beginning of `text` as a code span on one line: whatever is in it is shown and does nothing."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[:limit].rsplit(" ", 1)[0] + " …"
    fence = "`" * (max(map(len, re.findall(r"`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}" if line else "(nothing)"


def report(question: str, context: Context) -> str:
    """Return the answer to a `question` about what was asked before, or about what was sent."""
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
    """Return what came with a question in half a sentence."""
    said = _count(context.messages)
    if context.earlier:
        said += f", the first {excerpt(context.earlier[0].question, 50)}"
    return f"{said}; and a system prompt, which the guide cannot follow" if context.system else said


def _count(messages: int) -> str:
    return f"{messages or 'no'} earlier message{'s' if messages > 1 else ''}"


def _listed(earlier: Sequence[Exchange]) -> str:
    """Return the exchanges, numbered; where there are many, only the first and the newest are listed."""
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
