import json
from typing import Literal

import pydantic
import pytest
from completions import DONE, step
from scripted import HEAD, Request, ScriptedServer, reply, scripted_server

from berlin_magic.errors import PromptError, ReplyFormatError
from berlin_magic.results.conversation import Conversation
from berlin_magic.results.reply import Reply

PATH = "/v1/chat/completions"
REFUSED = {"error": {"message": "Unsupported parameter: 'response_format'.", "param": "response_format"}}


class Invoice(pydantic.BaseModel):
    number: str
    total: float


FITS, REPAIRABLE = '{"number": "A-1", "total": 3.5}', '{"number": "A-1", "total": "three"}'


@pytest.fixture
async def server():
    async with scripted_server() as server:
        yield server


def answers(server: ScriptedServer, *texts: str) -> None:
    server.on(PATH, *([HEAD, step(text), step(finish="stop"), DONE] for text in texts))


def talk_to(server: ScriptedServer, **settings: str) -> Conversation:
    return Conversation(provider="openai", url=server.url, key="k", model="m", **settings)


def bodies(server: ScriptedServer) -> list[dict]:
    return [request.json for request in server.to(PATH)]


async def test_an_answer_is_a_reply_that_knows_its_turn(server):
    answers(server, "Hello")
    talk = talk_to(server)

    answer = await talk.ask("Hi", temperature=0)

    assert isinstance(answer, Reply)
    assert answer == "Hello"
    assert answer.turn is talk[0]
    assert "response_format" not in bodies(server)[0]


async def test_a_type_gives_a_value_of_it_and_the_server_is_told_its_schema(server):
    answers(server, FITS)
    talk = talk_to(server)

    assert await talk.ask("Read this.", as_=Invoice) == Invoice(number="A-1", total=3.5)

    (body,) = bodies(server)
    format_ = body["response_format"]
    assert format_["type"] == "json_schema"
    assert format_["json_schema"]["name"] == "Invoice"
    assert format_["json_schema"]["strict"] is True
    assert set(format_["json_schema"]["schema"]["properties"]) == {"number", "total"}
    assert body["messages"][0]["content"].startswith("Read this.\n\nAnswer with JSON alone")
    assert talk[0].prompt == "Read this."
    assert "reply_schema" not in body


async def test_a_reply_that_does_not_fit_is_asked_for_once_more_with_what_is_wrong(server):
    answers(server, REPAIRABLE, FITS)
    talk = talk_to(server)

    assert await talk.ask("Read this.", as_=Invoice) == Invoice(number="A-1", total=3.5)

    repair = bodies(server)[1]
    assert [message["role"] for message in repair["messages"]] == ["user", "assistant", "user"]
    assert "total: Input should be a valid number" in repair["messages"][-1]["content"]
    assert repair["response_format"] == bodies(server)[0]["response_format"]
    assert [turn.reply for turn in talk] == [REPAIRABLE, FITS]


async def test_a_reply_that_never_fits_is_kept_and_the_error_says_where(server):
    answers(server, REPAIRABLE)
    talk = talk_to(server)

    with pytest.raises(ReplyFormatError, match="The reply does not fit Invoice: total: Input should be"):
        await talk.ask("Read this.", as_=Invoice)

    assert [turn.reply for turn in talk] == [REPAIRABLE] * 2
    assert len(bodies(server)) == 2


async def test_a_server_that_refuses_structured_output_is_asked_by_the_prompt(server):
    def script(request: Request):
        if "response_format" in request.json:
            return [reply(400, json.dumps(REFUSED).encode())]
        return [HEAD, step(f"```json\n{FITS}\n```"), step(finish="stop"), DONE]

    server.on(PATH, script)

    assert (await talk_to(server).ask("Read this.", as_=Invoice)).total == 3.5
    assert "JSON schema" in bodies(server)[1]["messages"][0]["content"]


async def test_a_choice_and_a_list_are_asked_for_in_an_object(server):
    answers(server, '{"value": "spam"}', '{"value": [1, 2]}')
    talk = talk_to(server)

    assert await talk.ask("Which?", as_=Literal["spam", "ham"]) == "spam"
    assert await talk.ask("Which?", as_=list[int]) == [1, 2]
    assert all(body["response_format"]["json_schema"]["schema"]["type"] == "object" for body in bodies(server))


async def test_a_type_without_a_schema_is_refused_before_anything_is_asked(server):
    talk = talk_to(server)

    with pytest.raises(PromptError):
        await talk.ask("Which?", as_=3)
    assert len(talk) == 0
    assert not server.requests


async def test_a_reply_is_printed_as_it_arrives_if_there_is_no_notebook(server, capsys):
    answers(server, "Hello")

    assert await talk_to(server).ask("Hi", show=True) == "Hello"
    assert capsys.readouterr().out == "Hello\n"


async def test_a_typed_question_is_replayed_with_its_repair(server):
    answers(server, REPAIRABLE, FITS)
    talk = talk_to(server)
    await talk.ask("Read this.", as_=Invoice)
    again = talk[:0]
    again.replay = "only"
    again._host = type(again._host)(replays=lambda: [stored_in(talk)])

    assert await again.ask("Read this.", as_=Invoice) == Invoice(number="A-1", total=3.5)
    assert len(bodies(server)) == 2


def stored_in(talk):
    from berlin_magic.conversations.replay import Replays

    replays = Replays()
    replays.add_turns(talk.every_turn())
    return replays


async def test_a_reply_that_ended_at_its_limit_is_not_asked_for_again(server):
    server.on(PATH, [HEAD, step('{"number": "A'), step(finish="length"), DONE])
    talk = talk_to(server)

    with pytest.raises(ReplyFormatError, match="limit of its length: raise max_tokens"):
        await talk.ask("Read this.", as_=Invoice, max_tokens=5)
    assert len(bodies(server)) == len(talk) == 1
