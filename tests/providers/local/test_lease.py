"""The lease of an engine: both sides have to prove that they know the secret."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from gguf_files import model_file

from berlin_magic.credentials.private_file import PrivateFile, state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.engine_options import Options
from berlin_magic.providers.local.lease import EngineProcess, Lease, connect

pytestmark = pytest.mark.slow


@pytest.fixture
def lease(fake_engine: Path) -> Lease:
    model_file(fake_engine / "a.gguf")
    return engine.acquire(models.find("a"), Options(), threading.Event())


def test_another_program_that_answers_in_the_engines_place_is_found_out():
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as foreign:

        def pretend() -> None:
            connection, _ = foreign.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"0123 0123\n")
                heard.append(connection.recv(4096))

        thread = threading.Thread(target=pretend)
        thread.start()
        found = EngineProcess(foreign.getsockname()[1], Secret("canary-of-an-engine"))
        assert connect(found, lambda: True, threading.Event()) is None
        thread.join()
    assert heard[-1] == b"" and b"canary" not in heard[0]


def test_who_does_not_know_the_secret_gets_no_lease(lease: Lease):
    port = int(next(iter(PrivateFile(state_folder() / "engines" / "engines.json").read().values()))["port"])
    for said in (b"\n\n", b"abc\n0123\n", b"x" * 100_000 + b"\n\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(said)
            received = b""
            try:
                while piece := connection.recv(4096):
                    received += piece
            except ConnectionResetError:
                pass
        assert b"url" not in received
