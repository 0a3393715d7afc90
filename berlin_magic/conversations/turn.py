"""A turn: one question and its reply, with the turns before it.

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
"""The state of a turn: being answered; complete; stopped by the user; cut by network or server; not answered."""


_ONLY_IMAGES = "[an image]"
"""The text of a reply of images alone in the context of later questions: no server takes images of an assistant."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """A turn and those before it, as a linked list. Lists of turns that begin alike share their beginning.

    Attributes
    ----------
    id : str
        The turn's id.
    turn : Turn or None
        The turn; None if it is not known here.
    previous : Link or None
        The turn before it, with those before that.
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
"""The pairs of linked lists that were compared, each with whether they are the same."""


@dataclass(eq=False, slots=True)
class Turn:
    """One question and its reply; each is made of parts.

    Attributes
    ----------
    prompt : str
        The question, as the user wrote it.
    question : tuple of Part
        What was sent for the question, if that is more than the prompt: texts and images. Empty otherwise.
    values : tuple of mapping
        The values of the prompt's expressions: ``code``, ``kind`` (the type, with no data), ``level``
        (how much of the value was sent) and ``uses`` (the variables in it, with fingerprints: `quoted_values`).
    before : Link or None
        The turns before it when it was asked; never changed.
    cell, run : str or None
        The id of the cell that asked, if the front end sends it, and which execution of that cell.
    model : str
        The model that was asked.
    wanted : str
        The model as the user named it, with the provider's name in front if it was given; empty for the default.
    finish : Finish
        How it ended.
    id : str
        Unique, for life.
    left_out : int
        How many earlier turns, from the oldest on, did not fit the limit of the context and were not sent.
    stale_before : int
        How many of the earlier turns that were sent are stale: they were answered on an older version of the context.
    system : str
        The system prompt that was sent.
    provider : str
        The name of the provider that was asked.
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
        Whether it comes from a notebook file that the user does not trust: "unsaid" until a message says so, then
        "said"; empty for turns that were asked here, or come from a file that is trusted or was named.
    replayed_from : str
        The name of the file or conversation in which the stored reply was found.
    changed_before : str
        The variables, with commas between them, that had changed since earlier turns that were sent had quoted them.
    reason : str
        The engine's reason for the end of the reply, in its own word (`messages.Finish`); empty if it gave none.
    prompt_tokens, completion_tokens : int or None
        The tokens that the engine counted.
    cost : str
        The price, as text; empty if it is not known. It is not recorded with the turn.
    begun, ended : float or None
        Seconds since the epoch, given by the caller.
    check : mapping
        The result of a check of the reply's code: ``check``, ``code``, ``verdict``, ``said``, ``seconds``; JSON.
    alone : bool
        Whether only the question itself is sent, as the server has its context.
    given : tuple of Message or None
        The messages of a turn that was imported, not asked; None otherwise.
    parts : tuple of Part
        The reply so far: text, reasoning, tool calls, in the order of arrival.
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
    _open: list[str] = field(default_factory=list, repr=False)  # new texts of the last part; joined when it is read
    _length: int = field(default=0, repr=False)
    _messages: tuple[Message, ...] | None = field(default=None, repr=False)
    _link: Link | None = field(default=None, repr=False)

    @property
    def link(self) -> Link:
        """The linked list that ends with this turn: the context of a question right after it."""
        if self._link is None:
            self._link = Link(self.id, self, self.before)
        return self._link

    @property
    def chain(self) -> tuple[str, ...]:
        """The ids of the turns before it when it was asked, oldest first."""
        links = [] if self.before is None else [link.id for link in self.before.backwards()]
        return tuple(reversed(links))

    @property
    def uses(self) -> dict[str, str]:
        """The variables that its prompt quotes, with their fingerprints."""
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
        """The model's reasoning, if the provider shows it; it is not part of any context."""
        return "".join([part.text for part in self.parts if isinstance(part, ReasoningPart)])

    def take(self, event: Event) -> None:
        """Add an event to the turn. Adding text takes time for that text alone, however long the reply is."""
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
        """Add `text` to the last part if it is of that `kind`, else to a new part."""
        last = self._parts[-1] if self._parts else None
        closed = isinstance(last, ReasoningPart) and last.signature
        if not isinstance(last, kind) or closed:
            self.parts  # noqa: B018 - joins the texts of the part before
            self._parts.append(kind(""))
        self._open.append(text)

    def _append(self, event: messages.Image | messages.ToolCall) -> None:
        if isinstance(event, messages.ToolCall):
            self.parts = (*self.parts, ToolCallPart(event.id, event.name, event.arguments))
        elif (image := ImagePart(event.url)) not in self.parts:  # some servers repeat it at the end
            self.parts = (*self.parts, image)

    @property
    def asked(self) -> list[Message]:
        """The messages of its request: the system prompt, those of earlier turns, then the question."""
        return self.asked_within("full")

    @property
    def content(self) -> Content:
        """The content of the question's message; if the values of the prompt are not known here, it says so."""
        if self.question:
            return content_of(self.question)
        return self._without_values("value not in this file") if self.values else self.prompt

    def asked_within(self, limit: str) -> list[Message]:
        """Return the messages of its request, without values of earlier prompts that are above a level.

        Parameters
        ----------
        limit : str
            ``schema``, ``sample`` or ``full``.
        """
        first: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        earlier = [message for turn in self.sent_before() for message in turn._context_within(limit)]  # noqa: SLF001
        return [*first, *copied(tuple(earlier)), {"role": "user", "content": self.content}]

    def _context_within(self, limit: str) -> tuple[Message, ...]:
        own = self.context_messages
        kept = {"schema"} if limit == "schema" else {"schema", "sample"}
        fits = limit == "full" or all(value.get("level") in kept for value in self.values)
        if not own or self.given is not None or fits:
            return own
        return ({"role": "user", "content": self._without_values("value not sent")}, *own[1:])

    def _without_values(self, why: str) -> str:
        about = [(value.get("code", ""), value.get("kind", "")) for value in self.values]
        names = [f"[{code}: {kind}, {why}]" if kind else f"[{code}: {why}]" for code, kind in about]
        return "\n".join([self.prompt, *names])

    @property
    def messages(self) -> list[Message]:
        """The messages that it adds to the context of later turns; none if it was not answered at all."""
        return copied(self.context_messages)

    @property
    def context_messages(self) -> tuple[Message, ...]:
        """The same as `messages`, shared by all callers, which must not change it: it is in memory once."""
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
        """Return a copy for another conversation, with no cell; if the turn is running, the copy is cut."""
        finish: Finish = "cut" if self.finish == "running" else self.finish
        copy = replace(self, cell=None, finish=finish, _parts=[], _open=[], _length=0, _messages=None, _link=None)
        copy.parts = self.parts
        return copy

    def extends(self, parent: Turn) -> bool:
        """Say whether its context is `parent` and exactly the context of `parent`."""
        return self.before is not None and self.before.id == parent.id and self.before.previous is parent.before


def same_chain(one: Link | None, other: Link | None, known: Compared) -> bool:
    """Say whether two lists of turns are the same: the same turns, or others with the same text.

    Results are kept in `known`, so that comparing a whole conversation takes one step a turn.
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
    return one.turn is not None and other.turn is not None and one.turn.context_messages == other.turn.context_messages


def copied(messages: tuple[Message, ...]) -> list[Message]:
    """Return messages that the caller may change."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]
