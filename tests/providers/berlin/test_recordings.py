"""Every recorded exchange, replayed on a raw socket: exactly the text or the error that the protocol page says."""

from __future__ import annotations

import pytest
import recordings
from asking import outcome
from recordings import CUT_REPLIES, DATA, NAMES, REFUSALS, REPLIES, Recorded, recorded
from scripted import ScriptedServer, Step, Then, slices

from berlin_magic.errors import BerlinError, IncompleteReplyError, SilentTooLongError
from berlin_magic.providers.berlin.envelope import data_of, envelope_error, parse_envelope
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.berlin.stream import Decoder, Refusal

CHAT = "/api/chat/completions"
CHATS = [name for name in REFUSALS if name.startswith("chat-")]
LOGINS = [name for name in REFUSALS if name.startswith("login-")]


def question(recording: Recorded) -> list[dict[str, str]]:
    return [{"role": "user", "content": recording.json["prompt"]}]


def cuts(data: bytes, how: str) -> list[Step]:
    if how == "whole":
        return [data]
    if how == "halves":
        return [data[: len(data) // 2], 0.01, data[len(data) // 2 :]]
    return [*slices(data, {"bytes": 1, "sevens": 7}[how])]


async def ask(server: ScriptedServer, recording: Recorded, how: str = "whole", *end: Step, silence: float = 10.0):
    server.on(CHAT, [*cuts(recording.response, how), *end])
    options = recording.json["options"]
    token = recording.headers["token"]
    return await outcome(
        Berlin.create_async_generator(
            options["model"], question(recording), url=server.url, token=token, silence=silence
        )
    )


def test_every_recording_is_held_to_something():
    assert {*REPLIES, *CUT_REPLIES, *REFUSALS, *DATA} == set(NAMES)


@pytest.mark.parametrize("how", ["whole", "halves", "sevens", "bytes"])
@pytest.mark.parametrize("name", REPLIES)
async def test_a_recorded_reply_gives_exactly_its_text(server, name, how):
    recording = recorded(name)
    result = await ask(server, recording, how)
    assert result.error is None
    assert result.text == REPLIES[name]


@pytest.mark.parametrize("name", [*REPLIES, *CHATS])
async def test_our_request_is_the_recorded_one_but_for_a_conversation_of_its_own(server, name):
    recording = recorded(name)
    await ask(server, recording)
    (request,) = [
        request for request in server.requests if request.method == "POST"
    ]  # beside it the models are asked for
    assert request.path == recording.path
    assert request.headers["token"] == recording.headers["token"]
    assert request.headers["content-type"] == recording.headers["content-type"]
    sent = request.json
    assert sent.pop("parentMessageId") not in ("", recording.json.pop("parentMessageId"))
    assert sent == recording.json


@pytest.mark.parametrize("name", CUT_REPLIES)
async def test_a_recorded_cut_with_the_connection_left_open_ends_at_the_limit_on_silence(server, name):
    result = await ask(server, recorded(name), "whole", Then.HOLD, silence=0.2)
    assert result.text == CUT_REPLIES[name]
    assert type(result.failure) is SilentTooLongError
    assert isinstance(result.failure, IncompleteReplyError)


@pytest.mark.parametrize("end", [(), (Then.RESET,)], ids=["closed", "reset"])
@pytest.mark.parametrize("how", ["whole", "bytes"])
@pytest.mark.parametrize("name", CUT_REPLIES)
async def test_a_recorded_cut_with_the_connection_closed_is_an_incomplete_reply(server, name, how, end):
    result = await ask(server, recorded(name), how, *((0.2, *end) if end else ()))
    assert result.text == CUT_REPLIES[name]
    assert type(result.failure) is IncompleteReplyError


@pytest.mark.parametrize("how", ["whole", "bytes"])
@pytest.mark.parametrize("name", CHATS)
async def test_a_recorded_refusal_gives_exactly_its_error(server, name, how):
    result = await ask(server, recorded(name), how)
    kind, status, code, said = REFUSALS[name]
    assert result.pieces == []
    assert type(result.failure) is kind
    assert (result.failure.status, result.failure.code) == (status, code)
    assert said in str(result.failure)
    assert [request.method for request in server.requests].count("POST") == 1


@pytest.mark.parametrize("name", LOGINS)
async def test_a_recorded_refusal_of_a_login_gives_exactly_its_error(server, name):
    server.on("/api/login", [recorded(name).response])
    generator = Berlin.create_async_generator(
        "", [{"role": "user", "content": "x"}], url=server.url, account="ada", password="a password"
    )
    result = await outcome(generator)
    kind, status, code, said = REFUSALS[name]
    assert type(result.failure) is kind
    assert (result.failure.status, result.failure.code) == (status, code)
    assert said in str(result.failure)
    assert [request.path for request in server.requests] == ["/api/login"]


async def test_the_recorded_login_gives_the_token_that_the_question_is_sent_with(server):
    login, chat = recorded("login-ok"), recorded("chat-first-turn")
    server.on("/api/login", [login.response])
    server.on(CHAT, [chat.response])
    result = await outcome(
        Berlin.create_async_generator(
            "", question(chat), url=server.url, account=login.json["account"], password=login.json["password"]
        )
    )
    assert result.text == REPLIES["chat-first-turn"]
    assert server.requests[0].json == login.json
    assert server.requests[1].headers["token"] == recorded("user-info").headers["token"]


async def test_the_recorded_configuration_lists_the_models(server):
    server.on("/api/config", [recorded("config-models").response])
    assert await Berlin.models(url=server.url) == ["gpt-3.5-turbo", "gpt-3.5-turbo-16k", "gpt-4"]


@pytest.mark.parametrize("name", DATA)
def test_a_recorded_success_gives_its_data(name):
    recording = recorded(name)
    envelope = parse_envelope(recording.body.decode(), status=recording.status, where="http://server")
    assert data_of(envelope, status=recording.status, where="http://server") == envelope["data"]
    assert envelope["data"]


def decoded(*reads: bytes) -> tuple[str, bool, str]:
    """Return the text, whether the server said that it is complete, and the error."""
    decoder, text, complete = Decoder(), "", False
    try:
        for read in reads:
            for item in decoder.feed(read):
                if isinstance(item, Refusal):
                    raise envelope_error(item.envelope, status=200, where="http://server")
                text += item.content
                complete = complete or item.last
        decoder.flush()
    except BerlinError as error:
        return text, complete, f"{type(error).__name__} {error.code} {error}"
    return text, complete, ""


@pytest.mark.parametrize("name", [*REPLIES, *CUT_REPLIES])
def test_a_recorded_stream_cut_at_any_byte_is_decoded_the_same(name):
    body = recorded(name).body
    whole = ({**REPLIES, **CUT_REPLIES}[name], name in REPLIES, "")
    assert decoded(body) == whole
    assert decoded(*slices(body, 1)) == whole
    for cut in range(len(body)):
        assert decoded(body[:cut], body[cut:]) == whole


@pytest.mark.parametrize("name", CHATS)
def test_a_recorded_envelope_that_comes_as_a_stream_is_its_error_wherever_it_is_cut(name):
    body = recorded(name).body
    text, _, error = decoded(body)
    assert text == ""
    assert recordings.REFUSALS[name][3] in error
    for cut in range(len(body)):
        assert decoded(body[:cut], body[cut:]) == ("", False, error)
