"""Replay: stored replies of a conversation or a file, by the digests of their requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, cast, get_args

from berlin_magic.conversations import export
from berlin_magic.conversations.quoted_values import changed
from berlin_magic.conversations.serialization import Record
from berlin_magic.conversations.turn import Link, Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.errors import ReplayFileError
from berlin_magic.messages import Message, text_in

__all__ = ["OWN", "Digests", "Mode", "Replays", "StoredReply", "digest", "mode_of", "replays_from"]

Mode = Literal["off", "auto", "only"]
"""``off``: always ask; ``auto``: ask if no reply is stored; ``only``: never ask."""


OWN = ("this conversation", "this notebook")
"""The sources of stored replies that are the user's own, not a file that they have named."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A stored reply: its text, model, provider and source, the variables in its question, and why it ended."""

    text: str
    model: str = ""
    provider: str = ""
    found_in: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = field(default=(), repr=False)
    reason: str = ""


def mode_of(text: str) -> Mode:
    """Return `text` as a mode; ValueError if it is not one."""
    if text not in get_args(Mode):
        raise ValueError(f"replay is one of {', '.join(get_args(Mode))}, not {text!r:.40}")
    return cast("Mode", text)


def digest(messages: Iterable[Message], model: str | None = None, options: Mapping[str, Any] | None = None) -> str:
    """Return the digest of a request: the same request has the same digest everywhere.

    Parameters
    ----------
    messages : iterable of Message
        The context and the question.
    model : str, optional
        The model by its name, "" if the user names none. None if it is not known, as in a plain list of
        messages: such a digest is never equal to one with a model.
    options : mapping, optional
        Options of the engine; None for a value means not given.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    request = [[[message["role"], message["content"]] for message in messages], model, given]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class Digests:
    """The digests of successive requests of a conversation; messages that were digested before are not read again.

    The JSON that `digest` digests begins with the messages, so that the state after the earlier ones can be kept.
    """

    def __init__(self) -> None:
        self._system: str | None = None
        self._link: Link | None = None
        self._state = hashlib.sha256()
        self._count = 0

    def of(self, turn: Turn, model: str) -> str:
        """Return `digest` of the turn's request."""
        before = turn.before
        if before is None or turn.left_out:
            return digest(turn.asked, model, turn.options)
        new = list(takewhile(lambda link: link is not self._link, before.backwards()))
        if self._system != turn.system or len(new) == before.length:
            new = list(before.backwards())
            self._system, self._state, self._count = turn.system, hashlib.sha256(b"[["), 0
            self._add([{"role": "system", "content": turn.system}] if turn.system else [])
        for link in reversed(new):
            self._add(() if link.turn is None else link.turn.context_messages)
        self._link = before
        state = self._state.copy()
        given = {name: value for name, value in turn.options.items() if value is not None}
        rest = json.dumps([[["user", turn.content]], model, given], sort_keys=True).removeprefix("[[")
        state.update(f"{', ' * bool(self._count)}{rest}".encode())
        return state.hexdigest()

    def _add(self, messages: Iterable[Message]) -> None:
        for message in messages:
            text = json.dumps([message["role"], message["content"]], sort_keys=True)
            self._state.update(f"{', ' * bool(self._count)}{text}".encode())
            self._count += 1


class Replays:
    """Stored replies by the digests of their requests; `found_in` names their source."""

    def __init__(self, found_in: str = "this notebook") -> None:
        self._found_in = found_in
        self._replies: dict[str, dict[tuple[tuple[str, str], ...], StoredReply]] = {}
        self._uses: dict[str, Mapping[str, str]] = {}

    def add(self, request: str, reply: StoredReply) -> None:
        """Add a reply; it replaces an earlier one to the same request with the same data."""
        known = self._replies.setdefault(request, {})
        data = tuple(sorted(reply.uses.items()))
        known.pop(data, None)
        known[data] = reply

    def add_turns(self, turns: Iterable[Turn]) -> None:
        """Add the replies of the complete turns, except those from a file that the user does not trust."""
        for turn in turns:
            images = tuple(image.url for image in turn.images)
            if turn.finish == "complete" and turn.request and (turn.length or images) and not turn.from_file:
                uses = turn.uses
                self._uses[turn.prompt] = uses
                origin = self._origin(turn)
                reply = StoredReply(turn.reply, turn.model, turn.provider, origin, uses, images, turn.reason)
                self.add(turn.request, reply)

    def _origin(self, turn: Turn) -> str:
        """Return the source of a reply: for one that was replayed from a file, that file."""
        is_of_file = self._found_in in OWN and turn.replayed_from not in {"", *OWN}
        return turn.replayed_from if is_of_file else self._found_in

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Add the replies in a plain list of messages; it has no model and no options, so these are not compared."""
        before: list[Message] = []
        for message in messages:
            if message["role"] == "assistant":
                self.add(digest(before), StoredReply(text_in(message["content"]), found_in=self._found_in))
            before.append(message)

    def find(
        self, messages: Iterable[Message], request: str, uses: Mapping[str, str] | None = None
    ) -> StoredReply | None:
        """Return the stored reply to a request, if the variables in its question have not changed."""
        for stored in (self._replies.get(request), self._replies.get(digest(messages))):
            for reply in reversed((stored or {}).values()):
                if not changed(reply.uses, (uses or {}).get):
                    return reply
        return None

    def changed_since(self, turn: Turn) -> list[str]:
        """Return the variables that have changed since the same question was last answered."""
        return changed(self._uses.get(turn.prompt, {}), turn.uses.get)


def replays_from(path: Path) -> Replays:
    """Return the replies that a file holds.

    Parameters
    ----------
    path : Path
        ``.ipynb``; ``.json`` of `Conversation.save`; or a list of messages (``.json``, ``.jsonl``), which has no
        model and no options, so that messages alone are compared.

    Raises
    ------
    ReplayFileError
        If the file can't be read, or has another format.
    """
    replays = Replays(path.name if path.suffix else f"the file {path.name}")  # never one of OWN
    try:
        if path.suffix == ".ipynb":
            from berlin_magic.conversations.storage import notebook_file  # noqa: PLC0415  # few need it

            file = notebook_file.read(path)
            for record in (*map(file.record, sorted(file.names)), file.record_once()):
                replays.add_turns(_turns(record))
            return replays
        content = export.contents(path.read_text(encoding="utf-8"), path.suffix)
        if isinstance(content, list):
            replays.add_messages(content)
        else:
            replays.add_turns(_turns(content))
    except OSError as error:
        raise ReplayFileError(f"Replies can't be replayed from {path}: {error.strerror}.\nCheck the path.") from None
    except ValueError as error:
        raise ReplayFileError(
            f"Replies can't be replayed from {path}: {error}.\nGive a notebook, or an export of a conversation."
        ) from None
    return replays


def _turns(record: Record) -> list[Turn]:
    turns = Turns()
    turns.read(record)
    return turns.every_turn()
