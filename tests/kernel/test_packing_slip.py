"""The packing slip shows exactly what the server gets."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from completions import DONE, step
from scripted import HEAD, ScriptedServer, stream

from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import PromptError
from berlin_magic.kernel.packing_slip import short_slip, slip_of, slip_output
from berlin_magic.kernel.prompt import recorded
from berlin_magic.messages import ImagePart, Part, Started, TextPart
from berlin_magic.prompts.compose import Composed, Value
from berlin_magic.prompts.description import Description
from berlin_magic.prompts.slip import packed
from berlin_magic.results.conversation import Conversation

PICTURE = ImagePart("data:image/png;base64," + base64.b64encode(b"\x89PNG" + bytes(60)).decode())
BERLIN, OPENAI = "/api/chat/completions", "/v1/chat/completions"


def question(*parts: Part, level: str = "full") -> Composed:
    description = Description("thing, 3", [part for part in parts if part is not parts[0]], level)  # type: ignore[arg-type]
    return Composed("What is {{ thing }}?", parts, (Value("thing", 1, description, None),))


PLAIN = Composed("Hello?", (TextPart("Hello?"),))
VALUED = question(TextPart("What is "), TextPart("<secret of mine>"), TextPart("?"))
PICTURED = question(TextPart("What is "), PICTURE, TextPart("?"))
SCHEMA = question(TextPart("What is "), TextPart("3 columns"), level="schema")


def ask_in(talk: Conversation, composed: Composed, **more: Any) -> Any:
    parts = () if composed.is_plain else composed.parts
    return talk.ask_in(None, None, composed.source, question=parts, values=recorded(composed), model=talk.model, **more)


@pytest.fixture(params=["Berlin", "OpenAI"])
def talk(request: pytest.FixtureRequest, server: ScriptedServer) -> Conversation:
    if request.param == "Berlin":
        server.on(BERLIN, [HEAD + stream("Fine.")])
        return Conversation("Be brief.", provider="berlin", url=server.url, token="t" * 8)
    server.on(OPENAI, [HEAD + step("Fine.") + step(finish="stop") + DONE])
    return Conversation("Be brief.", provider="openai", model="m", url=server.url, key="k" * 8)


def wire(server: ScriptedServer) -> Any:
    body = server.requests[-1].json
    return packed(body["messages"] if "messages" in body else [{"role": "user", "content": body["prompt"]}])


def said(server: ScriptedServer) -> str:
    return "".join(text for message in wire(server) for text in message.texts)


@pytest.mark.parametrize("data", ["full", "sample", "schema"])
@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize("asked", [[PLAIN], [VALUED, SCHEMA, PLAIN], [SCHEMA, VALUED], [PLAIN] * 6 + [VALUED, PLAIN]])
async def test_the_slip_is_what_the_server_gets(
    talk: Conversation, server: ScriptedServer, data: Any, limit: int | None, asked: list[Composed]
) -> None:
    talk.data, talk.context_limit = data, limit
    for composed in asked:
        trial = talk.fork()
        slip = await slip_of(trial, ask_in(trial, composed, options={"temperature": 0.5}), composed)
        before = len(server.requests)
        turn = ask_in(talk, composed, options={"temperature": 0.5})
        assert len(server.requests) == before and not talk.every_turn()[-1].reply, "the slip alone sends nothing"
        async for _ in talk.answer(turn):
            pass
        assert slip.messages == wire(server)
        assert slip.left_out == turn.left_out and dict(slip.options) == {"temperature": 0.5}
    assert "secret of mine" not in said(server) or data == "full" or asked[-1] is VALUED


async def test_an_image_is_shown_and_sent_if_the_provider_takes_one(talk: Conversation, server: ScriptedServer) -> None:
    trial = talk.fork()
    turn = ask_in(trial, PICTURED)
    if talk.connection["provider"] == "berlin":
        with pytest.raises(PromptError, match="text only"):
            await slip_of(trial, turn, PICTURED)
        with pytest.raises(PromptError, match="text only"):
            async for _ in talk.answer(ask_in(talk, PICTURED)):
                pass
        assert not server.requests
        return
    output = slip_output(await slip_of(trial, turn, PICTURED))
    assert f'<img src="{PICTURE.url}"' in output.html and "[image" in output.text and PICTURE.url not in output.text
    async for _ in talk.answer(ask_in(talk, PICTURED)):
        pass
    assert server.requests[-1].json["messages"][-1]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": PICTURE.url},
    }


async def test_the_slip_makes_no_markup_of_what_is_sent_and_loads_nothing(talk: Conversation) -> None:
    evil = ImagePart("https://elsewhere.example/x.png")
    bad = question(TextPart("<script>alert(1)</script>"), TextPart("<b>x</b>"))
    output = slip_output(await slip_of(talk, ask_in(talk, bad), bad))
    assert "<script>" not in output.html and "&lt;b&gt;x" in output.html
    assert "<img" not in slip_output_of(evil)


def slip_output_of(picture: ImagePart) -> str:
    from berlin_magic.prompts.slip import Slip

    content = [{"type": "image_url", "image_url": {"url": picture.url}}]
    return slip_output(Slip(packed([{"role": "user", "content": content}]), (), "P", "m", "", {})).html


async def test_an_earlier_value_is_not_sent_again_at_a_lower_level(talk: Conversation, server: ScriptedServer) -> None:
    async for _ in talk.answer(ask_in(talk, VALUED)):
        pass
    assert "secret of mine" in said(server)
    for level in ("sample", "schema"):
        talk.data = level  # type: ignore[assignment]
        await talk.ask("And now?")
        sent = said(server)
        assert "secret of mine" not in sent and "What is {{ thing }}?" in sent and "thing, 3, value not sent" in sent
    talk.data = "full"
    await talk.ask("And now?")
    assert "secret of mine" in said(server)


@pytest.mark.parametrize(("settings", "shown"), [({"provider": "openai", "key": "k"}, True), ({"account": "a"}, False)])
async def test_a_schema_is_shown_if_the_provider_is_given_it(settings: dict[str, str], shown: bool) -> None:
    talk = Conversation(model="m", url="http://127.0.0.1:9", **settings)
    turn = ask_in(talk, PLAIN, options={"reply_schema": {"name": "Invoice", "schema": {}}, "temperature": 0})
    slip = await slip_of(talk, turn, PLAIN)
    assert ("Invoice" in slip.as_text()) == shown
    assert "temperature = 0" in slip.as_text()


async def answered(talk: Conversation, composed: Composed) -> tuple[Turn, str]:
    turn, where = ask_in(talk, composed), ""
    async for event in talk.answer(turn):
        where = event.where if isinstance(event, Started) else where
    return turn, where


async def test_a_finished_reply_says_in_short_what_was_sent(talk: Conversation, server: ScriptedServer) -> None:
    turn, where = await answered(talk, VALUED)
    said = short_slip(turn, VALUED, "full", where)
    size = sum(message.tokens for message in packed(turn.asked))
    assert f"2 messages (1 system, 1 user), about {size} tokens (an estimate)" in said
    assert "thing: thing, 3, full, " in said and server.url in where and where in said
    assert "secret of mine" not in said and "{{ thing }}" not in said and "Be brief" not in said
    turn.cost = "$0.0012"
    assert "it has cost $0.0012 (an estimate)" in short_slip(turn, VALUED, "full", where)
    turn.prompt_tokens, turn.completion_tokens = 3, 4
    assert short_slip(turn, VALUED, "full", where).endswith("it has cost $0.0012")


async def test_it_holds_no_image_and_is_there_only_if_it_says_something(talk: Conversation) -> None:
    plain, where = await answered(talk, PLAIN)
    assert short_slip(plain, PLAIN, "full", where) == "", "the notebook shows what was sent"
    plain.left_out = 2
    assert "2 earlier turns" in short_slip(plain, PLAIN, "full", where)
    for change in ({"replayed": True}, {"finish": "failed"}):
        turn, _ = await answered(talk, VALUED)
        for name, value in change.items():
            setattr(turn, name, value)
        assert short_slip(turn, VALUED, "full", where) == ""
    if talk.connection["provider"] == "openai":
        turn, _ = await answered(talk, PICTURED)
        assert PICTURE.url[:30] not in short_slip(turn, PICTURED, "full", where)
