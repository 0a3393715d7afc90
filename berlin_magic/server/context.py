"""The context: what was said under one `parentMessageId`, kept by the server."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.server.engine import Message

__all__ = ["ROWS", "Context", "StoredTurn", "timestamp"]

ROWS = 30
"""Newest rows (a question and its answer are two) that are sent with a prompt, as the original ships."""

_OVERHEAD = 1_000
_OPTIONS = ("frequency_penalty", "max_tokens", "model", "presence_penalty", "temperature")


def timestamp() -> str:
    """Return the time as the protocol writes it: local, ``YYYY-MM-DD HH:MM:SS``."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One finished turn: a question and the whole of its answer."""

    question: str
    answer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: str = field(default_factory=timestamp)
    answered: str = field(default_factory=timestamp)

    @property
    def size(self) -> int:
        """Its length in characters, with an allowance for what keeping it costs."""
        return len(self.question) + len(self.answer) + _OVERHEAD

    def rows(self, account: str, parent: str) -> list[dict[str, Any]]:
        """Return the two rows that ``GET /api/user/messages`` shows of it (wire/user-messages)."""
        options = {key: self.options.get(key) for key in _OPTIONS}
        return [
            {
                "user_id": account,
                "dateTime": at,
                "role": role,
                "status": "pass",
                "text": text,
                "persona_id": None,
                "plugin_id": None,
                "plugin_info": None,
                "requestOptions": {"parentMessageId": parent, "prompt": text, "options": options},
            }
            for role, text, at in (("user", self.question, self.asked), ("assistant", self.answer, self.answered))
        ]


class Context:
    """Keeps the newest turns of every conversation, within a bound on memory.

    Parameters
    ----------
    rows : int
        Newest rows that are kept and sent with the next prompt; two make a turn, and a turn is never halved.
    most_characters : int
        Characters that are kept in all; past it, the conversation that was added to least recently is dropped.
    """

    def __init__(self, *, rows: int = ROWS, most_characters: int = 16_000_000) -> None:
        self._turns = rows // 2
        self._most_characters = most_characters
        self._characters = 0
        self._conversations: OrderedDict[tuple[str, str], deque[StoredTurn]] = OrderedDict()

    def messages(self, account: str, parent: str) -> list[Message]:
        """Return what is to be sent before the next prompt, oldest first."""
        return [
            {"role": role, "content": text}
            for turn in self._conversations.get((account, parent), ())
            for role, text in (("user", turn.question), ("assistant", turn.answer))
        ]

    def append(self, account: str, parent: str, turn: StoredTurn) -> None:
        """Store a finished turn under `parent`."""
        if not self._turns:
            return
        turns = self._conversations.setdefault((account, parent), deque())
        self._conversations.move_to_end((account, parent))
        turns.append(turn)
        self._characters += turn.size
        while len(turns) > self._turns:
            self._characters -= turns.popleft().size
        while self._characters > self._most_characters:
            self.drop(*next(iter(self._conversations)))

    def drop(self, account: str, parent: str) -> int:
        """Forget what was said under `parent`; return how many turns that were."""
        turns = self._conversations.pop((account, parent), deque())
        self._characters -= sum(turn.size for turn in turns)
        return len(turns)

    def conversations(self, account: str) -> list[tuple[str, Sequence[StoredTurn]]]:
        """Return the conversations of `account` with their ids, the newest first."""
        return [
            (parent, tuple(turns))
            for (owner, parent), turns in reversed(self._conversations.items())
            if owner == account
        ]
