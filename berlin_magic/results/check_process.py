"""Run a check in a process of its own."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import shutil
import site
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from berlin_magic.concurrency import in_thread
from berlin_magic.results.check_names import Names
from berlin_magic.results.checks import Check, Limits, Verdict
from berlin_magic.results.child.judge import proof
from berlin_magic.results.child.watch import WINDOWS_FLAGS

__all__ = ["environment_of_child", "run_check"]

_PROGRAM = Path(__file__).parent / "child" / "__main__.py"
_JUDGE_TIMEOUT = 30.0  # seconds beside those of the code, for the judge to start and to end
_END_TIMEOUT = 2.0  # seconds for the judge to end its processes, before it is killed
_VERDICT_LIMIT = 4_000_000  # bytes of a verdict

# The variables without which a program can't run. Nothing that a user or a service has set is passed on.
_ALLOWED = {
    *("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
}
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


async def run_check(
    check: Check, reply: str, code: str, names: Names, *, limits: Limits, python: str = sys.executable
) -> Verdict:
    """Run a check, and return its verdict. If this is cancelled, all its processes are ended at once.

    Parameters
    ----------
    check : Check
        The check.
    reply, code : str
        The reply, and the code in it.
    names : Names
        The names from the user's namespace.
    limits : Limits
        What the code may use.
    python : str
        The interpreter.
    """
    order = {
        "check": check.statement,
        "function": check.function,
        "must_use": not check.function,
        "reply": reply,
        "code": code,
        **asdict(names),
        "theirs": sorted(names.theirs),
        **asdict(limits),
        "paths": [path for path in [site.getusersitepackages()] if site.ENABLE_USER_SITE],
        "own_paths": [path or str(Path.cwd()) for path in sys.path],
    }
    process = _Process(order, python)
    try:
        return await in_thread(process.verdict)
    finally:
        process.end()


def environment_of_child(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the environment of the process, with no credential, and with `folder` as its home."""
    kept = {name: value for name, value in environ.items() if name.upper() in _ALLOWED or name.startswith("LC_")}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), folder)
    return {**kept, **homes, **dict.fromkeys(_ONE_THREAD, "1"), "MPLBACKEND": "Agg"}


class _Process:
    """The judge's process, from its start to its end."""

    def __init__(self, order: dict[str, Any], python: str) -> None:
        self._order = order
        self._python = python
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._ended = False

    def verdict(self) -> Verdict:
        """Start the judge and wait for its verdict."""
        secret = secrets.token_hex(32)
        with self._lock:
            if self._ended:
                return Verdict("ended", "It was stopped.")
            # Resolved, as the code sees its name: it is removed from the verdict's texts.
            self._folder = str(Path(tempfile.mkdtemp(prefix="berlin-check-")).resolve())
            process = self._process = subprocess.Popen(  # noqa: S603 - our own program
                [self._python, "-I", "-B", "-X", "utf8", str(_PROGRAM), "judge"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=environment_of_child(os.environ, self._folder),
                start_new_session=True,
                creationflags=WINDOWS_FLAGS,
            )
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        timer = threading.Timer(self._order["seconds"] + _JUDGE_TIMEOUT, self._kill)
        timer.daemon = True
        timer.start()
        try:
            order = {**self._order, "folder": self._folder, "secret": secret}
            with contextlib.suppress(OSError):  # it has ended already
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()
            line = process.stdout.readline(_VERDICT_LIMIT)
        finally:
            timer.cancel()
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            text, proven = json.loads(line)
            if hmac.compare_digest(proven, proof(secret, text)):
                return Verdict.of(json.loads(text))
        return Verdict("error", "The process that runs the check ended without a verdict.")

    def end(self) -> None:
        """End the judge and its processes, without waiting."""
        with self._lock:
            self._ended = True
        threading.Thread(target=self._close, name="berlin_magic end of a check", daemon=True).start()

    def _close(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe; the judge ends everything when it is closed
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]  # it is a pipe
        if process.returncode != 0:  # the code has killed the judge
            self._kill_orphans()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill_orphans(self) -> None:
        """Kill the processes that the judge has not ended; they have its folder as their home."""
        import psutil  # noqa: PLC0415 - seldom needed

        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("HOME") == self._folder:
                    process.kill()

    def _kill(self) -> None:
        """Kill the judge and its children."""
        import psutil  # noqa: PLC0415 - seldom needed

        process = self._process
        assert process is not None  # noqa: S101 - it was started
        with contextlib.suppress(psutil.Error):
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with contextlib.suppress(psutil.Error):
                    one.kill()
