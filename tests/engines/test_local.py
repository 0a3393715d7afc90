"""The model that runs on this machine: a real one, though very small, in llama.cpp."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pydantic
import pytest
from asking import outcome
from engines.peer import ACCOUNT, PASSWORD, ROOT, free_port, running
from real_kernel.rig import Kernel

from berlin_magic.errors import (
    IncompleteReplyError,
    ModelUnknownError,
    ReplyFormatError,
    ServerError,
    ServerUnreachableError,
)
from berlin_magic.messages import Finish, Notice, Text, Usage
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.local import engine
from berlin_magic.providers.local.models import ModelFile
from berlin_magic.providers.local.provider import Local
from berlin_magic.results.conversation import Conversation
from berlin_magic.results.typed import schema_of
from berlin_magic.server.accounts.database import AccountFile

pytestmark = pytest.mark.local

CAPITAL = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
STORY = [{"role": "user", "content": "Tell me a long story about a ship."}]


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    latest = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < latest, "it did not come to be"
        await asyncio.sleep(0.05)


def runs(model: ModelFile) -> bool:
    return engine._is_alive(engine._paths(model))


def busy(model: ModelFile) -> bool:
    """Return whether the engine is writing a reply: llama.cpp's own word."""
    lease = engine.running_lease(model)
    assert lease is not None
    request = urllib.request.Request(
        lease.url.removesuffix("/v1") + "/slots", headers={"Authorization": f"Bearer {lease.key!s}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return any(slot["is_processing"] for slot in json.load(answer))


async def test_a_reply_streams_and_ends_with_what_it_cost(local: ModelFile):
    events = [event async for event in Local.stream("", STORY, temperature=0, max_tokens=100)]
    texts = [event.text for event in events if isinstance(event, Text)]
    assert len(texts) > 3
    usage, finish = events[-2:]
    assert isinstance(usage, Usage) and usage.prompt_tokens and usage.completion_tokens
    assert isinstance(finish, Finish) and finish.reason in {"stop", "length"}


async def test_the_first_load_is_told_and_the_next_question_waits_for_none(local: ModelFile):
    first = [event async for event in Local.stream("", CAPITAL, max_tokens=2)]
    assert first[0] == Notice("loading SmolLM2-135M, 98 MB") or isinstance(first[0], Text)
    second = [event async for event in Local.stream("", CAPITAL, max_tokens=2)]
    assert not [event for event in second if isinstance(event, Notice)]


async def test_a_reply_ends_at_the_length_that_was_asked_for(local: ModelFile):
    events = [event async for event in Local.stream("", STORY, max_tokens=12)]
    assert events[-1] == Finish("length")
    assert isinstance(events[-2], Usage) and events[-2].completion_tokens == 12


async def test_stop_frees_the_engine_at_once(local: ModelFile):
    async with aclosing(Local.stream("", STORY, max_tokens=4000)) as stream:
        while not isinstance(await anext(stream), Text):
            pass
        assert await asyncio.to_thread(busy, local)
    await until(lambda: not busy(local), seconds=10)  # the whole reply would take a minute


async def test_a_reply_keeps_to_a_schema(local: ModelFile):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 120}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    question = [{"role": "user", "content": "Invent a person."}]
    reply = await outcome(Local.create_async_generator("", question, response_format=wanted))
    person = json.loads(reply.text)
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


@dataclasses.dataclass
class Person:
    name: Annotated[str, pydantic.Field(max_length=20)]
    age: Annotated[int, pydantic.Field(ge=0, le=120)]


class Family(pydantic.BaseModel):
    people: Annotated[list[Person], pydantic.Field(min_length=2, max_length=2)]
    home: Literal["Berlin", "Bonn"]


class Pet(TypedDict):
    legs: Literal[2, 4]


@pytest.mark.parametrize(
    "type_",
    [
        Person,
        Family,
        Pet,
        Literal["spam", "ham"],
        Annotated[list[Person], pydantic.Field(min_length=1, max_length=1)],
        {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
    ],
)
async def test_a_value_of_any_type_is_right_at_once_as_the_engine_can_write_nothing_else(local: ModelFile, type_: Any):
    talk = Conversation(model="local:")
    value = await talk.ask("Invent one.", as_=type_, temperature=0, max_tokens=200)
    assert schema_of(type_).parse(talk[0].reply) == value
    assert len(talk) == 1


async def test_a_value_that_the_length_limit_cuts_off_does_not_fit_and_is_kept(local: ModelFile):
    talk = Conversation(model="local:")
    with pytest.raises(ReplyFormatError, match="does not fit"):
        await talk.ask("Say hello.", as_=Family, temperature=0, max_tokens=10)  # the limit cuts the JSON off
    (turn,) = talk  # it would be cut off again
    assert turn.reply and turn.reason == "length"


async def test_what_is_longer_than_the_model_reads_is_refused_with_advice(local: ModelFile):
    question = [{"role": "user", "content": "Ship. " * 3000}]
    failure = (await outcome(Local.create_async_generator("", question, local_context=1024))).failure
    assert isinstance(failure, ServerError)
    assert "%berlin reset" in str(failure) and "context_limit" in str(failure)
    assert "SmolLM2-135M" in str(failure) and "127.0.0.1" not in str(failure)


async def test_what_a_conversation_leaves_out_makes_it_fit(local: ModelFile):
    talk = Conversation(model="local:", local_context=1024)
    for number in range(6):
        talk.add_messages(
            [{"role": "user", "content": f"{number} " + "word " * 300}, {"role": "assistant", "content": "Yes."}]
        )
    with pytest.raises(ServerError, match="context_limit"):
        await talk.ask("What is the capital of France?", max_tokens=5)
    talk.context_limit = 700
    assert await talk.ask("What is the capital of France?", max_tokens=5)
    assert talk[-1].prompt_tokens and talk[-1].prompt_tokens < 1024


async def test_an_engine_killed_in_the_middle_leaves_the_partial_reply_and_the_next_question_starts_another(
    local: ModelFile,
):
    talk = Conversation(model="local:")
    pieces: list[str] = []

    async def read() -> None:
        async for piece in talk.stream("Tell me a long story about a ship.", max_tokens=4000):
            pieces.append(piece)
            if len(pieces) == 5:
                engine._processes[-1].kill()

    with pytest.raises(IncompleteReplyError, match="ended in the middle of the reply"):
        await read()
    assert talk[-1].reply == "".join(pieces) and len(pieces) >= 5
    assert await talk.ask("What is the capital of France?", max_tokens=5)


@pytest.mark.parametrize("damage", ["foreign", "cut", "header"])
async def test_a_damaged_model_is_told_and_the_kernel_lives(local: ModelFile, damage: str, tmp_path: Path):
    whole = local.path.read_bytes()
    path = tmp_path / "damaged.gguf"
    path.write_bytes({"foreign": b"\x7fELF" + whole[:5000], "cut": whole[:5_000_000], "header": whole[:3000]}[damage])
    failure = (await outcome(Local.create_async_generator(str(path), CAPITAL))).failure
    assert isinstance(failure, ModelUnknownError if damage == "foreign" else ServerUnreachableError)
    assert {"foreign": "not a GGUF file", "cut": "not within the file bounds", "header": ""}[damage] in str(failure)
    assert (await outcome(Local.create_async_generator("", CAPITAL, max_tokens=2))).error is None


TOO_LITTLE_MEMORY = """
import asyncio, resource, threading
from berlin_magic.errors import ServerUnreachableError
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.provider import Local

local = models.default()
limit = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, limit[1]))  # the engine inherits it
large = models.ModelFile(local.name, local.path, local.size, 0)
try:
    engine.acquire(large, engine.Options(context_length=1_000_000), threading.Event())
except ServerUnreachableError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, limit)
for process in engine._processes:
    process.wait(30)
print("ended:", all(process.returncode is not None for process in engine._processes))

async def answer():
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    return "".join([piece async for piece in Local.create_async_generator("", messages, max_tokens=2)])

print("answered:", bool(asyncio.run(answer())))
for process in engine._processes:
    process.kill()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory that holds for one process")
def test_too_little_memory_is_told_and_the_process_lives(local: ModelFile):
    # In a process of its own: that of the tests has hundreds of threads, whose stacks alone are more than the limit.
    done = subprocess.run(
        [sys.executable, "-c", TOO_LITTLE_MEMORY], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"can't be loaded.*\nThere may be too little memory", done.stdout), done.stdout
    assert done.stdout.endswith("ended: True\nanswered: True\n"), done.stdout


async def test_the_engine_takes_another_port_if_its_last_one_is_taken(local: ModelFile):
    assert (await outcome(Local.create_async_generator("", CAPITAL, max_tokens=2))).error is None
    lease = engine.running_lease(local)
    assert lease is not None
    port = int(lease.url.rpartition(":")[2].removesuffix("/v1"))
    engine._processes[-1].kill()
    engine._processes[-1].wait()
    with socket.create_server(("127.0.0.1", port)):
        assert (await outcome(Local.create_async_generator("", CAPITAL, max_tokens=2))).error is None


@contextmanager
def kernels(count: int, model: ModelFile, folder: Path) -> Iterator[list[Kernel]]:
    env = {"BERLIN_MODELS": str(model.path.parent), "BERLIN_STATE_DIR": str(folder / "state")}
    started: list[Kernel] = []
    try:
        for _ in range(count):
            started.append(Kernel(env=env))
            started[-1].good("%load_ext berlin_magic")
        yield started
    finally:
        for kernel in started:
            kernel.close()


def engine_of(folder: Path) -> list[int]:
    """Return the processes of the engines whose state is in `folder`, by what the system says of them."""
    import psutil

    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "process.py" in " ".join(process.info["cmdline"] or ()) and str(folder) in (process.info["cwd"] or "")
    ]


def test_ten_notebooks_at_once_have_one_engine_and_ten_answers(local: ModelFile, tmp_path: Path):
    with kernels(10, local, tmp_path) as ten:
        asked = [kernel.send("%%berlin --max-tokens 20\nWhat is the capital of France?") for kernel in ten]
        for kernel, request in zip(ten, asked, strict=True):
            run = kernel.finish(request, timeout=200)
            assert run.status == "ok", run.error
            assert run.answer["text/plain"].strip()
            assert "a very small model: expect mistakes" in json.dumps(run.outputs[0])
        assert len(engine_of(tmp_path)) == 1


@pytest.mark.skipif(os.name == "nt", reason="kernels are killed as POSIX does")
def test_an_engine_is_gone_after_its_kernel_was_killed(local: ModelFile, tmp_path: Path):
    with kernels(1, local, tmp_path) as (kernel,):
        kernel.good("%%berlin --max-tokens 5\nWhat is the capital of France?")
        (process,) = engine_of(tmp_path)
        os.kill(kernel.pid, signal.SIGKILL)
        latest = time.monotonic() + engine.Options().alone + 10
        while engine_of(tmp_path):
            assert time.monotonic() < latest, f"the engine {process} outlives its kernel"
            time.sleep(0.1)


def test_a_kernel_with_a_local_model_needs_less_than_30_mb_more(local: ModelFile, tmp_path: Path):
    import psutil

    with kernels(1, local, tmp_path) as (kernel,):
        kernel.good("%%berlin -m guide\nHow do I stop a reply?")  # what any question needs
        before = psutil.Process(kernel.pid).memory_info().rss
        kernel.good("%%berlin --max-tokens 20\nWhat is the capital of France?")
        assert psutil.Process(kernel.pid).memory_info().rss - before < 30 * 2**20


async def test_berlin_server_serves_it(local: ModelFile, tmp_path: Path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    accounts = tmp_path / "class.json"
    AccountFile(accounts).add(ACCOUNT, PASSWORD, 1_000_000)
    command = [sys.executable, "-m", "berlin_magic.server", "--local", "--port", str(port), "--grace", "1"]
    with running(
        *command, "--accounts", accounts, ready=f"{url}/api/config", log=tmp_path / "log", env={"PYTHONPATH": str(ROOT)}
    ):
        assert "a very small model: expect mistakes" in (tmp_path / "log").read_text()
        asked = Berlin.create_async_generator("", CAPITAL, url=url, account=ACCOUNT, password=PASSWORD)
        reply = await outcome(asked)
        assert reply.error is None and reply.text
        assert await Berlin.models(url=url, account=ACCOUNT, password=PASSWORD) == ["SmolLM2-135M"]
        before = AccountFile(accounts).accounts[0].balance
        assert before is not None and before < 1_000_000
