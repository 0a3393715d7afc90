"""What tests of the client share: nothing set around them, a scripted server, and a loop that is left in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import assert_no_secret
from canaries import betrayed, told
from hypothesis import settings
from scripted import ScriptedServer, scripted_server

from berlin_magic.credentials import shared_token
from berlin_magic.providers import retries
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.local import engine
from berlin_magic.transport import client

# A busy machine is no fault of the code: an example may take as long as it takes.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure() -> None:
    """Let interrupts through: whoever runs the tests in the background of a script has SIGINT ignored, for good."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file's tests in one process, for they share kernels and servers; and all that need the browser.

    pytest-xdist's own way to say so, its groups, is lost on pytest 9.2.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByPlace(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)

    return ByPlace(config, log)


_WIDER = [("engines", "long"), ("long", "slow"), ("local", "slow"), ("kernel", "slow"), ("browser", "slow")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a kernel, a browser or an engine by its folder; all of them are slow.

    Engines are long as well, but for the one that runs on this machine with nothing to install for it (`local`). So is
    what runs once more on the older ipykernel.
    """
    kinds = {"real_kernel": "kernel", "browser": "browser", "engines": "engines"}
    for item in items:
        if kind := kinds.get(item.path.relative_to(Path(__file__).parent).parts[0]):
            item.add_marker(kind)
        if "ipykernel 6" in item.name:
            item.add_marker("long")
        for marker, wider in _WIDER:
            if item.get_closest_marker(marker) and not (marker == "engines" and item.get_closest_marker("local")):
                item.add_marker(wider)


def pytest_collection_finish() -> None:
    """Leave what was collected out of the searches for garbage that follow each test: thousands of items never die."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hold every test to printing and logging no secret, whatever process of its own does it."""
    report = yield
    if report.when == "teardown" and report.passed and (lines := told(text for _, text in report.sections)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} told a secret:\n" + "\n".join(lines[:20])
    return report


@pytest.fixture(scope="session", autouse=True)
def no_secret_in_any_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold all tests together to leaving no secret in any file but the user's own: databases, notebooks, logs."""
    yield
    assert not (found := betrayed(tmp_path_factory.getbasetemp())), "\n".join(found)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No server, account, proxy, login or keyring of whoever runs the tests; no token of the test before."""
    for name in list(os.environ):
        if name.startswith(
            ("BERLIN_", "OPENAI_", "OPENROUTER_", "OLLAMA_", "VLLM_", "LLAMA_", "LMSTUDIO_")
        ) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BERLIN_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state" / secrets.token_hex(8)))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setattr(shared_token, "_unusable", set())
    monkeypatch.setattr(Berlin, "_forgotten", {})
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path_factory.getbasetemp() / "no-models"))
    monkeypatch.setenv("BERLIN_DATABASE", str(tmp_path_factory.getbasetemp() / f"{secrets.token_hex(8)}.db"))
    monkeypatch.setattr(Berlin, "_token", None)
    monkeypatch.setattr(Berlin, "_tokens", {})


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Run local models with a package that only seems to; give the folder where they are looked for."""
    monkeypatch.syspath_prepend(Path(__file__).with_name("fake_engine"))
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("BERLIN_MODELS", str(folder))
    yield folder
    processes = list(engine._processes)
    engine.release_all()
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked again at once, as often as ever."""
    for name in ("_NO_CONNECTION", "_NO_ENGINE", "_LOADING", "_BUSY"):
        monkeypatch.setattr(retries, name, replace(getattr(retries, name), first_delay=0.001))


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that end in .invalid are unknown, at once."""
    _look_up(monkeypatch, lambda: None)


@pytest.fixture
def hanging_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Looking up a name that ends in .invalid takes until the event is set, or to the end of the test."""
    found_out = threading.Event()
    _look_up(monkeypatch, lambda: found_out.wait(60))
    yield found_out
    found_out.set()


def _look_up(monkeypatch: pytest.MonkeyPatch, wait: Callable[[], object]) -> None:
    known = socket.getaddrinfo

    def look_up(host: Any, *more: Any, **how: Any) -> Any:
        if str(host).endswith(".invalid"):
            wait()
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
async def order(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Hold the test to leaving no task, no connection, nothing unretrieved, no warning in a log, no secret in one."""
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    reported: list[str] = []
    loop.set_exception_handler(lambda _, context: reported.append(str(context)))
    before = asyncio.all_tasks()
    yield
    await _close_session()
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=1)
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert not reported
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], caplog.text
    assert_no_secret(caplog.text)


async def _close_session() -> None:
    """End the loop's session as the loop's end does, and hold whoever used it to having given all connections back."""
    kept = client._kept.get((os.getpid(), asyncio.get_running_loop()))
    if kept is not None:
        used = getattr(kept.session.connector, "_acquired", ())
        assert not used, f"{len(used)} connections are still in use"
        await kept.end.aclose()


@pytest.fixture
async def server(order: None) -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as scripted:
        yield scripted
        await _close_session()
        await scripted.forsaken()
