"""A secret in memory: it works as its string, and shows itself nowhere."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.credentials.secret import Secret, hidden_headers, secrets_among, secrets_of_environment, unseen


def test_a_secret_works_as_the_string_that_it_is():
    assert Secret("abc") == "abc"
    assert json.dumps({"password": Secret('a"c')}) == '{"password": "a\\"c"}'
    assert f"{Secret('abc')}" == "abc"


def test_its_repr_says_nothing_also_inside_of_containers():
    assert repr({"token": Secret("abc")}) == "{'token': <secret>}"
    assert f"{Secret('abc')!r}" == "<secret>"
    assert repr(Secret("")) == "<no secret>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps([Secret("abc")], protocol)


def test_it_has_no_room_for_attributes():
    with pytest.raises(AttributeError):
        Secret("abc").note = "x"


def test_settings_that_may_hold_a_secret_show_nothing() -> None:
    settings = {"url": "http://x", "password": "p-1", "headers": {"X-Key": "k-1"}, "silence": 3.0, "token": ""}
    shown = repr({name: unseen(name, value) for name, value in settings.items()})
    assert "http://x" in shown and "3.0" in shown
    assert "p-1" not in shown and "k-1" not in shown


def test_a_conversation_shows_no_secret_of_its_connection() -> None:
    talk = Conversation(
        url="http://x", account="me", password="canary-1", token="canary-2", proxy="http://u:canary-3@p"
    )
    assert "canary" not in repr(talk.connection) + repr(vars(talk))
    assert talk.connection["password"] == "canary-1"


def test_it_is_copied_as_itself():
    secret = Secret("abc")
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


def test_headers_are_hidden_but_for_those_that_say_who_asks():
    given = {"X-Key": "canary", "http-referer": "http://here", "User-Agent": "me", "X-Title": "Model"}
    headers = hidden_headers(given)
    assert headers == given == unseen("headers", given)
    assert secrets_among([headers, Secret("other"), 7]) == ["canary", "other"]
    assert "canary" not in repr(headers)
    assert "http://here" in repr(headers)


def test_the_environments_secrets_are_known_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SCHOOL_API_KEY": "canary-1",
        "DB_password": "canary-2",
        "MY_TOKEN": "yes",
        "EDITOR": "canary-3",
        "SSH_KEY": "/home/canary/key",
        "A_TOKEN": "http://canary",
    }.items():
        monkeypatch.setenv(name, value)
    found = secrets_of_environment()
    assert {"canary-1", "canary-2"} <= set(found)
    assert not {"yes", "canary-3", "/home/canary/key", "http://canary"} & set(found)
    assert "canary" not in repr(found)
