"""The program that runs the code of a reply for the judge.

The judge trusts nothing of it: it sends values, as data, and the judge compares them. On standard input it reads one
line of JSON for each request, and answers each with one; what the code prints goes to standard error.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import json
import operator
import os
import sys
import types
from pathlib import Path
from typing import Any

from . import landlock, source, values
from .source import trace

__all__ = ["Worker", "main"]

NAME = "<reply>"
_OWN_FILES = {__file__, source.__file__}
_KILL, _SET_PDEATHSIG = 9, 1  # SIGKILL, and PR_SET_PDEATHSIG of prctl(2)
_REPR_LIMIT = 200  # characters


class Worker:
    """The namespace of the code, and those of its objects that the judge refers to."""

    def __init__(self, requests: Any, answers: Any, *, confined: bool) -> None:
        self._confined = confined
        self._requests = requests
        self._answers = answers
        self._pid = os.getpid()
        self._objects: list[Any] = []
        self._module = types.ModuleType("__main__")

    def serve(self) -> None:
        """Answer requests until there are no more."""
        while request := self._read():
            self._write(self._answer(request))
            if request["do"] == "end":
                os._exit(0)  # threads of the code that still run are not waited for

    def _answer(self, request: Any) -> Any:
        try:
            if request["do"] in {"prepare", "run", "get", "end"}:
                return {"value": getattr(self, request["do"])(request)}
            return self._apply(request)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it is an error of the code
            return {"error": _error_record(error)}

    def prepare(self, request: Any) -> bool:
        """Define the variables and modules that the code may use; return whether this process is confined."""
        names = vars(self._module)
        for name, module in request["modules"].items():
            with contextlib.suppress(ImportError):
                names[name] = importlib.import_module(module)
        for name, record in request["variables"].items():
            names[name] = values.decode(record)
        return self._confined

    def run(self, request: Any) -> None:
        """Run the code of the reply as the code of a cell is run."""
        sys.modules["__main__"] = self._module
        source.run(request["code"], NAME, vars(self._module))

    def get(self, request: Any) -> Any:
        """Return the value of a name of the code."""
        try:
            return self._encode(vars(self._module)[request["name"]])
        except KeyError:
            raise NameError(f"name {request['name']!r} is not defined") from None

    def end(self, _request: Any) -> None:
        """Do nothing: `serve` ends the process after the answer."""

    def _apply(self, request: Any) -> Any:
        name, given = request["do"], request["args"]
        function = getattr(operator, name, None) or getattr(builtins, name)
        arguments = [self._decode(one) for one in given]
        result = function(*arguments, **{key: self._decode(one) for key, one in request["more"].items()})
        answer = {"value": self._reference(result) if request["keep"] else self._encode(result)}
        # What the code has changed in its arguments is changed in the judge's as well.
        changed = {
            str(number): now
            for number, (before, one) in enumerate(zip(given, arguments, strict=True))
            if type(one) in {list, dict, set, bytearray} and (now := self._encode(one)) != before
        }
        return {**answer, "changed": changed} if changed else answer

    def _encode(self, value: Any) -> Any:
        return values.encode(value, self._reference)

    def _reference(self, value: Any) -> Any:
        self._objects.append(value)
        try:
            text = repr(value)[:_REPR_LIMIT]
        except Exception:  # noqa: BLE001 - it is the code's own
            text = f"<{type(value).__qualname__}>"
        return {"$": "object", "id": len(self._objects) - 1, "kind": type(value).__qualname__, "repr": text}

    def _decode(self, record: Any) -> Any:
        return values.decode(record, self._other)

    def _other(self, record: Any) -> Any:
        if record["$"] == "object":
            return self._objects[record["id"]]
        if record["$"] == "builtin":
            return getattr(builtins, record["name"])
        number = record["id"]

        def callback(*args: Any, **more: Any) -> Any:
            given = {key: self._encode(one) for key, one in more.items()}
            self._write({"callback": number, "args": [self._encode(one) for one in args], "more": given})
            answer = self._read()
            if "error" in answer:
                kind = getattr(builtins, answer["error"]["kind"], RuntimeError)
                raise kind(answer["error"]["said"])
            return self._decode(answer["value"])

        return callback

    def _read(self) -> Any:
        line = self._requests.readline()
        return json.loads(line) if line else None

    def _write(self, answer: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(1)  # a fork of this process, which the code has made
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        self._answers.write(json.dumps(answer).encode() + b"\n")
        self._answers.flush()


def _error_record(error: BaseException) -> Any:
    """Return an error as data: its classes, its text, and the traceback without our own frames."""
    return {
        "kinds": [one.__name__ for one in type(error).__mro__],
        "said": str(error),
        "trace": trace(error, lambda name: name not in _OWN_FILES),
    }


def _limit(order: Any) -> None:
    """Set the limits that this system supports; the judge watches all of them."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    wanted = {
        "RLIMIT_DATA": order["memory"],  # not RLIMIT_AS: many libraries reserve far more than they use
        "RLIMIT_CPU": int(order["seconds"]) + 2,
        "RLIMIT_FSIZE": order["disk"],
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": order["processes"],
    }
    for name, limit in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            if limit is not None:
                resource.setrlimit(getattr(resource, name), (limit, limit))


def main() -> None:
    """Answer the requests of the judge."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what is printed must not be taken for an answer
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # nothing printed is lost, however the process ends
    order = json.loads(requests.readline())
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only there

        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, _KILL)
    sys.path.extend(order["paths"])
    sys.argv = [NAME]
    _limit(order)
    Worker(requests, answers, confined=landlock.confine(str(Path.cwd()))).serve()
