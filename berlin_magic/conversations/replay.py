"""Replies to replay, out of a file: a notebook, a saved conversation or an export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from berlin_magic.conversations import export
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.errors import ReplayFileError
from berlin_magic.messages import Message, text_in

__all__ = ["Mode", "Replays", "StoredReply", "digest", "mode_of", "replays_from"]

Mode = Literal["off", "auto", "only"]
"""Always ask; ask where no reply is stored; never ask."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply, and who gave it."""

    text: str
    model: str = ""
    provider: str = ""


def mode_of(text: str) -> Mode:
    """Return `text` as a mode; ValueError where it is none."""
    for mode in get_args(Mode):
        if text == mode:
            return mode  # type: ignore[no-any-return]
    raise ValueError(f"replay is one of {', '.join(get_args(Mode))}, not {text!r:.40}")


def digest(messages: Iterable[Message], model: str | None = None, options: Mapping[str, Any] | None = None) -> str:
    """Return what tells one request from all others, and is the same wherever it is made.

    Parameters
    ----------
    messages : iterable of Message
        Context and question.
    model : str, optional
        The model by its name, "" where the user names none. None where it is not known, as in a plain list of
        messages: such a digest is never equal to one with a model.
    options : mapping, optional
        The engine's; one that is None counts as not given.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    request = [[[message["role"], message["content"]] for message in messages], model, given]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class Replays:
    """Replies by the digests of their requests."""

    def __init__(self) -> None:
        self._replies: dict[str, StoredReply] = {}

    def add(self, request: str, reply: StoredReply) -> None:
        """Keep a reply; a later one for the same request takes its place."""
        self._replies[request] = reply

    def add_turns(self, turns: Iterable[Turn]) -> None:
        """Keep the replies of the turns that are complete."""
        for turn in turns:
            if turn.finish == "complete" and turn.request and turn.reply:
                self.add(turn.request, StoredReply(turn.reply, turn.model, turn.provider))

    def add_messages(self, messages: Iterable[Message]) -> None:
        """Keep the answers of a plain list of messages; model and options are not told there, and so not compared."""
        before: list[Message] = []
        for message in messages:
            if message["role"] == "assistant":
                self.add(digest(before), StoredReply(text_in(message["content"])))
            before.append(message)

    def find(self, messages: Iterable[Message], request: str) -> StoredReply | None:
        """Return the reply to a request, given both ways."""
        return self._replies.get(request) or self._replies.get(digest(messages))


def replays_from(path: Path) -> Replays:
    """Return the replies that a file holds.

    Parameters
    ----------
    path : Path
        ``.ipynb``; ``.json`` of `Conversation.save`; or a list of messages (``.json``, ``.jsonl``), which tells no
        model and no options: there the messages alone decide.

    Raises
    ------
    ReplayFileError
        Where it can't be read, or is none of these.
    """
    replays = Replays()
    try:
        if path.suffix == ".ipynb":
            file = notebook_file.read(path)
            for record in (*file.records.values(), file.apart):
                turns = Turns()
                turns.read(record)
                replays.add_turns(turns.every_turn())
            return replays
        text = path.read_text(encoding="utf-8")
        record_ = export.record_in(text) if path.suffix != ".jsonl" else None
        if record_ is None:
            replays.add_messages(export.messages_in(text, path.suffix))
        else:
            turns = Turns()
            turns.read(record_)
            replays.add_turns(turns.every_turn())
    except OSError as error:
        raise ReplayFileError(f"Replies can't be replayed from {path}: {error.strerror}.\nCheck the path.") from None
    except ValueError as error:
        raise ReplayFileError(
            f"Replies can't be replayed from {path}: {error}.\nGive a notebook, or an export of a conversation."
        ) from None
    return replays
