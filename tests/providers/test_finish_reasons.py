"""Why a reply ended, and how long it may be: the same through every provider."""

from __future__ import annotations

import json

import completions
import pytest
from asking import HELLO, TOKEN, outcome
from scripted import HEAD, chunk, slices

from berlin_magic.errors import ReplyTooLargeError
from berlin_magic.messages import Finish, Text
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.results.conversation import Conversation
from berlin_magic.transport import response

CHAT = "/api/chat/completions"
ENDED = json.dumps({"id": "c1", "segment": "stop", "content": "", "finishReason": "length"}).encode()


async def test_a_berlin_server_that_tells_why_a_reply_ended_is_heard(server):
    server.on(CHAT, [HEAD, chunk("", "start"), chunk("some"), ENDED])
    stream = Berlin.stream("", HELLO, url=server.url, token=TOKEN)
    assert [item async for item in stream] == [Text("some"), Finish("length")]


async def test_a_reply_that_reached_its_limit_can_be_continued(server):
    server.on(CHAT, [HEAD, chunk("", "start"), chunk("some"), ENDED])
    talk = Conversation(url=server.url, token=TOKEN)
    assert await talk.ask("Hello") == "some"
    assert talk[-1].reason == "length"
    assert talk.going_on() is not None


@pytest.mark.parametrize("limit", [None, 2**22], ids=["no limit", "a higher one"])
@pytest.mark.parametrize("provider", [Berlin, OpenAICompatible])
async def test_a_limit_that_was_raised_holds_for_one_object_too(server, monkeypatch, provider, limit):
    monkeypatch.setattr(response, "REPLY_LIMIT", 2**20)
    big = "x" * 2**21
    if provider is Berlin:
        server.on(CHAT, [HEAD, *slices(chunk(big) + chunk("", "stop"), 2**18)])
        given = {"token": TOKEN}
    else:
        server.on("/v1/chat/completions", [HEAD, *slices(completions.streamed(big), 2**18)])
        given = {}
    asked = {"url": server.url, "reply_limit": limit, **given}
    result = await outcome(provider.create_async_generator("m", HELLO, **asked))
    assert (result.error, len(result.text)) == (None, 2**21)
    result = await outcome(provider.create_async_generator("m", HELLO, **{**asked, "reply_limit": 2**20}))
    assert type(result.error) is ReplyTooLargeError
