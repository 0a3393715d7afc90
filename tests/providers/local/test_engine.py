"""The engine's process: one for all, found again, and gone with its last user. `fake` is in the place of llama.cpp."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import HELLO, outcome
from filelock import FileLock
from gguf_files import model_file

from berlin_magic.credentials.private_file import PrivateFile, state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import (
    IncompleteReplyError,
    ModelUnknownError,
    NotConfiguredError,
    PromptError,
    ServerUnreachableError,
)
from berlin_magic.messages import Notice, Text
from berlin_magic.providers.local import engine, engine_options, models
from berlin_magic.providers.local.engine_options import Options
from berlin_magic.providers.local.lease import Lease
from berlin_magic.providers.local.models import ModelFile
from berlin_magic.providers.local.provider import Local

pytestmark = pytest.mark.slow

WHO = [{"role": "user", "content": "who"}]
HANG = [{"role": "user", "content": "hang"}]


def model_named(folder: Path, name: str) -> ModelFile:
    model_file(folder / f"{name}.gguf")
    return models.find(name)


def take(model: ModelFile, options: Options | None = None) -> Lease:
    return engine.acquire(model, options or Options(), threading.Event())


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    latest = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < latest, "it did not come to be"
        time.sleep(0.02)


def loaded(model: ModelFile) -> list[int]:
    """Return the processes that have had the model in memory."""
    path = model.path.with_suffix(".loaded")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def runs(model: ModelFile) -> bool:
    return engine._is_alive(engine._paths(model))


async def test_a_question_is_answered_and_the_next_one_by_the_same_process(fake_engine: Path, order: None):
    model = model_named(fake_engine, "a")
    first = await outcome(Local.create_async_generator("a", WHO))
    second = await outcome(Local.create_async_generator("", WHO))
    assert first.error is None and first.text == second.text == str(loaded(model)[0])
    assert int(first.text) != os.getpid()


async def test_an_image_is_refused_before_an_engine_is_started_if_the_model_reads_none(fake_engine: Path, order: None):
    model = model_named(fake_engine, "a")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]
    refused = await outcome(Local.create_async_generator("a", asked))
    assert isinstance(refused.failure, PromptError) and "reads text only" in str(refused.error)
    assert not loaded(model)


async def test_the_wait_for_a_model_that_is_loaded_is_told(fake_engine: Path):
    model_named(fake_engine, "slow")
    stream = Local.stream("slow", HELLO)
    assert await anext(stream) == Notice("loading slow, 0 MB")
    await stream.aclose()


async def test_stopping_while_it_is_loaded_ends_the_engine(fake_engine: Path, order: None):
    model = model_named(fake_engine, "slow")
    stream = Local.stream("slow", HELLO)
    assert isinstance(await anext(stream), Notice)
    await asyncio.to_thread(until, lambda: loaded(model))
    await stream.aclose()
    await asyncio.to_thread(until, lambda: not runs(model))


async def test_two_conversations_of_one_kernel_share_one_engine(fake_engine: Path, order: None):
    model = model_named(fake_engine, "a")
    replies = await asyncio.gather(*(outcome(Local.create_async_generator("a", WHO)) for _ in range(10)))
    assert {reply.text for reply in replies} == {str(loaded(model)[0])}
    assert len(loaded(model)) == 1


ASK = """
import asyncio, sys, threading
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.provider import Local
engine.acquire(models.find("a"), engine.Options(alone=1), threading.Event())
async def main():
    print([piece async for piece in Local.create_async_generator("a", [{"role": "user", "content": "who"}])])
    sys.stdout.flush()
    sys.stdin.readline()
asyncio.run(main())
"""


def kernel() -> subprocess.Popen[str]:
    """Start another process of the user's, which asks, and goes on until it is told to end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", ASK], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_several_processes_share_one_engine_though_they_start_at_once(fake_engine: Path):
    model = model_named(fake_engine, "a")
    kernels = [kernel() for _ in range(4)]
    try:
        assert {answer(one) for one in kernels} == {f"['{loaded(model)[0]}']"}
    finally:
        for one in kernels:
            end(one)
    assert len(loaded(model)) == 1


@pytest.mark.slow
def test_the_engine_outlives_the_process_that_started_it_while_another_uses_it_and_no_longer(
    fake_engine: Path,
):
    model = model_named(fake_engine, "a")
    first = kernel()
    assert answer(first) == f"['{loaded(model)[0]}']"
    lease = take(model)
    end(first)  # as `kill -9` does
    with pytest.raises(AssertionError):  # longer than it would be left alone
        until(lambda: not lease.alive, seconds=2)
    engine.release_all()
    until(lambda: not runs(model))


@pytest.mark.slow
def test_an_engine_that_is_not_asked_ends_though_its_user_lives(fake_engine: Path):
    model = model_named(fake_engine, "a")
    lease = take(model, Options(idle=0.5))
    with lease.in_use(), pytest.raises(AssertionError):
        until(lambda: not lease.alive, seconds=1.5)
    until(lambda: not lease.alive)
    assert take(model).alive
    assert len(loaded(model)) == 2


def test_an_engine_whose_last_user_has_gone_is_there_for_a_moment(fake_engine: Path):
    model = model_named(fake_engine, "a")
    take(model, Options(alone=5))
    engine.release_all()
    take(model)
    assert len(loaded(model)) == 1


async def test_a_reply_whose_engine_is_killed_keeps_what_came_and_the_next_question_starts_another(fake_engine: Path):
    model = model_named(fake_engine, "a")
    stream = Local.stream("a", HANG)
    while not isinstance(event := await anext(stream), Text):
        pass
    assert event == Text("Hello")
    engine._processes[-1].kill()
    with pytest.raises(IncompleteReplyError, match=r"engine of a ended in the middle of the reply.*\n.*starts it anew"):
        await anext(stream)
    reply = await outcome(Local.create_async_generator("a", WHO))
    assert reply.text == str(loaded(model)[1])


async def test_an_engine_that_ended_between_two_questions_is_started_anew_without_a_word(fake_engine: Path):
    model = model_named(fake_engine, "a")
    assert (await outcome(Local.create_async_generator("a", WHO))).error is None
    engine._processes[-1].kill()
    reply = await outcome(Local.create_async_generator("a", WHO))
    assert reply.error is None and reply.text == str(loaded(model)[1])


async def test_a_connection_that_is_closed_before_the_reply_began_is_made_anew(fake_engine: Path):
    model_named(fake_engine, "a")
    drop = [{"role": "user", "content": "drop"}]
    reply = await outcome(Local.create_async_generator("a", drop))
    assert reply.error is None and reply.text == "Hello"


@pytest.mark.slow
async def test_a_model_that_cannot_be_loaded_is_told_with_the_reason(fake_engine: Path, order: None):
    model = model_named(fake_engine, "broken")
    failure = (await outcome(Local.create_async_generator("broken", HELLO))).failure
    assert isinstance(failure, ServerUnreachableError)
    assert str(failure).startswith("broken (0 MB) can't be loaded: it is odd.\n")
    await asyncio.to_thread(until, lambda: not runs(model))


@pytest.mark.skipif(os.name == "nt", reason="Windows shows a dialog of its own for abort()")
async def test_an_engine_that_crashes_while_it_loads_leaves_the_kernel_alone(fake_engine: Path, order: None):
    model_named(fake_engine, "crash")
    failure = (await outcome(Local.create_async_generator("crash", HELLO))).failure
    assert "its process ended aborted (signal 6) while it loaded the model" in str(failure)
    assert "too little memory" in str(failure)


def records() -> PrivateFile:
    return PrivateFile(state_folder() / "engines" / "engines.json")


def test_another_program_on_the_engines_port_gets_no_question(fake_engine: Path):
    model = model_named(fake_engine, "a")
    take(model).close()
    engine._processes[-1].kill()
    engine._processes[-1].wait()
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        foreign.settimeout(0.5)

        def move(records: dict[str, dict[str, Secret]]) -> None:
            for record in records.values():
                record["port"] = Secret(str(foreign.getsockname()[1]))

        records().change(move)
        assert take(model).alive
        with pytest.raises(TimeoutError):
            foreign.accept()


@pytest.mark.slow
@pytest.mark.parametrize("listens", [True, False])
def test_an_engine_that_takes_a_moment_to_be_gone_is_waited_for_whoever_has_its_port(fake_engine: Path, listens: bool):
    model = model_named(fake_engine, "a")
    take(model).close()
    engine._processes[-1].kill()
    engine._processes[-1].wait()
    engine._leases.clear()
    ending = FileLock(engine._paths(model).running, thread_local=False)  # as an engine has it that nobody can reach
    ending.acquire()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def move(records: dict[str, dict[str, Secret]]) -> None:
            for record in records.values():
                record["port"] = Secret(str(silent.getsockname()[1]))

        records().change(move)
        if not listens:
            silent.close()
        threading.Timer(0.5, ending.release).start()
        assert take(model).alive


async def test_settings_reach_the_engine_and_passwords_of_the_environment_do_not(
    fake_engine: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SCHOOL_API_KEY", "canary-key-of-a-school")
    model_named(fake_engine, "a")
    asked = [{"role": "user", "content": "settings"}]
    reply = await outcome(
        Local.create_async_generator("a", asked, local_threads=3, local_context=1000, local_gpu_layers=7)
    )
    assert reply.text == "3 1000 7"
    reply = await outcome(Local.create_async_generator("a", [{"role": "user", "content": "environment"}]))
    assert str(Path(os.environ["BERLIN_MODELS"])) in reply.text.replace("\\\\", "\\")
    assert "canary" not in reply.text


async def test_errors_name_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path))
    assert isinstance((await outcome(Local.create_async_generator("", HELLO))).failure, NotConfiguredError)
    assert isinstance((await outcome(Local.create_async_generator("x", HELLO))).failure, ModelUnknownError)
    model_file(tmp_path / "a.gguf")
    monkeypatch.setattr(engine_options.importlib.util, "find_spec", lambda name: None)
    failure = (await outcome(Local.create_async_generator("a", HELLO))).failure
    assert isinstance(failure, NotConfiguredError) and "berlin-magic[local]" in str(failure)


def test_malformed_messages_are_refused_at_the_call():
    with pytest.raises(ValueError, match="message"):
        Local.stream("", [{"role": "user"}])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_does_not_keep_the_engine_running(fake_engine: Path):
    model = model_named(fake_engine, "a")
    take(model, Options(alone=0.5))
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(ready, 1)
        engine.release_all()
        until(lambda: not runs(model))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)
