"""Servers of others: each installed in an environment of its own, and run as its users run it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from berlin_magic.server.accounts.database import AccountFile

ROOT = Path(__file__).parents[2]
ACCOUNT, PASSWORD = "ada", "canary-password"
_INSTALL = 900  # seconds


@dataclass(frozen=True)
class Engine:
    """A server that speaks OpenAI's protocol, and a Berlin server in front of it."""

    url: str
    key: str
    berlin: str
    accounts: Path

    @property
    def balance(self) -> int:
        """What is left to the one account."""
        balance = AccountFile(self.accounts).accounts[0].balance
        assert balance is not None
        return balance


def installed(cache: Path, *requirements: str) -> Path:
    """Return the folder of the programs of an environment that has `requirements`; made once, and kept in `cache`.

    Where it can't be made, the test is skipped, or fails in CI.
    """
    programs = cache / "venv" / ("Scripts" if os.name == "nt" else "bin")
    done = cache / "installed"
    with FileLock(cache / "lock"):
        if done.exists() and done.read_text() == repr(requirements):
            return programs
        try:
            _run(sys.executable, "-m", "venv", "--clear", str(cache / "venv"))
            pip = (str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            _run(*pip, "--retries", "1", *requirements)
        except (subprocess.SubprocessError, OSError) as error:
            if os.environ.get("CI"):
                raise
            said = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"{requirements[0]} can't be installed here: {said.strip()[-300:]}")
        done.write_text(repr(requirements))
    return programs


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def running(*command: str | Path, ready: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run `command` until the end of the ``with``; it begins when the address `ready` answers."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "NO_PROXY": "127.0.0.1", **(env or {})},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + 120
        while not _answers(ready):
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def behind_berlin(url: str, folder: Path, *, key: str = "", models: tuple[str, ...] = ()) -> Iterator[Engine]:
    """Run ``berlin-server --upstream`` in front of the server at `url`, with one account that has a balance."""
    accounts = folder / "class.json"
    AccountFile(accounts).add(ACCOUNT, PASSWORD, 1_000_000)
    port = free_port()
    berlin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "berlin_magic.server", "--port", str(port), "--upstream", url, "--log"]
    command += ["--accounts", str(accounts), "--grace", "1", *(part for model in models for part in ("--model", model))]
    command += ["--upstream-key-env", "ENGINE_KEY"] if key else []
    env = {"ENGINE_KEY": key, "PYTHONPATH": str(ROOT)}
    with running(*command, ready=f"{berlin}/api/config", log=folder / "berlin.log", env=env):
        yield Engine(url, key, berlin, accounts)
