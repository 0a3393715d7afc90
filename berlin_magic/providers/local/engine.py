"""Engines: find the process that runs a model, start one if there is none, and hold it while it is used.

All kernels of a user share one engine for each model. What is needed to reach it (its port and a secret) is in a file
that only the user can read. Two locks keep them from starting two: `starting`, which a kernel that looks for the engine
holds for a moment, and `running`, which the engine's process holds as long as it lives.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from berlin_magic.credentials.private_file import PrivateFile, Records, state_folder
from berlin_magic.credentials.secret import Secret, secrets_of_environment
from berlin_magic.errors import BerlinError, NotConfiguredError, ServerUnreachableError, clean
from berlin_magic.providers.local.models import ModelFile
from berlin_magic.providers.local.process import Order, proof

__all__ = ["Lease", "Options", "check_installed", "release_all", "running", "take"]

_PROGRAM = Path(__file__).with_name("process.py")
_LOOK = 0.1  # seconds between two looks at whether the wait has been given up
# What `start_new_session` does elsewhere; 0 where there is nothing of the kind.
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
_PATIENCE = 60.0  # seconds for the start of a process on a busy machine; loading may take as long as it takes
_TRIES = 100  # with a pause after each: a process that was killed takes a moment to be gone
_CHECK = 2.0  # seconds between two looks at whether the engine that does not answer still lives
_SLOTS = 4  # questions at a time; more wait for their turn
_CACHE = 256  # MB for the beginnings of conversations, which then need not be read again
_MOST_THREADS = 8  # more gain little: memory is what a model waits for
_CONTEXT = 8192  # tokens; what a model can read at most may take more memory than there is
_LONGEST_REPLY = 256  # tokens; a very small model may never come to an end


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is started; for one that runs already they change nothing.

    Attributes
    ----------
    threads : int or None
        Processor threads. None: half of what the machine has, 8 at most.
    context_length : int or None
        Tokens that can be read and written at once. None: what the model was trained for, 8192 at most.
    gpu_layers : int or None
        Layers of the model that the graphics processor takes, if xllamacpp was built for one. None: as many as fit.
    idle : float or None
        Seconds after the last question until the engine ends. None: 600.
    """

    threads: int | None = None
    context_length: int | None = None
    gpu_layers: int | None = None
    idle: float | None = None
    alone: float = 10.0
    """Seconds until it ends when its last user has gone: a kernel that is restarted finds it still there."""

    def order(self, model: ModelFile, secret: Secret, paths: _Paths) -> Order:
        """Return the order for the engine's process."""
        wanted = self.context_length or _CONTEXT
        return {
            "model": str(model.path),
            "projector": str(model.projector or ""),
            "name": model.name,
            "secret": str(secret),
            "lock": str(paths.running),
            "log": str(paths.log),
            "paths": [str(Path(_package_of(name)).parent) for name in ("xllamacpp", "filelock")],
            "threads": self.threads or _usual_threads(),
            "context_length": min(wanted, model.context_length) if model.context_length else wanted,
            "gpu_layers": -1 if self.gpu_layers is None else self.gpu_layers,
            "slots": _SLOTS,
            "longest_reply": _LONGEST_REPLY if model.is_small else -1,
            # As its authors advise (the model's card); other models bring their own, or llama.cpp's are good for them.
            "temperature": 0.2 if model.is_small else None,
            "top_p": 0.9 if model.is_small else None,
            "against_loops": model.is_small,  # else it says one line again and again, up to the limit
            "cache": _CACHE,
            "idle": 600.0 if self.idle is None else self.idle,
            "alone": self.alone,
        }


def _usual_threads() -> int:
    # llama.cpp's threads wait for each other in a busy loop: as many as processors, and one that has to share its
    # processor with a kernel or a browser slows all of them down (measured on two: 130 tokens/s with one thread, 46 to
    # 116 with two).
    return max(1, min((os.cpu_count() or 2) // 2, _MOST_THREADS))


@dataclass(slots=True)
class Lease:
    """An engine that runs, and is kept running by a connection that is held open.

    Attributes
    ----------
    url : str
        Where it speaks OpenAI's protocol.
    key : Secret
        What lets in there.
    """

    url: str
    key: Secret = field(repr=False)
    _connection: socket.socket = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(repr=False, default=None)

    @property
    def alive(self) -> bool:
        """Whether the engine still runs."""
        return not self.ends_within(0)

    def ends_within(self, seconds: float) -> bool:
        """Wait for at most so long; return whether the engine has ended."""
        try:
            self._connection.settimeout(seconds)
            return not self._connection.recv(1)  # it says nothing more; at its end there is the end of the stream
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            return True

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Let the engine know that a question is under way: it does not count as idle."""
        with suppress(OSError):
            self._connection.send(b"+")
        try:
            yield
        finally:
            with suppress(OSError):
                self._connection.send(b"-")

    def ending(self) -> str:
        """Return how the process ended, as far as that is known."""
        if self._process is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            return _ending(self._process.wait(1))
        return ""

    def close(self) -> None:
        """Give it back: the engine ends a little later, if nobody else uses it."""
        with suppress(OSError):
            self._connection.close()


@dataclass(frozen=True, slots=True)
class _Paths:
    key: str
    folder: Path

    @property
    def starting(self) -> Path:
        return self.folder / f"{self.key}.starting.lock"

    @property
    def running(self) -> Path:
        return self.folder / f"{self.key}.running.lock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.key}.log"


_leases: Final[dict[str, Lease]] = {}
_processes: Final[list[subprocess.Popen[bytes]]] = []
"""Those that this process has started: the system keeps what is left of one until its parent has looked."""

_turns: Final[dict[str, threading.Lock]] = {}
_turns_guard = threading.Lock()


def running(model: ModelFile) -> Lease | None:
    """Return the engine of `model` if this process holds it and it runs."""
    lease = _leases.get(_paths(model).key)
    return lease if lease is not None and lease.alive else None


def take(model: ModelFile, options: Options, given_up: threading.Event) -> Lease:
    """Return the engine of `model`; start it if it does not run, and wait until the model is loaded. It blocks.

    Parameters
    ----------
    model : ModelFile
        The model.
    options : Options
        How it is started.
    given_up : threading.Event
        If it is set, the wait is given up: what was started for it is ended.

    Raises
    ------
    NotConfiguredError
        If the package that runs models is not installed.
    ServerUnreachableError
        If the model can't be loaded, or its process can't be started; the message says why.
    """
    paths = _paths(model)
    with _turns_guard:
        turn = _turns.setdefault(paths.key, threading.Lock())
    with turn:  # two conversations of one kernel
        if (lease := running(model)) is not None:
            return lease
        if (old := _leases.pop(paths.key, None)) is not None:
            old.close()
        try:
            lease = _taken(model, options, paths, given_up)
        except (OSError, NotImplementedError, Timeout) as error:
            raise ServerUnreachableError(
                f"The engine for {clean(model.name, 60)} can't be started: {clean(str(error))}.\n"
                f"Its files are in {clean(str(paths.folder), 200)}; BERLIN_STATE_DIR names another folder."
            ) from None
        _leases[paths.key] = lease
        return lease


def release_all() -> None:
    """Give all engines back."""
    while _leases:
        _leases.popitem()[1].close()


def _taken(model: ModelFile, options: Options, paths: _Paths, given_up: threading.Event) -> Lease:
    for _ in range(_TRIES):
        found = _found_or_started(model, options, paths)
        try:
            lease = _leased(found, paths, given_up)
        except _LoadingFailedError as error:
            raise _failure(model, str(error)) from None
        if lease is not None:
            return lease
        if given_up.is_set():
            if found.process is not None:
                found.process.kill()  # it holds the interpreter's lock while it loads, and would not hear us
                found.process.wait()
            break
        if found.process is not None:
            code = found.process.wait(_PATIENCE)
            raise _failure(model, f"its process ended {_ending(code)} while it loaded the model")
        # The engine of another kernel ended while we waited, because it was stopped or killed: try again.
        given_up.wait(_LOOK)
    raise ServerUnreachableError(
        f"The engine for {clean(model.name, 60)} could not be reached.\nRun the cell again in a moment."
    )


def _failure(model: ModelFile, why: str) -> BerlinError:
    advice = "Fetch the file again, or name another model: `%berlin models`."
    if any(word in why for word in ("memory", "alloc", "context", "killed", "aborted")):
        advice = (
            "There may be too little memory: name a smaller model, or have it read less at once:\n"
            "`%config BerlinMagics.local_context = 2048`."
        )
    return ServerUnreachableError(
        f"{clean(model.name, 60)} ({model.size / 1e6:,.0f} MB) can't be loaded: {clean(why)}.\n{advice}"
    )


def _ending(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    return {-6: "aborted (signal 6)", -9: "killed (signal 9)"}.get(code, f"by signal {-code}")


class _LoadingFailedError(Exception):
    """The engine says that it can't load the model."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An engine's process; `process` if it was started for this wait."""

    port: int
    secret: Secret
    process: subprocess.Popen[bytes] | None = None


def _found_or_started(model: ModelFile, options: Options, paths: _Paths) -> _Found:
    paths.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _processes[:] = [one for one in _processes if one.poll() is None]
    with FileLock(paths.starting, timeout=_PATIENCE, mode=0o600, thread_local=False):
        record = _state().read().get(paths.key, {})
        if record and _runs(paths):
            return _Found(int(str(record["port"])), record["secret"])
        return _started(model, options, paths)


def _runs(paths: _Paths) -> bool:
    """Say whether an engine lives; the caller holds the lock `starting`, so that none begins meanwhile."""
    lock = FileLock(paths.running, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _is_gone(paths: _Paths) -> bool:
    try:
        with FileLock(paths.starting, timeout=0, mode=0o600, thread_local=False):
            return not _runs(paths)
    except Timeout:  # somebody is starting one
        return False


def _started(model: ModelFile, options: Options, paths: _Paths) -> _Found:
    secret = Secret(secrets.token_urlsafe(32))
    order = options.order(model, secret, paths)
    # -I, -S: nothing of the user's is looked into or run; the two packages come from where this process has them.
    # What interrupts the kernel is not for it.
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=paths.folder,  # the kernel's own may be on a drive that is to be ejected
        env=_environment(),
        start_new_session=True,
        creationflags=_WINDOWS_FLAGS,
    )
    _processes.append(process)
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    assert process.stdout is not None  # noqa: S101
    watch = threading.Timer(_PATIENCE, process.kill)
    watch.start()
    try:
        with suppress(OSError), process.stdin:
            process.stdin.write(json.dumps(order).encode() + b"\n")
        with process.stdout:
            line = process.stdout.readline()
    finally:
        watch.cancel()
    if not line.strip().isdigit():
        code = process.wait(_PATIENCE)
        raise OSError(f"{sys.executable} ended {_ending(code)}")
    port = int(line)

    def remember(records: Records) -> None:
        records[paths.key] = {"port": Secret(str(port)), "secret": secret}

    _state().change(remember)
    return _Found(port, secret, process)


def _environment() -> dict[str, str]:
    """Return the environment without passwords and keys, of which the engine needs none."""
    hidden = {str(secret) for secret in secrets_of_environment()}
    return {name: value for name, value in os.environ.items() if value not in hidden}


def _leased(found: _Found, paths: _Paths, given_up: threading.Event) -> Lease | None:
    """Return a lease once the model is loaded; None if the process has ended, or the wait was given up.

    Raises
    ------
    _LoadingFailedError
        If the model can't be loaded.
    """
    try:
        connection = socket.create_connection(("127.0.0.1", found.port), timeout=_PATIENCE)
    except OSError:
        return None
    try:
        connection.settimeout(_LOOK)
        ours = secrets.token_hex(16)
        connection.sendall(f"{ours}\n".encode())
        theirs, _, shown = (_line(connection, found, paths, given_up) or "").partition(" ")
        if not compare_digest(shown, proof(str(found.secret), "engine", ours, theirs)):
            connection.close()  # another program has the port
            return None
        connection.sendall(f"{proof(str(found.secret), 'client', ours, theirs)}\n".encode())
        said = json.loads(_line(connection, found, paths, given_up) or "{}")
    except (OSError, ValueError):
        said = {}
    if "failed" in said:
        connection.close()
        raise _LoadingFailedError(said["failed"])
    if "url" not in said:
        connection.close()
        return None
    return Lease(said["url"], found.secret, connection, found.process)


def _line(connection: socket.socket, found: _Found, paths: _Paths, given_up: threading.Event) -> str | None:
    """Return the next line; None if the other side has ended, or the wait was given up."""
    data = b""
    check = time.monotonic() + _CHECK
    while not given_up.is_set():
        try:
            piece = connection.recv(4096)
        except TimeoutError:
            if found.process is not None and found.process.poll() is not None:
                return None
            if found.process is None and time.monotonic() > check:
                if _is_gone(paths):  # and another program has its port
                    return None
                check = time.monotonic() + _CHECK
            continue
        data += piece
        if not piece:
            return None
        if data.endswith(b"\n"):
            return data.decode().strip()
    return None


def _state() -> PrivateFile:
    return PrivateFile(state_folder() / "engines" / "engines.json")


def _paths(model: ModelFile) -> _Paths:
    # A file that was replaced is another model: a kernel that has loaded the old one goes on with it.
    changed = model.path.stat().st_mtime_ns if model.path.exists() else 0
    key = hashlib.sha256(f"{os.path.normcase(model.path)}\n{model.size}\n{changed}".encode()).hexdigest()[:16]
    return _Paths(key, state_folder() / "engines")


def check_installed() -> None:
    """Raise `NotConfiguredError` if the package that runs models is not installed."""
    _package_of("xllamacpp")


def _package_of(name: str) -> str:
    """Return the folder of an installed package.

    Raises
    ------
    NotConfiguredError
        If it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise NotConfiguredError(
            'The package that runs models is not installed here: `pip install "berlin-magic[local]"`\n'
            "brings it. Then restart the kernel, and run the cell again."
        )
    return str(Path(spec.origin).parent)


def _after_fork() -> None:
    release_all()  # the connections are the parent's: the engine must see the end of them when it ends


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
