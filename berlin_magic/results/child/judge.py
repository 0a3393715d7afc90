"""The program that runs a check of the code of a reply.

The code runs in another process, the `worker`. What the check does with a name of the code (a call, an attribute) is
done there, and the result comes back as data. The value that it is compared with stays here, and so does the
comparison. So the code can give a wrong value, but no verdict.

On standard input it reads one line of JSON, the order, and on standard output it writes one, the verdict, with a proof
that the judge wrote it. When standard input is closed, it ends every process that it has started.
"""

from __future__ import annotations

import contextlib
import ctypes
import hmac
import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from . import values
from .remote import Names, Worker, WorkerEndedError, shown
from .source import run, trace
from .watch import Printed, Watch

__all__ = ["main", "proof"]

NAME = "<check>"
_WATCH_INTERVAL = 0.05  # seconds between two measurements of what the code uses
_CHECK_END_TIMEOUT = 1.0  # seconds for the check to end after its worker was killed
_WORKER_END_TIMEOUT = 1.0  # seconds for the worker, and the processes that it has started, to end by themselves
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def proof(secret: str, verdict: str) -> str:
    """Return the proof of a verdict, which only who knows the secret can make."""
    return hmac.new(secret.encode(), verdict.encode(), "sha256").hexdigest()


class Reply(str):
    """The text of the reply, with its code as an attribute."""

    __slots__ = ("code",)
    code: str


class Judge:
    """One run of a check, from its order to its verdict."""

    def __init__(self, order: Any, write: Callable[[str], None]) -> None:
        self._order = order
        self._write = write
        self._verdict_lock = threading.Lock()
        self._folder = Path(order["folder"])
        self._start = time.monotonic()
        self._check_output = Printed()
        self._ending = False
        self._confined = False
        self._watch: Watch

    def run(self) -> NoReturn:
        """Run the check, write the verdict, and end this process."""
        order = self._order
        sys.stdout = sys.stderr = self._check_output  # what the check itself prints
        try:
            own_names = self._own_names()
        except BaseException as error:  # noqa: BLE001 - whatever it is
            self.end("error", f"The check could not be prepared.\n{_trace(error)}")
        watch = self._watch = Watch(order, self._folder)
        reading = threading.Thread(target=self._read_output, daemon=True)
        reading.start()
        for target in (self._keep_watch, self._wait_for_close):
            threading.Thread(target=target, daemon=True).start()
        worker = Worker(watch.worker)
        kind, reason = self._check(worker, own_names)
        if kind == "passed" and (fault := self._end_worker(worker)):
            kind, reason = "failed", fault
        watch.ended.set()
        watch.kill()
        reading.join(_CHECK_END_TIMEOUT)
        self.end(kind if not watch.reason else "ended", watch.reason or reason)

    def _own_names(self) -> dict[str, Any]:
        """Return the variables and modules of the user that the check needs; they are made before the code runs."""
        order = self._order
        names: dict[str, Any] = {}
        for name, (module, attribute) in order["modules"].items():
            found = importlib.import_module(module)
            names[name] = getattr(found, attribute) if attribute else found
        for name, record in order["variables"].items():
            names[name] = values.decode(record)
        return names

    def _check(self, worker: Worker, own_names: dict[str, Any]) -> tuple[str, str]:
        """Run the code and the check; return the kind of the verdict, and why it failed."""
        order = self._order
        names = Names(worker, set(order["theirs"]))
        self.used = names.used
        names.update(own_names)
        names["reply"] = Reply(order["reply"])
        names["reply"].code = order["code"]
        stage = "The process for the code could not be prepared."
        try:
            worker.begin({name: order[name] for name in ("memory", "seconds", "disk", "processes", "paths")})
            prepare = {"do": "prepare", "variables": order["shared"], "modules": order["shared_modules"]}
            self._confined = worker.request(prepare)["value"] is True  # the code has not run yet
            stage = "The code ended with an error."
            worker.request({"do": "run", "code": order["code"]})
            stage = ""
            if unawaited := self._run_check(names):
                return "failed", unawaited
        except WorkerEndedError:
            return "failed", self._early_end()
        except BaseException as error:  # noqa: BLE001 - whatever it is
            return "failed", f"{stage}\n{getattr(error, 'trace', error)}" if stage else self._failure(error, worker)
        if order["must_use"] and not names.used:
            return "failed", "The check uses no name that the code defines, so it says nothing of the code."
        return "passed", ""

    def _run_check(self, names: Names) -> str:
        """Run the check; return the coroutines in it that were not awaited: they did not run, and so could not fail."""
        unawaited: list[str] = []
        sys.unraisablehook = lambda raised: unawaited.append(str(raised.exc_value))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "coroutine .* was never awaited")
            self._evaluate(names)
        return "\n".join(unawaited and ["The check was not run to its end.", *unawaited])

    def _evaluate(self, names: Names) -> None:
        order = self._order
        for number, source in enumerate(order["definitions"]):
            run(source, f"{NAME} {number}", names)
        if function := order["function"]:
            result = names[function](names["reply"])
            if inspect.isgenerator(result) or (result is not None and not result):
                raise AssertionError(f"{function}(reply) returned {shown(result)}")
            return
        run(order["check"], NAME, names)

    def _failure(self, error: BaseException, worker: Worker) -> str:
        """Return why the check failed, with the last calls of the code."""
        lines = [_trace(error)]
        if trace := getattr(error, "trace", ""):
            lines.append(f"In the code:\n{trace}")
        if worker.calls:
            lines.append("\n".join(worker.calls))
        return "\n".join(line.rstrip() for line in lines)

    def _early_end(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._watch.worker.wait(_WORKER_END_TIMEOUT)
        return f"The process of the code ended before the check had (exit code {self._watch.worker.returncode})."

    def _end_worker(self, worker: Worker) -> str:
        """Have the worker end; return why the check fails then: it could not end, or processes still run."""
        self._ending = True
        try:
            worker.request({"do": "end"})
            self._watch.worker.wait(_WORKER_END_TIMEOUT)
        except WorkerEndedError:
            return self._early_end()
        except (Exception, subprocess.TimeoutExpired):  # noqa: BLE001 - whatever it is
            return "The process of the code did not end."
        latest = time.monotonic() + _WORKER_END_TIMEOUT
        while (alive := self._watch.alive()) and time.monotonic() < latest:
            time.sleep(_WATCH_INTERVAL)
        return f"The code left {len(alive)} process{'es' * (len(alive) > 1)} running." if alive else ""

    def _keep_watch(self) -> None:
        watch = self._watch
        while not watch.ended.wait(_WATCH_INTERVAL):
            if watch.worker.poll() is not None and not self._ending:
                watch.kill()  # its children hold the pipe open, and the check would wait for them
            if reason := watch.exceeded_limit():
                watch.end(reason)
                if not watch.ended.wait(_CHECK_END_TIMEOUT):
                    self.end("ended", watch.reason)  # the check itself does not end
                return

    def _read_output(self) -> None:
        stream: Any = self._watch.worker.stderr
        while data := stream.read1(65536):
            self._watch.printed.add(data)

    def _wait_for_close(self) -> None:
        sys.stdin.buffer.read()  # the kernel writes nothing; it closes the pipe to stop the check, or by its own end
        self._watch.end("stopped")
        self.end("ended", "It was stopped.")

    def end(self, kind: str, reason: str) -> NoReturn:
        """Write the verdict, unless another thread has done so, and end this process."""
        self._verdict_lock.acquire()  # never released: a second thread waits until the process has ended
        printed = str(self._watch.printed) if hasattr(self, "_watch") else ""
        verdict = {
            "kind": kind,
            "said": reason.replace(str(self._folder), "."),
            "printed": printed + str(self._check_output),
            "used": sorted(getattr(self, "used", ())),
            "confined": self._confined,
            "seconds": round(time.monotonic() - self._start, 2),
        }
        with contextlib.suppress(Exception):  # a RecursionError, if the code has made a very deep folder
            shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._write(json.dumps(verdict))
        os._exit(0)


def _trace(error: BaseException) -> str:
    """Return the traceback of an error with the frames of the check."""
    return trace(error, lambda name: name.startswith(NAME))


def _most_processes(psutil: Any) -> int | None:
    """Return a limit on the user's processes and threads that lets the code start only a few more."""
    if not hasattr(os, "getuid") or os.getuid() == 0:
        return None  # there is no such limit for root
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == os.getuid():
                count += process.num_threads()
    return count + 256


def main() -> NoReturn:
    """Read the order, and write the verdict."""
    order = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed must not be taken for a verdict
    sys.path.extend(order["own_paths"])
    secret = order.pop("secret")

    def write(verdict: str) -> None:
        out.write(json.dumps([verdict, proof(secret, verdict)]).encode() + b"\n")
        out.flush()

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(
            _SET_CHILD_SUBREAPER, 1
        )  # orphans among the processes that the code starts become children of this process
    import psutil  # noqa: PLC0415 - found by the paths of the order

    order["processes"] = _most_processes(psutil)
    Judge(order, write).run()
