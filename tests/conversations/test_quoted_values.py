"""Whether what a prompt has quoted is still what it was."""

from __future__ import annotations

import json

import pytest

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.deserialization import turn_of
from berlin_magic.conversations.quoted_values import changed, uses_in
from berlin_magic.conversations.serialization import turn_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import NotStoredError
from berlin_magic.messages import Text, TextPart


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ("k:exact:1", "k:exact:1", False),
        ("k:exact:1", "k:exact:2", True),
        ("k:exact:1", "k:sampled:1", True),
        ("k:sampled:1", "k:sampled:2", True),
        ("k:exact:1", "", False),
        ("k:exact:1", "k:unknown:2", False),
        ("k:unknown:1", "k:unknown:2", False),
        ("k:exact:1", "other:exact:2", False),
        ("nonsense", "k:exact:2", False),
    ],
)
def test_what_can_not_be_compared_has_not_changed(then: str, now: str, differs: bool) -> None:
    assert changed({"df": then}, {"df": now}.get) == ["df"] * differs


def quoting(talk: Conversation, mark: str, reply: str = "Fine.") -> Turn:
    values = [{"code": "df.n", "kind": "Series", "level": "sample", "uses": {"df": f"k:exact:{mark}"}}]
    turn = talk.ask_in(None, None, "{{ df.n }}?", question=[TextPart("the same?")], values=values)
    turn.take(Text(reply))
    return turn


def test_fingerprints_are_stored_with_the_turn_and_read_again() -> None:
    turn = quoting(Conversation(), "1")
    turn.changed_before = "df"
    record = json.loads(json.dumps(turn_record(turn, lambda _: None)))
    again = turn_of({**record, "kind": "turn"}, turn.id)
    assert again.uses == turn.uses == {"df": "k:exact:1"} and again.changed_before == "df"
    odd = [{"uses": {"a": 3, "b": "x" * 9999}}, {"uses": ["a"]}, {"uses": dict.fromkeys(map(str, range(999)), "x")}]
    read = turn_of({**record, "kind": "turn", "values": odd}, turn.id)
    assert list(uses_in(read.values)) == ["b"] and len(uses_in(read.values)["b"]) == 500


async def answers(talk: Conversation, turn: Turn) -> str:
    turn.parts = []
    return "".join([event.text async for event in talk.answer(turn) if isinstance(event, Text)])


async def test_a_reply_on_other_data_is_not_replayed_and_strict_mode_names_it() -> None:
    talk = Conversation(url="http://127.0.0.1:9", account="a", password="p")
    for mark in ("1", "2"):
        turn = quoting(talk, mark, f"on {mark}")
        turn.request = talk._digests.of(turn, "")
        talk.end(turn, "complete")
        talk.reset()
    talk.replay = "only"
    assert await answers(talk, quoting(talk, "1")) == "on 1"
    talk.reset()
    assert await answers(talk, quoting(talk, "2")) == "on 2"
    talk.reset()
    with pytest.raises(NotStoredError, match="`df` changed since"):
        await answers(talk, quoting(talk, "3"))
