"""The `openai` package's own client as a judge: whatever a server streams, it and our provider read the same.

Where the two part on purpose, the test says so. Tried with openai 3.54; skipped where the package is not installed.
"""

from __future__ import annotations

from typing import Any

import pytest
from asking import HELLO
from completions import DONE, completion, event, step, streamed, usage
from scripted import CHUNKED_HEAD, HEAD, LAST_HTTP_CHUNK, Step, http_chunk, slices

from berlin_magic.messages import Finish, Text
from berlin_magic.providers.openai.provider import OpenAICompatible

pytestmark = pytest.mark.slow

openai = pytest.importorskip("openai")

TEXTS = ["Hello ", "you. ", "Привет 你好 🎉\n", "```python\nprint(1)\n```\n", '"quoted" \\ {braces}']

STREAMS: dict[str, bytes] = {
    "plain": streamed(*TEXTS),
    "CRLF": streamed(*TEXTS).replace(b"\n\n", b"\r\n\r\n"),
    "CR": streamed(*TEXTS).replace(b"\n\n", b"\r\r"),
    "no blank after the colon": streamed(*TEXTS).replace(b"data: ", b"data:"),
    "comments": b": ping\n\n" + b": ping\n\n".join([step(text) for text in TEXTS]) + step(finish="stop") + DONE,
    "event and id fields": b"id: 1\nevent: message\nretry: 5\n" + streamed(*TEXTS),
    "usage": b"".join(step(text) for text in TEXTS) + step(finish="stop") + usage(3, 2) + DONE,
    "length": streamed(*TEXTS, finish="length"),
    "content filter": streamed(*TEXTS, finish="content_filter"),
    "text with the reason": step("a") + step("b", finish="stop") + DONE,
    "null and empty": step("") + step(None, role="assistant") + step("a") + step(None) + step(finish="stop") + DONE,
    "reasoning": step(reasoning_content="hm") + step("a") + step(finish="stop") + DONE,
    "no DONE": streamed(*TEXTS).removesuffix(DONE),
}


async def ours(url: str) -> tuple[str, str | None]:
    text, finish = "", None
    async for item in OpenAICompatible.stream("m", HELLO, url=url):
        if isinstance(item, Text):
            text += item.text
        elif isinstance(item, Finish):
            finish = item.reason
    return text, finish


def theirs(url: str) -> Any:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0, timeout=10)


async def judged(url: str) -> tuple[str, str | None]:
    text, finish = "", None
    async with theirs(url) as client:
        stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    return text, finish


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_is_read_the_same(server, name, size):
    parts: list[Step] = [http_chunk(part) for part in slices(STREAMS[name], size)]
    server.on("/v1/chat/completions", [CHUNKED_HEAD, *parts, LAST_HTTP_CHUNK])
    assert await ours(server.url) == await judged(server.url)


async def test_an_error_in_the_stream_is_an_error_to_both(server):
    server.on("/v1/chat/completions", [HEAD, step("a"), event({"error": {"message": "overloaded"}})])
    with pytest.raises(openai.APIError, match="overloaded"):
        await judged(server.url)
    with pytest.raises(RuntimeError, match="overloaded"):
        await ours(server.url)


async def test_an_answer_without_streaming_is_read_the_same(server):
    import json

    from scripted import reply

    server.on("/v1/chat/completions", [reply(200, json.dumps(completion("Hello 🎉", finish="length")).encode())])
    async with theirs(server.url) as client:
        answer = await client.chat.completions.create(model="m", messages=HELLO)
    assert await ours(server.url) == (answer.choices[0].message.content, answer.choices[0].finish_reason)


async def test_a_stream_that_is_cut_is_told_by_us_alone(server):
    """On purpose: the judge takes a stream that just ends for a whole one."""
    server.on("/v1/chat/completions", [HEAD, step("a")])
    assert await judged(server.url) == ("a", None)
    with pytest.raises(RuntimeError, match="without saying that it is complete"):
        await ours(server.url)
