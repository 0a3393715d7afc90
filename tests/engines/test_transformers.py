"""`transformers serve`, with a language model of random weights that is built on the spot."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asking import outcome
from engines.conftest import Ask, through_berlin
from engines.peer import Engine, behind_berlin, free_port, installed, running

from berlin_magic.errors import ModelUnknownError, ServerError
from berlin_magic.messages import Finish, Usage
from berlin_magic.providers.openai.provider import OpenAICompatible

pytestmark = pytest.mark.usefixtures("wanted")

REQUIREMENTS = ("transformers[serving]==5.23.0", "torch==2.13.0")
TOKENS = 40


@dataclass(frozen=True)
class Tiny:
    engine: Engine
    model: str


@pytest.fixture(scope="module")
def tiny(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    programs = installed(Path(pytestconfig.cache.mkdir("transformers")), *REQUIREMENTS)
    folder = tmp_path_factory.mktemp("transformers")
    model = str(folder / "tiny")
    subprocess.run(
        [programs / "python", Path(__file__).with_name("tiny_model.py"), model], check=True, capture_output=True
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [programs / "transformers", "serve", model, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    with (
        running(*command, ready=f"{url}/health", log=folder / "serve.log", env={"HF_HUB_OFFLINE": "1"}),
        behind_berlin(url, folder, models=(model,)) as engine,
    ):
        yield Tiny(engine, model)


@pytest.fixture(scope="module")
def expected(tiny: Tiny) -> str:
    """What the model says, by a plain request without streaming."""
    body = {"model": tiny.model, "messages": [{"role": "user", "content": "Hello"}], "stream": False}
    body |= {"temperature": 0, "max_tokens": TOKENS}
    request = urllib.request.Request(
        tiny.engine.url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


async def test_the_reply_is_what_the_model_says_without_streaming(tiny: Tiny, expected: str, ask: Any):
    reply = await ask(tiny.engine, "Hello", tiny.model, temperature=0, max_tokens=TOKENS)
    assert reply.error is None
    assert reply.text == expected


async def test_a_reply_arrives_in_pieces(tiny: Tiny, ask: Any):
    reply = await ask(tiny.engine, "Hello", tiny.model, temperature=0, max_tokens=1000)  # as long as many reads
    assert reply.error is None
    assert len(reply.pieces) > 1


async def test_a_reply_that_reached_its_limit_says_so_and_what_it_cost(tiny: Tiny):
    messages = [{"role": "user", "content": "Hello"}]
    options = {"temperature": 0, "max_tokens": TOKENS}
    told = [item async for item in OpenAICompatible.stream(tiny.model, messages, url=tiny.engine.url, **options)]
    prompt = 1 + len("Hello") + 1 + 1  # <user>, its bytes, <end>, <assistant>
    assert told[-2:] == [Usage(prompt, TOKENS), Finish("length")]
    before = tiny.engine.balance
    await outcome(through_berlin(tiny.engine, "Hello", tiny.model, **options))
    assert before - tiny.engine.balance == prompt + TOKENS


async def test_a_reply_closed_in_the_middle_leaves_the_engine_free_for_the_next(
    tiny: Tiny, expected: str, generator: Ask, ask: Any
):
    async with aclosing(generator(tiny.engine, "Hello", tiny.model, temperature=0, max_tokens=3000)) as pieces:
        assert await anext(pieces)
    reply = await ask(tiny.engine, "Hello", tiny.model, temperature=0, max_tokens=TOKENS)
    assert reply.text == expected


async def test_another_model_than_its_own_is_refused(tiny: Tiny, ask: Any):
    failure = (await ask(tiny.engine, "Hello", "nonesuch")).failure
    assert isinstance(failure, ServerError)
    assert "nonesuch" in str(failure)
    assert isinstance(failure, ModelUnknownError) or "pinned" in str(failure)
