"""A conversation in code: asked, sliced, saved, loaded, exported; and what a server that keeps the context allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asking import assert_fit_to_be_shown, assert_no_secret
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from berlin_magic.conversations import export
from berlin_magic.conversations.context_window import estimate, fitting
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import BerlinError, ContextOnServerError, IncorrectAnswerError
from berlin_magic.kernel.version_commands import compared, listed, shown
from berlin_magic.messages import Text
from berlin_magic.providers import resolve
from berlin_magic.providers.base import Provider
from berlin_magic.results.conversation import Conversation

ROLES = st.sampled_from(["user", "assistant", "system", "tool"])
MESSAGE = st.builds(lambda role, text: {"role": role, "content": text}, ROLES, st.text(max_size=20))


def answered(
    talk: Conversation, prompt: str, reply: str = "reply", cell: str | None = None, run: str | None = None
) -> Turn:
    turn = talk.ask_in(cell, run, prompt)
    turn.take(Text(reply))
    talk.end(turn, "complete")
    return turn


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGE, min_size=1, max_size=8))
def test_export_then_import_is_the_identity(tmp_path: Path, messages: list[dict[str, str]]) -> None:
    talk = Conversation()
    talk.add_messages(messages)
    assert talk.messages == messages
    for suffix in (".json", ".jsonl"):
        talk.export(tmp_path / f"talk{suffix}")
        assert Conversation.load(tmp_path / f"talk{suffix}").messages == messages
    talk.save(tmp_path / "saved.json")
    again = Conversation.load(tmp_path / "saved.json")
    assert again.messages == messages and again.record() == talk.record()


def test_half_a_surrogate_pair_survives_every_file(tmp_path: Path) -> None:
    talk = Conversation()
    answered(talk, "half \ud800", "other half \udc00")
    for suffix in (".json", ".jsonl"):
        talk.export(tmp_path / f"talk{suffix}")
        assert Conversation.load(tmp_path / f"talk{suffix}").messages == talk.messages
    talk.export(tmp_path / "talk.md")
    talk.save(tmp_path / "saved.json")
    assert Conversation.load(tmp_path / "saved.json").messages == talk.messages


def test_an_export_to_read_has_the_prompt_and_marks_what_is_not_whole() -> None:
    talk = Conversation("be\nbrief")
    answered(talk, "Question?", "Answer.")
    turn = talk.ask_in(None, None, "More?")
    turn.take(Text("Half"))
    talk.end(turn, "stopped")
    text = export.exported(talk, talk.messages, ".md")
    assert text.startswith("> be\n> brief\n\n## You\n\nQuestion?\n\n## Assistant\n\nAnswer.")
    assert text.endswith("Half\n\n*(stopped)*\n")
    with pytest.raises(ValueError, match=r"\.md, \.json, \.jsonl"):
        export.exported(talk, [], ".txt")


@pytest.mark.parametrize("text", ["", "{}", "3", "[]", '[{"role": "x", "content": ""}]', '{"format": 3, "events": []}'])
def test_what_is_no_conversation_is_not_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        Conversation.load(tmp_path / "x.json")


def test_the_body_of_a_request_is_taken_in_too(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    (tmp_path / "x.json").write_text(json.dumps({"model": "m", "messages": messages}))
    assert Conversation.load(tmp_path / "x.json").messages == messages


def test_a_slice_keeps_the_settings_and_goes_its_own_way() -> None:
    talk = Conversation("sys", model="m", url="http://x")
    talk.context_limit = 5
    for number in range(3):
        answered(talk, str(number))
    part = talk[1:]
    assert (part.system, part.model, part.connection, part.context_limit) == ("sys", "m", {"url": "http://x"}, 5)
    assert [turn.prompt for turn in part] == ["1", "2"] and part.journal is None
    assert repr(part) == "<Conversation of 2 turns>"


def test_options_that_are_no_json_change_nothing() -> None:
    talk = Conversation()
    with pytest.raises(ValueError, match="numbers, texts"):
        talk.ask_in(None, None, "x", options={"stop": object()})
    assert len(talk) == 0


async def test_the_way_to_a_server_is_never_recorded() -> None:
    talk = Conversation()
    with pytest.raises(RuntimeError):
        await talk.ask("Hello", token="canary-token", url="http://127.0.0.1:9", temperature=0.5)
    assert talk[0].options == {"temperature": 0.5}
    assert "canary" not in json.dumps(talk.record())


def test_a_partial_reply_can_be_gone_on_with_and_a_whole_one_not() -> None:
    talk = Conversation()
    assert talk.going_on() is None
    turn = talk.ask_in("a", "1", "Question?")
    turn.take(Text("half"))
    talk.end(turn, "cut")
    assert "Continue" in (talk.going_on() or "")
    answered(talk, talk.going_on() or "", cell="k", run="1")
    assert talk.going_on() is None
    assert "Continue" in (talk.going_on("k", "2") or ""), "run again, it goes on with the same"


def test_a_server_that_keeps_the_context_goes_on_under_one_id_and_takes_nothing_back() -> None:
    talk = Conversation()
    talk.context = "server"
    one, two = answered(talk, "one", cell="a", run="1"), answered(talk, "two", cell="b", run="1")
    assert one.server == two.server and (one.alone, two.alone) == (False, True)
    with pytest.raises(ContextOnServerError, match="renew"):
        answered(talk, "two again", cell="b", run="2")
    assert [turn.prompt for turn in talk] == ["one", "two"]
    talk.renewed = True
    again = answered(talk, "two again", cell="b", run="2")
    assert again.server != one.server and not again.alone
    assert answered(talk, "three").server == again.server
    talk.system = "other"
    with pytest.raises(ContextOnServerError, match="system prompt"):
        answered(talk, "four")
    talk.reset()
    assert not answered(talk, "five").alone


def test_a_server_that_keeps_the_context_does_not_hold_what_was_stopped() -> None:
    talk = Conversation()
    talk.context = "server"
    answered(talk, "one")
    stopped = talk.ask_in(None, None, "two")
    stopped.take(Text("half"))
    talk.end(stopped, "stopped")
    with pytest.raises(ContextOnServerError):
        talk.ask_in(None, None, "three")
    talk.undo()
    assert talk.ask_in(None, None, "three").alone


def test_a_budget_leaves_an_unbroken_row() -> None:
    newest_first = [[{"role": "user", "content": "x" * size}] for size in (40, 4000, 40)]
    assert fitting(newest_first, [], 100) == 1, "the last would fit, but would leave a gap"
    assert fitting(newest_first, [{"role": "user", "content": "x" * 900}], 100) == 0
    assert fitting(newest_first, [], 10_000) == 3
    assert (estimate("abcd"), estimate("abcde"), estimate("漢字"), estimate("")) == (1, 2, 2, 0)


def test_versions_are_told_apart_and_no_escape_reaches_the_screen() -> None:
    talk = Conversation()
    answered(talk, "q", "same\nold", cell="a", run="1")
    answered(talk, "q", "same\n\x1b[31mnew", cell="a", run="2")
    place = talk.places[0]
    assert "* version 2" in listed(place, str) and listed(place, str).startswith("  version 1")
    diff = compared(*place.versions, ("1", "2"))
    assert "-old" in diff and "+ [31mnew" in diff and "\x1b" not in diff + shown(place.versions[1])
    assert compared(place.versions[0], place.versions[0], ("1", "1")) == "They are the same."


def asked_through(monkeypatch: pytest.MonkeyPatch, answer: Any) -> Conversation:
    """Return a conversation with another package's provider, which yields or raises what `answer` says."""

    class Lines(Provider):
        name = "Lines"

        @classmethod
        async def create_async_generator(cls, model, messages, proxy=None, *, url="", key="", headers=None, **kwargs):
            yield "Hello"
            for item in answer(key, headers, proxy):
                yield item

    monkeypatch.setattr(resolve, "load", lambda _: Lines)
    headers = {"X-Key": "canary-header", "X-Title": "Notebook"}
    proxy = "http://ada:canary-proxy@127.0.0.1:9"
    return Conversation(model="openai:m", url="http://127.0.0.1:9", key="canary-key-1", headers=headers, proxy=proxy)


async def test_what_another_packages_provider_quotes_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES_API_KEY", "canary-of-the-environment")

    def answer(key: str, headers: dict[str, str], proxy: str) -> Any:
        sent = f"{key} {headers} {headers['X-Key']} {proxy} canary-of-the-environment"
        raise BerlinError(
            f"Notebook at http://127.0.0.1:9: the server said {sent} {{'user_info': {{'ip': 'canary'}}}}.\nTry again."
        )

    talk = asked_through(monkeypatch, answer)
    with pytest.raises(BerlinError, match=r"Notebook at http://127\.0\.0\.1:9: the server said") as caught:
        await talk.ask("Hi")
    assert_fit_to_be_shown(caught.value)
    frames = [entry.frame for entry in caught.traceback if "berlin_magic" in str(entry.path)]
    assert_no_secret(*(repr(frame.f_locals) for frame in frames))
    assert talk[-1].reply == "Hello"


@pytest.mark.parametrize("item", [b"bytes", None, 7, {"content": "x"}])
async def test_what_is_neither_text_nor_event_is_an_error_that_names_its_type(
    monkeypatch: pytest.MonkeyPatch, item: object
) -> None:
    talk = asked_through(monkeypatch, lambda *_: [item])
    with pytest.raises(IncorrectAnswerError, match=f"Lines .*{type(item).__name__}") as caught:
        await talk.ask("Hi")
    assert_fit_to_be_shown(caught.value)
    assert (talk[-1].reply, talk[-1].finish) == ("Hello", "cut")


async def test_how_to_ask_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = asked_through(monkeypatch, lambda *_: [])
    await talk.ask("Hi", reply_limit=1000, retries=2, silence=5.0, temperature=0.5)
    assert talk[-1].options == {"temperature": 0.5}
