"""The lease of an engine: a connection that keeps its process running."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hmac import compare_digest

from berlin_magic.credentials.secret import Secret
from berlin_magic.providers.local.process import proof

__all__ = ["EngineProcess", "Lease", "LoadingFailedError", "connect", "exit_text"]

_CONNECT_TIMEOUT = 60.0  # seconds, on a busy machine
_POLL_INTERVAL = 0.1  # seconds between two checks whether the wait was cancelled
_ALIVE_INTERVAL = 2.0  # seconds between two checks whether an engine that does not answer still runs


class LoadingFailedError(Exception):
    """The engine can't load the model; the message is its reason."""


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """An engine's process.

    Attributes
    ----------
    port : int
        The port at which it gives leases.
    secret : Secret
        What both sides have to know.
    process : Popen or None
        The process, if this kernel has just started it.
    """

    port: int
    secret: Secret
    process: subprocess.Popen[bytes] | None = None


@dataclass(slots=True)
class Lease:
    """An engine that runs, and that an open connection keeps running.

    Attributes
    ----------
    url : str
        The address at which it speaks OpenAI's protocol.
    key : Secret
        The key for that address.
    """

    url: str
    key: Secret = field(repr=False)
    _connection: socket.socket = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(repr=False, default=None)

    @property
    def alive(self) -> bool:
        """Whether the engine still runs."""
        return not self.ends_within(0)

    def ends_within(self, timeout: float) -> bool:
        """Wait for the engine's end for at most `timeout` seconds; return whether it has ended."""
        try:
            self._connection.settimeout(timeout)
            return not self._connection.recv(1)  # the engine sends nothing more; its end closes the connection
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            return True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Tell the engine that a question is running, so that it does not count as idle."""
        with suppress(OSError):
            self._connection.send(b"+")
        try:
            yield
        finally:
            with suppress(OSError):
                self._connection.send(b"-")

    def exit_text(self) -> str:
        """Return how the process ended; empty if that is not known."""
        if self._process is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            return exit_text(self._process.wait(1))
        return ""

    def close(self) -> None:
        """Give the lease back. The engine ends a little later, if it has no other."""
        with suppress(OSError):
            self._connection.close()


def exit_text(code: int) -> str:
    """Return how a process with that exit code ended, to follow the word "ended"."""
    if code >= 0:
        return f"with exit code {code}"
    return {-6: "aborted (signal 6)", -9: "killed (signal 9)"}.get(code, f"by signal {-code}")


def connect(engine: EngineProcess, is_alive: Callable[[], bool], cancelled: threading.Event) -> Lease | None:
    """Return a lease once the model is loaded; None if the process has ended, or the wait was cancelled.

    Parameters
    ----------
    engine : EngineProcess
        The process. Another program may have its port by now: that one does not know the secret.
    is_alive : callable
        Returns whether an engine that another kernel has started still runs.
    cancelled : threading.Event
        Ends the wait when it is set.

    Raises
    ------
    LoadingFailedError
        If the model can't be loaded.
    """
    try:
        connection = socket.create_connection(("127.0.0.1", engine.port), timeout=_CONNECT_TIMEOUT)
    except OSError:
        return None
    answer = {}
    with suppress(OSError, ValueError):
        connection.settimeout(_POLL_INTERVAL)
        ours = secrets.token_hex(16)
        connection.sendall(f"{ours}\n".encode())
        theirs, _, proven = _read_line(connection, engine, is_alive, cancelled).partition(" ")
        if compare_digest(proven, proof(str(engine.secret), "engine", ours, theirs)):
            connection.sendall(f"{proof(str(engine.secret), 'client', ours, theirs)}\n".encode())
            answer = json.loads(_read_line(connection, engine, is_alive, cancelled) or "{}")
    if "url" in answer:
        return Lease(answer["url"], engine.secret, connection, engine.process)
    connection.close()
    if "failed" in answer:
        raise LoadingFailedError(answer["failed"])
    return None


def _read_line(
    connection: socket.socket, engine: EngineProcess, is_alive: Callable[[], bool], cancelled: threading.Event
) -> str:
    """Return the next line; empty if the other side has ended, or the wait was cancelled."""
    data = b""
    next_check = time.monotonic() + _ALIVE_INTERVAL
    while not cancelled.is_set():
        try:
            piece = connection.recv(4096)
        except TimeoutError:
            if engine.process is not None:
                if engine.process.poll() is not None:
                    return ""
            elif time.monotonic() > next_check:
                if not is_alive():  # and another program has its port
                    return ""
                next_check = time.monotonic() + _ALIVE_INTERVAL
            continue
        data += piece
        if not piece:
            return ""
        if data.endswith(b"\n"):
            return data.decode().strip()
    return ""
