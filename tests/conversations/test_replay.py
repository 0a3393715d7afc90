"""A stored reply for the same request, and for no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from berlin_magic.conversations.conversation import Host
from berlin_magic.conversations.replay import OWN, Digests, Replays, StoredReply, digest, mode_of, replays_from
from berlin_magic.conversations.turns import Turns
from berlin_magic.errors import BerlinError, NotStoredError, ReplayFileError
from berlin_magic.messages import Finish, Text
from berlin_magic.results.conversation import Conversation

HELLO = [{"role": "user", "content": "Hello"}]


def answered(talk: Conversation, prompt: str, reply: str, **options: float) -> None:
    turn = talk.ask_in(None, None, prompt, options=options)
    turn.request = digest(turn.asked, turn.model, turn.options)
    turn.model = "somebody"
    turn.take(Text(reply))
    talk.end(turn, "complete")


def test_a_digest_tells_requests_apart_by_everything_that_is_asked() -> None:
    one = digest(HELLO, "m", {"temperature": 0.5})
    assert one == digest([dict(HELLO[0])], "m", {"temperature": 0.5, "max_tokens": None})
    others = [
        digest(HELLO, "m", {"temperature": 0.6}),
        digest(HELLO, "other", {"temperature": 0.5}),
        digest(HELLO, None, {"temperature": 0.5}),
        digest([{"role": "user", "content": "Hello!"}], "m", {"temperature": 0.5}),
        digest([*HELLO, *HELLO], "m", {"temperature": 0.5}),
    ]
    assert len({one, *others}) == 6


async def test_an_unchanged_request_is_answered_from_the_store_with_no_network() -> None:
    talk = Conversation(url="http://127.0.0.1:9", account="a", password="p")
    answered(talk, "Hello", "Hi.")
    talk.reset()
    talk.replay = "auto"
    assert await talk.ask("Hello") == "Hi."
    assert talk[0].replayed and talk[0].model == "somebody" and talk[0].finish == "complete"


async def test_a_changed_request_is_an_error_that_names_it_where_nothing_may_be_asked() -> None:
    talk = Conversation()
    answered(talk, "Hello", "Hi.")
    talk.replay = "only"
    with pytest.raises(NotStoredError, match="not stored: 'Hello'") as raised:
        await talk.ask("Hello")  # now with its first answer as context
    assert isinstance(raised.value, BerlinError) and len(str(raised.value).splitlines()) < 5
    assert talk[-1].finish == "failed" and len(talk.messages) == 2


async def test_an_incomplete_reply_is_not_replayed() -> None:
    talk = Conversation()
    turn = talk.ask_in(None, None, "Hello")
    turn.request = digest(turn.asked, "", {})
    turn.take(Text("half"))
    talk.end(turn, "cut")
    talk.reset()
    talk.replay = "only"
    with pytest.raises(NotStoredError):
        await talk.ask("Hello")


async def test_files_are_replayed_from(tmp_path: Path) -> None:
    talk = Conversation()
    answered(talk, "Hello", "Hi.", temperature=0.5)
    answered(talk, "And?", "So.")
    talk.save(tmp_path / "saved.json")
    talk.export(tmp_path / "list.json")
    talk.export(tmp_path / "list.jsonl")
    for name, loose in (("saved.json", False), ("list.json", True), ("list.jsonl", True)):
        replays = replays_from(tmp_path / name)
        exact = replays.find(HELLO, digest(HELLO, "", {"temperature": 0.5}))
        other = replays.find(HELLO, digest(HELLO, "another", {}))
        assert exact is not None and exact.text == "Hi."
        assert (other is not None) == loose


@pytest.mark.parametrize("content", [None, "no JSON", "{}", '{"format": 99, "events": []}', "[]"])
def test_a_file_that_cannot_be_replayed_from_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReplayFileError) as raised:
        replays_from(path)
    assert str(path) in str(raised.value) and len(str(raised.value).splitlines()) == 2


def test_no_file_has_the_name_of_what_is_the_users_own(tmp_path: Path) -> None:
    talk = Conversation()
    answered(talk, "Hello", "from a file")
    [turn] = talk
    for name in OWN:
        talk.save(tmp_path / name)
        found = replays_from(tmp_path / name).find(turn.asked, turn.request)
        assert found is not None and found.text == "from a file" and found.found_in not in OWN


@pytest.mark.parametrize("own", OWN)
def test_what_was_replayed_from_a_file_stays_from_that_file_wherever_it_is_stored(own: str) -> None:
    talk = Conversation()
    answered(talk, "Hello", "an answer")
    [turn] = talk
    for said, origin in (("saved.ipynb", "saved.ipynb"), ("", own), *((place, own) for place in OWN)):
        turn.replayed_from = said
        replays = Replays(own)
        replays.add_turns([turn])
        found = replays.find(turn.asked, turn.request)
        assert found is not None and found.found_in == origin


def test_a_file_can_not_say_that_its_replies_are_from_elsewhere(tmp_path: Path) -> None:
    talk = Conversation()
    answered(talk, "Hello", "from a file")
    [turn] = talk
    for said in (*OWN, "another.ipynb"):
        turn.replayed_from = said
        talk.save(tmp_path / "saved.json")
        found = replays_from(tmp_path / "saved.json").find(turn.asked, turn.request)
        assert found is not None and found.found_in == "saved.json"


def test_a_later_reply_takes_the_place_of_an_earlier_one() -> None:
    replays = Replays()
    replays.add("x", StoredReply("one"))
    replays.add("x", StoredReply("two"))
    assert replays.find(HELLO, "x") == StoredReply("two") and replays.find(HELLO, "y") is None


def test_a_mode_is_one_of_three() -> None:
    assert [mode_of(mode) for mode in ("off", "auto", "only")] == ["off", "auto", "only"]
    with pytest.raises(ValueError, match="auto"):
        mode_of("always")
    assert json.dumps(mode_of("off")) == '"off"'


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ipynb"])
def test_a_file_nested_too_deeply_is_told_in_a_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep{suffix}"
    path.write_text("[" * 100_000)
    with pytest.raises(ReplayFileError, match="can't be replayed"):
        replays_from(path)


def test_the_digests_of_questions_in_a_row_are_those_of_each() -> None:
    turns, digests = Turns("be brief"), Digests()
    for number in range(6):
        turn = turns.begin(f"question {number}", cell=f"c{number % 4}", run=str(number), options={"top_k": number})
        assert digests.of(turn, "m") == digest(turn.asked, "m", turn.options)
        turn.take(Text("answer"))
        turns.end(turn, "complete")
        if number == 2:
            turns.system = "be long"


def test_a_reply_of_a_file_that_nobody_vouches_for_is_not_replayed() -> None:
    talk, replays = Conversation(), Replays()
    answered(talk, "question", "reply")
    talk[0].from_file = "said"
    replays.add_turns(talk)
    assert replays.find([], talk[0].request) is None
    talk.trust({})
    replays.add_turns(talk)
    assert replays.find([], talk[0].request) is not None


async def test_a_stored_reply_tells_why_it_ended() -> None:
    talk = Conversation()
    turn = talk.ask_in("a", "1", "Question?")
    turn.request = digest(turn.asked, "m", {})
    turn.take(Text("cut off"))
    turn.take(Finish("length"))
    talk.end(turn, "complete")
    replays = Replays()
    replays.add_turns([turn])
    again = Conversation(model="m", host=Host(replays=lambda: [replays]))
    again.replay = "only"
    assert await again.ask("Question?") == "cut off"
    assert again[0].reason == "length"
