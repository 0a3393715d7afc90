"""A server that repeats what it was sent: no part of a key is shown, whatever it says, with which status and where."""

from __future__ import annotations

import base64
import html
import json
from argparse import Namespace
from types import SimpleNamespace

import pytest
from asking import ACCOUNT, HELLO, outcome
from scripted import HEAD, chunk, reply, stream

from berlin_magic.kernel import commands
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible
from berlin_magic.providers.resolve import connect

pytestmark = pytest.mark.slow

KEY = "Tr0ub4dor-sk-9f8e7d6c5b4a-Zyx77"
PROVIDERS = {
    "Berlin": (Berlin, "/api/chat/completions", "token"),
    "OpenAI": (OpenAICompatible, "/v1/chat/completions", "key"),
}
PACKED = [base64.b64encode(text.encode()).decode() for text in (KEY, f"ada:{KEY}", f"{ACCOUNT}:{KEY}")]
BODIES = {
    "a text": f"bad token {KEY}!",
    "a page": f"<html><body>bad {KEY}</body></html>",
    "a page with a tag in it": f"<html><body>bad {KEY[:20]}<wbr>{KEY[20:]}</body></html>",
    "with a line break in it": f"bad {KEY[:20]}\n{KEY[20:]}",
    "with a quote in it": f'bad {KEY[:20]}"{KEY[20:]}',
    "with stars for the rest": f"bad {KEY[:20]}***********",
    "with stars before the rest": f"bad ***********{KEY[11:]}",
    "with soft hyphens": "\u00ad".join(KEY),
    "in JSON's escapes": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "in HTML's escapes": "".join(f"&#{ord(char)};" for char in KEY),
    "in a message": json.dumps({"message": f"bad {KEY}"}),
    "in an engine's error": json.dumps({"error": {"message": f"bad {KEY}", "code": KEY, "type": KEY}}),
    "as an envelope's code": json.dumps({"code": KEY, "data": [], "message": "no"}),
    "in an envelope": json.dumps({"code": 4001, "data": [], "message": f"bad {html.escape(KEY)}"}),
    "in an envelope's data": json.dumps({"code": -1, "data": {"error": {"message": KEY, "code": KEY}}}),
    **{f"where a message of {size} is cut": f"{'y' * size} {KEY} {'z ' * 200}" for size in range(268, 300, 4)},
    **{f"in base64 {number}": f"Basic {packed}" for number, packed in enumerate(PACKED)},
}


def shown_of_it(*texts: object) -> list[str]:
    """Return the parts of the key, or of it in base64, that are in `texts`."""
    whole = " ".join(map(str, texts))
    rows = {text[at : at + 8] for text in (KEY, *(packed[-40:] for packed in PACKED)) for at in range(len(text) - 7)}
    return [row for row in rows if row in whole]


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 502])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_part_of_a_key_is_in_an_error_whatever_its_status(server, name, status):
    provider, path, setting = PROVIDERS[name]
    for body in BODIES.values():
        server.on(path, [reply(status, body.encode())])
        asked = provider.create_async_generator("m", HELLO, url=server.url, retries=0, **{setting: KEY})
        error = (await outcome(asked)).failure
        assert not shown_of_it(error, vars(error)), body


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_part_of_a_key_is_in_the_error_of_a_reply_that_had_begun(server, name):
    provider, path, setting = PROVIDERS[name]
    for body in BODIES.values():
        begun = chunk("Hi") if name == "Berlin" else b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\ndata: '
        server.on(path, [HEAD, begun, body.encode(), b"\n\n"])
        asked = provider.create_async_generator("m", HELLO, url=server.url, retries=0, **{setting: KEY})
        error = (await outcome(asked)).failure
        assert not shown_of_it(error, vars(error)), body


async def test_the_text_of_a_reply_is_shown_as_it_is(server):
    """As the documentation says: it is the model's, and nobody takes words out of it."""
    server.on("/api/chat/completions", [HEAD, stream(f"You sent {KEY}")])
    asked = Berlin.create_async_generator("m", HELLO, url=server.url, token=KEY)
    assert (await outcome(asked)).text == f"You sent {KEY}"


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_part_of_a_key_is_in_a_list_of_models(server, name):
    provider, _, setting = PROVIDERS[name]
    names = ["gpt-4", KEY, f"gpt-{PACKED[1]}", "llama 3\n"]
    if name == "Berlin":
        data = {"chat_models": [{"value": each} for each in names]}
        server.on("/api/config", [reply(200, json.dumps({"code": 0, "data": data}).encode())])
        given = {"url": server.url, "proxy": server.url.replace("://", f"://ada:{KEY}@")}
        server.on(f"{server.url}/api/config", [reply(200, json.dumps({"code": 0, "data": data}).encode())])
    else:
        server.on("/v1/models", [reply(200, json.dumps({"data": [{"id": each} for each in names]}).encode())])
        given = {"url": server.url, setting: KEY}
    listed = await provider.models(**given)
    assert not shown_of_it(*listed)
    assert {"gpt-4", "llama 3"} <= set(listed)


async def test_no_part_of_a_key_is_in_what_the_command_lists_of_another_packages_provider(monkeypatch):
    class Line(OpenAICompatible):
        @classmethod
        async def models(cls, **given):
            return ["gpt-4", f"gpt-{given['key']}"]

    class Magics:
        listed = ()

    connection = await connect("openai:m", key=KEY, provider="openai")
    monkeypatch.setattr(commands, "_connection", lambda _: connected())

    async def connected():
        return type(connection)(Line, connection.settings, "http://server", "m")

    output = await commands._models(SimpleNamespace(magics=Magics), Namespace())
    shown = f"{output.text} {output.html}"
    assert "gpt-4" in shown
    assert not shown_of_it(shown, Magics.listed)


@pytest.mark.parametrize(
    "name", ["X-Title", "User-Agent", "Referer", "OpenAI-Organization", "anthropic-beta", "Accept"]
)
async def test_a_header_that_is_named_as_harmless_is_a_secret_with_the_key_in_it(server, name):
    server.on("/v1/chat/completions", [reply(401, b"who is ada, Tr0ub4dor-sk-9f8e7d6c5b4a-Zyx77?")])
    headers = {name: f"ada, {KEY}"}
    asked = OpenAICompatible.create_async_generator("m", HELLO, url=server.url, key=KEY, headers=headers, retries=0)
    error = (await outcome(asked)).failure
    assert not shown_of_it(error, vars(error))
    endpoint = OpenAICompatible._endpoint(url=server.url, key=KEY, headers=headers, proxy=None, silence=None)
    assert not shown_of_it(repr(endpoint))


@pytest.mark.parametrize(
    "value", [f"ada, {KEY}", "canary-token-51b0e0a2c9", "Bearer abc", "http://x/?key=canary-51b0e0a2c9"]
)
async def test_a_header_that_is_named_as_harmless_is_a_secret_with_a_token_in_it(server, value):
    server.on("/v1/chat/completions", [reply(401, value.encode())])
    asked = OpenAICompatible.create_async_generator("m", HELLO, url=server.url, headers={"X-Title": value}, retries=0)
    error = (await outcome(asked)).failure
    assert value not in str(error) + repr(vars(error))
