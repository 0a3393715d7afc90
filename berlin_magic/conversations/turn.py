"""A turn: one question and its reply, with what it was asked on.

Pure: no network, kernel or clock.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal

from berlin_magic import messages
from berlin_magic.conversations.quoted_values import uses_in
from berlin_magic.errors import clean
from berlin_magic.messages import (
    Content,
    Event,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    content_of,
)

__all__ = ["Compared", "Finish", "Link", "Turn", "copied", "same_chain"]

Finish = Literal["running", "complete", "stopped", "cut", "failed"]
"""How a turn stands: being answered; answered whole; stopped by the user; cut by network or server; not answered."""


_ONLY_IMAGES = "[an image]"
"""What a reply without words is in the context of later questions: no server takes images of an assistant."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """A turn and what stood before it. Lists of turns that begin alike share their beginning.

    Attributes
    ----------
    id : str
        The turn's id.
    turn : Turn or None
        The turn; None if it is not known here.
    previous : Link or None
        What stood before it.
    length : int
        How many turns that makes.
    """

    id: str
    turn: Turn | None = field(repr=False)
    previous: Link | None = field(default=None, repr=False)
    length: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", 1 if self.previous is None else self.previous.length + 1)

    def backwards(self) -> Iterator[Link]:
        """Yield this link and those before it, the newest first."""
        link: Link | None = self
        while link is not None:
            yield link
            link = link.previous


Compared = MutableMapping[tuple[Link | None, Link | None], bool]
"""Which rows of turns were found to be the same, and which not."""


@dataclass(eq=False, slots=True)
class Turn:
    """One question and its reply; each is made of parts.

    Attributes
    ----------
    prompt : str
        The question, as the user wrote it.
    question : tuple of Part
        What was sent for it, if that is not just the prompt: texts and images. Empty otherwise.
    values : tuple of mapping
        What the expressions of the prompt gave: ``code``, ``kind`` (what it is, with none of its data), ``level``
        (how much of it was sent) and ``uses`` (the variables that it was made of, with fingerprints: `quoted_values`).
    before : Link or None
        The turns that stood before it when it was asked; never rewritten.
    cell, run : str or None
        The id of the cell that asked, if the front end sends it, and which execution of that cell.
    model : str
        The model that was asked.
    wanted : str
        The same as it was asked for, the provider's name in front if it was given; empty for the usual one.
    finish : Finish
        How it ended.
    id : str
        Unique, for life.
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
        The id under which the server keeps the conversation, if it does.
    replayed : bool
        Whether the reply was taken from the store.
    edited : bool
        Whether it comes from a notebook file whose cell has another question by now.
    from_file : str
        Whether it comes from a notebook file that the user has not vouched for: "unsaid" until the user has been told,
        then "said"; empty for what was asked here, named or trusted.
    replayed_from : str
        Where the stored reply was found.
    changed_before : str
        The variables, with commas between them, that had changed since earlier turns that were sent had quoted them.
    reason : str
        Why the engine ended the reply, in its own word (`messages.Finish`); empty if it gave none.
    prompt_tokens, completion_tokens : int or None
        What the engine counted.
    cost : str
        What it has cost, in money; empty if that is not known. It is not recorded with the turn.
    begun, ended : float or None
        Seconds since the epoch, given by the caller.
    check : mapping
        What a check of the reply's code found: ``check``, ``code``, ``verdict``, ``said``, ``seconds``; JSON.
    alone : bool
        Whether only the question itself is sent, as the server has its context.
    given : tuple of Message or None
        For what was imported and not asked: its messages, as they were.
    parts : tuple of Part
        The reply so far: text, reasoning, calls of tools, in the order in which they came.
    """

    prompt: str
    before: Link | None = field(default=None, repr=False)
    cell: str | None = None
    run: str | None = None
    model: str = ""
    wanted: str = field(default="", kw_only=True)
    finish: Finish = "running"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    left_out: int = 0
    stale_before: int = 0
    system: str = ""
    provider: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    request: str = field(default="", repr=False)
    server: str = ""
    replayed: bool = False
    edited: bool = False
    from_file: str = field(default="", kw_only=True)
    replayed_from: str = field(default="", kw_only=True)
    changed_before: str = field(default="", kw_only=True)
    reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: str = field(default="", kw_only=True)
    begun: float | None = None
    ended: float | None = None
    given: tuple[Message, ...] | None = None
    alone: bool = field(default=False, repr=False)
    question: tuple[Part, ...] = field(default=(), kw_only=True, repr=False)
    values: tuple[Mapping[str, Any], ...] = field(default=(), kw_only=True, repr=False)
    check: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, kw_only=True, repr=False)
    _parts: list[Part] = field(default_factory=list, repr=False)
    _open: list[str] = field(default_factory=list, repr=False)  # what the last part grows by; joined when it is read
    _length: int = field(default=0, repr=False)
    _messages: tuple[Message, ...] | None = field(default=None, repr=False)
    _link: Link | None = field(default=None, repr=False)

    @property
    def link(self) -> Link:
        """It, and what it was asked on: what a question right after it is asked on."""
        if self._link is None:
            self._link = Link(self.id, self, self.before)
        return self._link

    @property
    def chain(self) -> tuple[str, ...]:
        """The ids of the turns that stood before it when it was asked, oldest first."""
        links = [] if self.before is None else [link.id for link in self.before.backwards()]
        return tuple(reversed(links))

    @property
    def uses(self) -> dict[str, str]:
        """The variables that its prompt has quoted, with their fingerprints."""
        return uses_in(self.values)

    def sent_before(self) -> list[Turn]:
        """Return the earlier turns that were sent with it, oldest first."""
        if self.before is None:
            return []
        sent = max(self.before.length - self.left_out, 0)
        turns = [link.turn for link in islice(self.before.backwards(), sent) if link.turn is not None]
        return turns[::-1]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The reply so far."""
        if self._open:
            last = self._parts[-1]
            assert isinstance(last, TextPart | ReasoningPart)  # noqa: S101 - only these grow
            self._parts[-1] = replace(last, text=last.text + "".join(self._open))
            self._open.clear()
        return tuple(self._parts)

    @parts.setter
    def parts(self, parts: Iterable[Part]) -> None:
        self._parts, self._open, self._messages = list(parts), [], None
        self._length = sum(len(part.text) for part in self._parts if isinstance(part, TextPart))

    @property
    def reply(self) -> str:
        """The text of the reply so far."""
        return "".join([part.text for part in self.parts if isinstance(part, TextPart)])

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The images of the reply so far."""
        return tuple(part for part in self.parts if isinstance(part, ImagePart))

    @property
    def length(self) -> int:
        """Characters of the reply's text so far."""
        return self._length

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, if the provider shows it; it is not part of any context."""
        return "".join([part.text for part in self.parts if isinstance(part, ReasoningPart)])

    def take(self, event: Event) -> None:
        """Add what an event brings; a text costs its own length, however long the reply is."""
        match event:
            case messages.Text():
                if event.text:
                    self._grow(TextPart, event.text)
                    self._length += len(event.text)
            case messages.Reasoning():
                self._grow(ReasoningPart, event.text)
                if event.signature:
                    part = self.parts[-1]
                    assert isinstance(part, ReasoningPart)  # noqa: S101 - it was just added
                    self._parts[-1] = replace(part, signature=event.signature)
            case messages.TextWasReasoning():
                self.parts = [*([ReasoningPart(self.reply)] if self.length else []), *self.images]
            case messages.Image() | messages.ToolCall():
                self._append(event)
            case messages.Usage():
                self.prompt_tokens, self.completion_tokens = event.prompt_tokens, event.completion_tokens
            case messages.Finish():
                self.reason = clean(event.reason, 40)
            case messages.Started():
                self.provider, self.model = event.provider, event.model

    def _grow(self, kind: type[TextPart | ReasoningPart], text: str) -> None:
        """Let the last part grow if it is of that `kind`; else begin another."""
        last = self._parts[-1] if self._parts else None
        closed = isinstance(last, ReasoningPart) and last.signature
        if not isinstance(last, kind) or closed:
            self.parts  # noqa: B018 - joins what the part before has grown by
            self._parts.append(kind(""))
        self._open.append(text)

    def _append(self, event: messages.Image | messages.ToolCall) -> None:
        if isinstance(event, messages.ToolCall):
            self.parts = (*self.parts, ToolCallPart(event.id, event.name, event.arguments))
        elif (image := ImagePart(event.url)) not in self.parts:  # some servers repeat it at the end
            self.parts = (*self.parts, image)

    @property
    def asked(self) -> list[Message]:
        """The messages that are sent for it: the system prompt, those of earlier turns, then the question."""
        return self.asked_within("full")

    @property
    def content(self) -> Content:
        """The content of the question's message; where the values of the prompt are not known here, it says so."""
        if self.question:
            return content_of(self.question)
        return self._without_values("value not in this file") if self.values else self.prompt

    def asked_within(self, limit: str) -> list[Message]:
        """Return the messages that are sent for it at a level: earlier values of more than that are left out.

        Parameters
        ----------
        limit : str
            ``schema``, ``sample`` or ``full``.
        """
        first: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        earlier = [message for turn in self.sent_before() for message in turn._standing_within(limit)]  # noqa: SLF001
        return [*first, *copied(tuple(earlier)), {"role": "user", "content": self.content}]

    def _standing_within(self, limit: str) -> tuple[Message, ...]:
        standing = self.standing
        kept = {"schema"} if limit == "schema" else {"schema", "sample"}
        fits = limit == "full" or all(value.get("level") in kept for value in self.values)
        if not standing or self.given is not None or fits:
            return standing
        return ({"role": "user", "content": self._without_values("value not sent")}, *standing[1:])

    def _without_values(self, why: str) -> str:
        about = [(value.get("code", ""), value.get("kind", "")) for value in self.values]
        names = [f"[{code}: {kind}, {why}]" if kind else f"[{code}: {why}]" for code, kind in about]
        return "\n".join([self.prompt, *names])

    @property
    def messages(self) -> list[Message]:
        """What it adds to the context of later turns: nothing if it was not answered at all."""
        return copied(self.standing)

    @property
    def standing(self) -> tuple[Message, ...]:
        """The same, shared by all callers, which must not change it: a long conversation holds it once."""
        if self.given is not None:
            return self.given
        if self.finish == "running" or not (self._length or self.images):
            return ()
        if self._messages is None:  # a turn that has ended does not change any more
            self._messages = (
                {"role": "user", "content": self.content},
                {"role": "assistant", "content": self.reply or _ONLY_IMAGES},
            )
        return self._messages

    def copied(self) -> Turn:
        """Return the same turn for another conversation, in no cell; if it is being answered, cut off there."""
        finish: Finish = "cut" if self.finish == "running" else self.finish
        copy = replace(self, cell=None, finish=finish, _parts=[], _open=[], _length=0, _messages=None, _link=None)
        copy.parts = self.parts
        return copy

    def extends(self, parent: Turn) -> bool:
        """Say whether it was asked on `parent` and on exactly what `parent` had been asked on."""
        return self.before is not None and self.before.id == parent.id and self.before.previous is parent.before


def same_chain(one: Link | None, other: Link | None, known: Compared) -> bool:
    """Say whether two rows of turns are the same: the same turns, or others with the same text.

    What it finds out on the way is kept in `known`, so that comparing a whole conversation takes one step a turn.
    """
    passed = []
    same = True
    while one is not other:
        if (one, other) in known:
            same = known[one, other]
            break
        if one is None or other is None or one.length != other.length or not _same_text(one, other):
            same = False
            break
        passed.append((one, other))
        one, other = one.previous, other.previous
    known.update(dict.fromkeys(passed, same))
    return same


def _same_text(one: Link, other: Link) -> bool:
    if one.id == other.id:
        return True
    return one.turn is not None and other.turn is not None and one.turn.standing == other.turn.standing


def copied(messages: tuple[Message, ...]) -> list[Message]:
    """Return messages that the caller may change."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]
