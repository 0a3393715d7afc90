"""A turn: one question and its answer, as it was asked; pure, with no network, kernel or clock."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from berlin_magic import messages
from berlin_magic.errors import clean
from berlin_magic.messages import Event, Message

__all__ = ["Finish", "Turn"]

Finish = Literal["running", "complete", "stopped", "cut", "failed"]
"""How a turn stands: being answered; answered whole; stopped by the user; cut by network or server; not answered."""


@dataclass(eq=False)
class Turn:
    """One question and its answer.

    Attributes
    ----------
    prompt : str
        The question.
    context : tuple of Message
        What was sent before it when it was asked: the system prompt, then the messages of earlier turns.
    cell, run : str or None
        The id of the cell that asked, where the front end tells it, and which execution of that cell.
    model : str
        The model that was asked.
    wanted : str
        The same as it was asked for, the provider's name in front where it was given; empty for the usual one.
    finish : Finish
        How it ended.
    id : str
        Unique, for life.
    chain : tuple of str
        The ids of the turns that stood before it when it was asked, oldest first; never rewritten.
    left_out : int
        So many of them, from the oldest on, did not fit the budget and were not sent.
    stale_before : int
        So many of those that were sent had themselves been answered on an older version.
    system : str
        The system prompt that was sent.
    provider : str
        Who was asked.
    options : dict
        The engine's options that were given with the question; JSON.
    request : str
        The digest of the whole request, by which a stored reply is found again (`replay.digest`).
    server : str
        The id under which the server keeps the conversation, where it does.
    replayed : bool
        Whether the reply was taken from the store.
    edited : bool
        Whether it comes from a notebook file whose cell has another question by now.
    reason : str
        Why the engine ended the reply, in its own word (`events.Finish`); empty where it did not tell.
    prompt_tokens, completion_tokens : int or None
        What the engine counted.
    begun, ended : float or None
        Seconds since the epoch, from whoever has a clock.
    alone : bool
        Whether only the question itself is sent, as the server has its context.
    given : tuple of Message or None
        For what was imported and not asked: its messages, as they were.
    """

    prompt: str
    context: tuple[Message, ...] = ()
    cell: str | None = None
    run: str | None = None
    model: str = ""
    wanted: str = field(default="", kw_only=True)
    finish: Finish = "running"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    chain: tuple[str, ...] = field(default=(), repr=False)
    left_out: int = 0
    stale_before: int = 0
    system: str = ""
    provider: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    request: str = field(default="", repr=False)
    server: str = ""
    replayed: bool = False
    edited: bool = False
    reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    begun: float | None = None
    ended: float | None = None
    given: tuple[Message, ...] | None = None
    alone: bool = field(default=False, repr=False)
    _pieces: list[str] = field(default_factory=list, repr=False)
    _length: int = field(default=0, repr=False)
    _thoughts: list[str] = field(default_factory=list, repr=False)
    _messages: tuple[Message, ...] | None = field(default=None, repr=False)
    _extends: bool | None = field(default=None, repr=False)

    @property
    def reply(self) -> str:
        """The answer so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def length(self) -> int:
        """Characters of the answer so far."""
        return self._length

    def add(self, piece: str) -> None:
        """Append `piece` to the reply; pieces are joined when read, so that a long reply costs its length."""
        self._pieces.append(piece)
        self._length += len(piece)

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, where it tells; no part of the reply, nor of any context."""
        if len(self._thoughts) > 1:
            self._thoughts = ["".join(self._thoughts)]
        return self._thoughts[0] if self._thoughts else ""

    def take(self, event: Event) -> None:
        """Take note of what came besides the reply's text."""
        match event:
            case messages.Reasoning():
                self._thoughts.append(event.text)
            case messages.Usage():
                self.prompt_tokens, self.completion_tokens = event.prompt_tokens, event.completion_tokens
            case messages.Finish():
                self.reason = clean(event.reason, 40)

    @property
    def asked(self) -> list[Message]:
        """The messages that are sent for it: the context, then the question."""
        return [*copied(self.context), {"role": "user", "content": self.prompt}]

    @property
    def messages(self) -> list[Message]:
        """What it adds to the context of later turns: nothing where it was not answered at all."""
        return copied(self.standing)

    @property
    def standing(self) -> tuple[Message, ...]:
        """The same, shared between all who ask for it and so not to be changed: a long conversation holds it once."""
        if self.given is not None:
            return self.given
        if self.finish == "running" or not self._length:
            return ()
        if self._messages is None:  # a turn that has ended does not change any more
            self._messages = (
                {"role": "user", "content": self.prompt},
                {"role": "assistant", "content": self.reply},
            )
        return self._messages

    def extends(self, parent: Turn) -> bool:
        """Say whether it was asked on `parent` and on exactly what `parent` had been asked on."""
        if not self.chain or self.chain[-1] != parent.id:
            return False
        if self._extends is None:  # chains never change, and comparing them all for each question is the square of them
            self._extends = self.chain[:-1] == parent.chain
        return self._extends


def copied(messages: tuple[Message, ...]) -> list[Message]:
    """Return messages that the caller may change."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]
