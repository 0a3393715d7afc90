"""Kernels of both kinds, and a Berlin server that says what the test tells it to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.scripted_server import Reply, ScriptedBerlin
from real_kernel.rig import Kernel, old_ipykernel

PASSWORD = "canary-password-7d1f"  # never to be seen in any output


class Server(ScriptedBerlin):
    """The scripted server on a loop and thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(10)

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="session", autouse=True)
def clients_loop() -> Iterator[None]:
    """One loop for jupyter_client's blocking calls, closed at the end: its own are left open, with a warning each."""
    loop = asyncio.new_event_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jupyter_core.utils.ensure_event_loop", lambda *_: loop)
        yield
    loop.close()


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.end()


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.answers(Reply("The answer is 42."))
    running_server.logins = 0
    return running_server


@pytest.fixture(scope="session")
def ipykernel_6(request: pytest.FixtureRequest) -> str:
    """The folder of an ipykernel 6, to be put before the installed one."""
    folder = Path(request.config.cache.mkdir("ipykernel-6"))
    try:
        return old_ipykernel(folder)
    except (subprocess.SubprocessError, OSError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"ipykernel 6 can't be installed here: {error}")


def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))}


@pytest.fixture(scope="module", params=["ipykernel 7", "ipykernel 6"])
def running_kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, running_server: Server
) -> Iterator[Kernel]:
    paths = [request.getfixturevalue("ipykernel_6")] if request.param == "ipykernel 6" else []
    account = {"BERLIN_URL": running_server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
    kernel = Kernel(*paths, env={**environment(tmp_path_factory), **account})
    assert kernel.value("__import__('ipykernel').version_info[0]") == request.param.split()[1]
    kernel.good("%load_ext berlin_magic")
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(running_kernel: Kernel, server: Server) -> Kernel:
    """A kernel with the extension loaded, nothing asked yet, connected to `server`."""
    running_kernel.good("%berlin reset")
    return running_kernel


@pytest.fixture
def bare_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel of its own, with nothing configured and nothing loaded."""
    kernel = Kernel(env=environment(tmp_path_factory))
    yield kernel
    kernel.close()
