"""Find the process that runs a model, or start it.

All kernels of a user share one engine for each model. What is needed to reach it (its port and a secret) is in a file
that only the user can read. Two locks keep kernels from starting two: `starting`, which a kernel that looks for the
engine holds for a moment, and `running`, which the engine's process holds as long as it lives.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from berlin_magic.credentials.private_file import PrivateFile, Records, state_folder
from berlin_magic.credentials.secret import Secret, secrets_of_environment
from berlin_magic.errors import BerlinError, ServerUnreachableError, clean
from berlin_magic.providers.local.engine_options import Options
from berlin_magic.providers.local.lease import EngineProcess, Lease, LoadingFailedError, connect, exit_text
from berlin_magic.providers.local.models import ModelFile

__all__ = ["acquire", "release_all", "running_lease"]

_PROGRAM = Path(__file__).with_name("process.py")
# For Windows what `start_new_session` is elsewhere; 0 on other systems.
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
_START_TIMEOUT = 60.0  # seconds for the start of a process on a busy machine; loading has no limit
_ATTEMPTS = 100  # with a pause after each: a process that was killed needs a moment to end
_PAUSE = 0.1  # seconds


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
"""The processes started by this one: the system keeps an ended one until its parent asks for its exit code."""

_locks: Final[dict[str, threading.Lock]] = {}
_locks_guard = threading.Lock()


def running_lease(model: ModelFile) -> Lease | None:
    """Return the lease of the engine of `model` if this process has one and the engine runs."""
    lease = _leases.get(_paths(model).key)
    return lease if lease is not None and lease.alive else None


def acquire(model: ModelFile, options: Options, cancelled: threading.Event) -> Lease:
    """Return the lease of the engine of `model`; start the engine if it does not run. Blocks until the model is loaded.

    Parameters
    ----------
    model : ModelFile
        The model.
    options : Options
        How the engine is started.
    cancelled : threading.Event
        When it is set, the wait ends, and so does an engine that was started for it.

    Raises
    ------
    NotConfiguredError
        If the package that runs models is not installed.
    ServerUnreachableError
        If the model can't be loaded, or its process can't be started; the message says why.
    """
    paths = _paths(model)
    with _locks_guard:
        lock = _locks.setdefault(paths.key, threading.Lock())
    with lock:  # for two conversations of one kernel
        if (lease := running_lease(model)) is not None:
            return lease
        if (old := _leases.pop(paths.key, None)) is not None:
            old.close()
        try:
            lease = _connect_or_start(model, options, paths, cancelled)
        except (OSError, NotImplementedError, Timeout) as error:
            raise ServerUnreachableError(
                f"The engine for {clean(model.name, 60)} can't be started: {clean(str(error))}.\n"
                f"Its files are in {clean(str(paths.folder), 200)}; BERLIN_STATE_DIR names another folder."
            ) from None
        _leases[paths.key] = lease
        return lease


def release_all() -> None:
    """Give all leases back."""
    while _leases:
        _leases.popitem()[1].close()


def _connect_or_start(model: ModelFile, options: Options, paths: _Paths, cancelled: threading.Event) -> Lease:
    for _ in range(_ATTEMPTS):
        engine = _find_or_start(model, options, paths)
        try:
            lease = connect(engine, lambda: _is_alive(paths), cancelled)
        except LoadingFailedError as error:
            raise _load_error(model, str(error)) from None
        if lease is not None:
            return lease
        if cancelled.is_set():
            if engine.process is not None:
                engine.process.kill()  # it holds the interpreter's lock while it loads, and could not read a request
                engine.process.wait()
            break
        if engine.process is not None:
            code = engine.process.wait(_START_TIMEOUT)
            raise _load_error(model, f"its process ended {exit_text(code)} while it loaded the model")
        # The engine of another kernel was stopped or killed meanwhile: try again.
        cancelled.wait(_PAUSE)
    raise ServerUnreachableError(
        f"The engine for {clean(model.name, 60)} could not be reached.\nRun the cell again in a moment."
    )


def _load_error(model: ModelFile, reason: str) -> BerlinError:
    advice = "Fetch the file again, or name another model: `%berlin models`."
    if any(word in reason for word in ("memory", "alloc", "context", "killed", "aborted")):
        advice = (
            "There may be too little memory: name a smaller model, or have it read less at once:\n"
            "`%config BerlinMagics.local_context = 2048`."
        )
    return ServerUnreachableError(
        f"{clean(model.name, 60)} ({model.size / 1e6:,.0f} MB) can't be loaded: {clean(reason)}.\n{advice}"
    )


def _find_or_start(model: ModelFile, options: Options, paths: _Paths) -> EngineProcess:
    paths.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _processes[:] = [process for process in _processes if process.poll() is None]
    with FileLock(paths.starting, timeout=_START_TIMEOUT, mode=0o600, thread_local=False):
        record = _records_file().read().get(paths.key, {})
        if record and _holds_lock(paths):
            return EngineProcess(int(str(record["port"])), record["secret"])
        return _start(model, options, paths)


def _holds_lock(paths: _Paths) -> bool:
    """Return whether an engine runs. The caller holds the lock `starting`, so that none is started meanwhile."""
    lock = FileLock(paths.running, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _is_alive(paths: _Paths) -> bool:
    try:
        with FileLock(paths.starting, timeout=0, mode=0o600, thread_local=False):
            return _holds_lock(paths)
    except Timeout:  # another kernel is starting one
        return True


def _start(model: ModelFile, options: Options, paths: _Paths) -> EngineProcess:
    secret = Secret(secrets.token_urlsafe(32))
    order = options.order(model, secret, paths.running, paths.log)
    # -I, -S: nothing of the user's is read or run; the two packages come from where this process has them. A new
    # session: interrupts of the kernel do not reach it.
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
    timer = threading.Timer(_START_TIMEOUT, process.kill)
    timer.start()
    try:
        with suppress(OSError), process.stdin:
            process.stdin.write(json.dumps(order).encode() + b"\n")
        with process.stdout:
            line = process.stdout.readline()
    finally:
        timer.cancel()
    if not line.strip().isdigit():
        code = process.wait(_START_TIMEOUT)
        raise OSError(f"{sys.executable} ended {exit_text(code)}")
    port = int(line)

    def put(records: Records) -> None:
        records[paths.key] = {"port": Secret(str(port)), "secret": secret}

    _records_file().change(put)
    return EngineProcess(port, secret, process)


def _environment() -> dict[str, str]:
    """Return the environment without passwords and keys, of which the engine needs none."""
    hidden = {str(secret) for secret in secrets_of_environment()}
    return {name: value for name, value in os.environ.items() if value not in hidden}


def _records_file() -> PrivateFile:
    return PrivateFile(state_folder() / "engines" / "engines.json")


def _paths(model: ModelFile) -> _Paths:
    # A file that was replaced is another model: a kernel that has loaded the old one goes on using it.
    changed = model.path.stat().st_mtime_ns if model.path.exists() else 0
    key = hashlib.sha256(f"{os.path.normcase(model.path)}\n{model.size}\n{changed}".encode()).hexdigest()[:16]
    return _Paths(key, state_folder() / "engines")


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # The connections are the parent's: the engine must see their end when the parent ends.
    os.register_at_fork(after_in_child=release_all)
