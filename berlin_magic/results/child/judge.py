"""The program that runs a check, and has the code of the reply run in a process of its own.

The code never runs here. What the check does with a name of the code (a call, an attribute) is done by the `worker`,
which gives back data; what that is compared with stays here, and so does the comparison. So code can give a wrong
value, but no verdict.

On standard input it reads one line of JSON, the order, and on standard output it writes one, the verdict, with a proof
that it is the judge's. It ends all that it has started when standard input is closed, whatever that does.
"""

from __future__ import annotations

import contextlib
import ctypes
import hmac
import importlib
import inspect
import json
import linecache
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from . import values
from .remote import Gone, Names, Worker, shown
from .watch import Printed, Watch

__all__ = ["main", "proof"]

NAME = "<check>"
_LOOK = 0.05  # seconds between two looks at what the code uses
_LAST_WORD = 1.0  # seconds for the check to notice that the worker has been ended
_LEAVING = 1.0  # seconds for the worker, and what it has started, to end by themselves
_REAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def proof(secret: str, verdict: str) -> str:
    """Return what only the judge can say of its verdict."""
    return hmac.new(secret.encode(), verdict.encode(), "sha256").hexdigest()


class Reply(str):
    """The text of the reply, with its code as an attribute."""

    __slots__ = ("code",)
    code: str


class Judge:
    """One check, from its order to its verdict."""

    def __init__(self, order: Any, say: Callable[[str], None]) -> None:
        self._order = order
        self._say = say
        self._said = threading.Lock()
        self._folder = Path(order["folder"])
        self._began = time.monotonic()
        self._own = Printed()
        self._leaving = False
        self._confined = False
        self._watch: Watch

    def run(self) -> NoReturn:
        """Give the verdict, and end."""
        order = self._order
        sys.stdout = sys.stderr = self._own  # what the check itself prints
        try:
            mine = self._own_names()
        except BaseException as error:  # noqa: BLE001 - whatever it is
            self.end("error", f"The check could not be prepared.\n{_trace(error)}")
        watch = self._watch = Watch(order, self._folder)
        reading = threading.Thread(target=self._read_output, daemon=True)
        reading.start()
        for target in (self._keep_watch, self._wait_for_orders):
            threading.Thread(target=target, daemon=True).start()
        worker = Worker(watch.worker)
        kind, said = self._checked(worker, mine)
        if kind == "passed" and (left := self._left(worker)):
            kind, said = "failed", left
        watch.ended.set()
        watch.kill()
        reading.join(_LAST_WORD)
        self.end(kind if not watch.reason else "ended", watch.reason or said)

    def _own_names(self) -> dict[str, Any]:
        """Return what the check needs of the user's namespace, made before the code runs."""
        order = self._order
        names: dict[str, Any] = {}
        for name, (module, attribute) in order["modules"].items():
            found = importlib.import_module(module)
            names[name] = getattr(found, attribute) if attribute else found
        for name, record in order["variables"].items():
            names[name] = values.decode(record)
        return names

    def _checked(self, worker: Worker, mine: dict[str, Any]) -> tuple[str, str]:
        order = self._order
        names = Names(worker, set(order["theirs"]))
        self.used = names.used
        names.update(mine)
        names["reply"] = Reply(order["reply"])
        names["reply"].code = order["code"]
        at = "The process for the code could not be prepared."
        try:
            worker.begin({name: order[name] for name in ("memory", "seconds", "disk", "processes", "paths")})
            prepare = {"do": "prepare", "variables": order["shared"], "modules": order["shared_modules"]}
            self._confined = worker.request(prepare)["value"] is True  # the code has not run yet
            at = "The code ended with an error."
            worker.request({"do": "run", "code": order["code"]})
            at = ""
            if waits := self._run_check(names):
                return "failed", waits
        except Gone:
            return "failed", self._gone()
        except BaseException as error:  # noqa: BLE001 - whatever it is
            return "failed", f"{at}\n{getattr(error, 'trace', error)}" if at else self._failure(error, worker)
        if order["must_use"] and not names.used:
            return "failed", "The check uses no name that the code defines, so it says nothing of the code."
        return "passed", ""

    def _run_check(self, names: Names) -> str:
        """Run the check; return what of it did not run, as nobody has waited for it: that would pass unseen."""
        unawaited: list[str] = []
        sys.unraisablehook = lambda raised: unawaited.append(str(raised.exc_value))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "coroutine .* was never awaited")
            self._evaluate(names)
        return "\n".join(unawaited and ["The check was not run to its end.", *unawaited])

    def _evaluate(self, names: Names) -> None:
        order = self._order
        text: str = order["check"]
        _keep_lines(NAME, text)
        for number, source in enumerate(order["definitions"]):
            where = f"{NAME} {number}"
            _keep_lines(where, source)
            exec(compile(source, where, "exec", dont_inherit=True), names)  # noqa: S102 - the user's own
        if function := order["function"]:
            result = names[function](names["reply"])
            if inspect.isgenerator(result) or (result is not None and not result):
                raise AssertionError(f"{function}(reply) returned {shown(result)}")
            return
        exec(compile(text, NAME, "exec", dont_inherit=True), names)  # noqa: S102 - the user's own

    def _failure(self, error: BaseException, worker: Worker) -> str:
        """Return what the check has found, with what the code gave."""
        lines = [_trace(error)]
        if trace := getattr(error, "trace", ""):
            lines.append(f"In the code:\n{trace}")
        if worker.calls:
            lines.append("\n".join(worker.calls))
        return "\n".join(line.rstrip() for line in lines)

    def _gone(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._watch.worker.wait(_LEAVING)
        return f"The process of the code ended before the check had (exit code {self._watch.worker.returncode})."

    def _left(self, worker: Worker) -> str:
        """Have the worker end; return what is against it: that it could not, or has left something running."""
        self._leaving = True
        try:
            worker.request({"do": "end"})
            self._watch.worker.wait(_LEAVING)
        except Gone:
            return self._gone()
        except (Exception, subprocess.TimeoutExpired):  # noqa: BLE001 - whatever it is
            return "The process of the code did not end."
        latest = time.monotonic() + _LEAVING
        while (alive := self._watch.alive()) and time.monotonic() < latest:
            time.sleep(_LOOK)
        return f"The code left {len(alive)} process{'es' * (len(alive) > 1)} running." if alive else ""

    def _keep_watch(self) -> None:
        watch = self._watch
        while not watch.ended.wait(_LOOK):
            if watch.worker.poll() is not None and not self._leaving:
                watch.kill()  # what it has left would keep its end from being noticed
            if reason := watch.look():
                watch.end(reason)
                if not watch.ended.wait(_LAST_WORD):
                    self.end("ended", watch.reason)  # the check itself does not come to an end
                return

    def _read_output(self) -> None:
        stream: Any = self._watch.worker.stderr
        while data := stream.read1(65536):
            self._watch.printed.add(data)

    def _wait_for_orders(self) -> None:
        sys.stdin.buffer.read()  # nothing comes; it ends when the kernel wants the check no more, or is gone
        self._watch.end("stopped")
        self.end("ended", "It was stopped.")

    def end(self, kind: str, said: str) -> NoReturn:
        """Give the verdict, unless another thread has done so, and end."""
        self._said.acquire()  # for ever: who comes second waits until the process has ended
        printed = str(self._watch.printed) if hasattr(self, "_watch") else ""
        verdict = {
            "kind": kind,
            "said": said.replace(str(self._folder), "."),
            "printed": printed + str(self._own),
            "used": sorted(getattr(self, "used", ())),
            "confined": self._confined,
            "seconds": round(time.monotonic() - self._began, 2),
        }
        with contextlib.suppress(Exception):  # a RecursionError, if the code has made a very deep folder
            shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._say(json.dumps(verdict))
        os._exit(0)


def _keep_lines(name: str, source: str) -> None:
    """Let tracebacks show the lines of `source`."""
    lines = f"{source}\n".splitlines(keepends=True)  # without the last line break the marks below are one off (3.11)
    linecache.cache[name] = (len(source), None, lines, name)


def _trace(error: BaseException) -> str:
    """Return the traceback of an error as far as it is in the check."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(NAME)]
    stack = "".join(traceback.format_list(traceback.StackSummary.from_list(frames)))
    said = "".join(traceback.format_exception_only(error))
    return f"Traceback (most recent call last):\n{stack}{said}" if stack else said


def _most_processes(psutil: Any) -> int | None:
    """Return how many processes and threads the user may have, so that the code can start only a few more."""
    if not hasattr(os, "getuid") or os.getuid() == 0:
        return None  # there is no such limit for root
    count = 0
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.uids().real == os.getuid():
                count += one.num_threads()
    return count + 256


def main() -> NoReturn:
    """Read the order, and give the verdict."""
    order = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed is no verdict
    sys.path.extend(order["own_paths"])
    secret = order.pop("secret")

    def say(verdict: str) -> None:
        out.write(json.dumps([verdict, proof(secret, verdict)]).encode() + b"\n")
        out.flush()

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_REAPER, 1)  # what the code starts and leaves becomes a child of this process
    import psutil  # noqa: PLC0415 - found by the paths of the order

    order["processes"] = _most_processes(psutil)
    Judge(order, say).run()
