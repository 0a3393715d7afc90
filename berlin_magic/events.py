"""What a reply brings besides its text: the model's reasoning, what it cost, why it ended, what is being waited for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event", "Finish", "Notice", "Reasoning", "Usage"]


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
