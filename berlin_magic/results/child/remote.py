"""Objects of the worker process, for the check that runs in the judge's."""

from __future__ import annotations

import builtins
import json
import reprlib
import subprocess
from collections.abc import Callable
from typing import Any

from . import values

__all__ = ["Names", "Remote", "ReplyError", "Worker", "WorkerEndedError", "shown"]

_ANSWER_LIMIT = 16_000_000  # bytes of one answer of the worker
_ERROR_LIMIT = 3000  # characters of an error
_CALLS_SHOWN = 5  # the last calls, if the check fails


class WorkerEndedError(BaseException):
    """The worker ended, or was ended, before the check."""


class ReplyError(Exception):
    """An error of the code whose class is not a built-in one."""


class Worker:
    """The process of the code, which takes requests.

    Parameters
    ----------
    process : Popen
        The process, which runs `worker.main`.

    Attributes
    ----------
    calls : list of str
        The last calls of the code, and what they returned.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._to, self._from = process.stdin, process.stdout
        self._callbacks: list[Callable[..., Any]] = []
        self.calls: list[str] = []

    def begin(self, limits: Any) -> None:
        """Send the limits of the process, which it reads first."""
        self._send(limits)

    def ask(self, do: str, *args: Any, keep: bool = False, **more: Any) -> Any:
        """Call a function of `operator`, or a built-in one, in the worker; with `keep` its result stays there."""
        encoded = {key: self._encode(one) for key, one in more.items()}
        request = {"do": do, "args": [self._encode(one) for one in args], "more": encoded, "keep": keep}
        try:
            answer = self.request(request)
        except Exception as error:
            if do == "call":
                self._log(f"{_shown_call(args, more)} raised {type(error).__name__}")
            raise
        for number, record in (answer.get("changed") or {}).items():
            _update(args[int(number)], self.decode(record))
        result = self.decode(answer.get("value"))
        if do == "call":
            self._log(f"{_shown_call(args, more)} gave {shown(result)}")
        return result

    def _log(self, call: str) -> None:
        self.calls.append(call)
        del self.calls[:-_CALLS_SHOWN]

    def request(self, request: Any) -> Any:
        """Send a request and return its answer; raise the error that is in it."""
        self._send(request)
        while "callback" in (answer := self._receive()):
            self._send(self._call_back(answer))
        if error := answer.get("error"):
            raised: Any = _error_of(error)
            raised.trace = str(error.get("trace"))[: 2 * _ERROR_LIMIT]
            raise raised
        return answer

    def decode(self, record: Any) -> Any:
        """Return the value; for an object that the worker keeps, a `Remote`."""
        return values.decode(record, self._decode_other)

    def _decode_other(self, record: Any) -> Any:
        if record.get("$") == "callback":
            return self._callbacks[record["id"]]
        if record.get("$") != "object":
            raise ReplyError("the code returned a record that is not a value")
        return Remote(self, int(record["id"]), str(record.get("kind"))[:100], str(record.get("repr"))[:200])

    def _encode(self, value: Any) -> Any:
        return values.encode(value, self._reference)

    def _reference(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return {"$": "object", "id": _field(value, "id")}
        if not callable(value):
            values.refused(value)
        if getattr(builtins, name := getattr(value, "__name__", ""), None) is value:
            return {"$": "builtin", "name": name}
        self._callbacks.append(value)
        return {"$": "callback", "id": len(self._callbacks) - 1}

    def _call_back(self, request: Any) -> Any:
        try:
            function = self._callbacks[int(request["callback"])]
            given = {str(key): self.decode(one) for key, one in request["more"].items()}
            return {"value": self._encode(function(*[self.decode(one) for one in request["args"]], **given))}
        except Exception as error:  # noqa: BLE001 - the worker raises it again
            return {"error": {"kind": type(error).__name__, "said": str(error)}}

    def _send(self, request: Any) -> None:
        assert self._to is not None  # noqa: S101 - it is a pipe
        try:
            self._to.write(json.dumps(request).encode() + b"\n")
            self._to.flush()
        except OSError:
            raise WorkerEndedError from None

    def _receive(self) -> Any:
        assert self._from is not None  # noqa: S101 - it is a pipe
        line = self._from.readline(_ANSWER_LIMIT)
        if not line.endswith(b"\n"):
            if len(line) < _ANSWER_LIMIT:
                raise WorkerEndedError
            raise ReplyError(f"the code returned a value of more than {_ANSWER_LIMIT // 1_000_000} MB")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ReplyError("the code has written into the pipe of its answers")
        return answer


def _update(mine: Any, changed: Any) -> None:
    """Give a list, dict or set of the check the contents that the code has given its copy."""
    if (type(mine) is list and type(changed) is list) or (type(mine) is bytearray and type(changed) is bytearray):
        mine[:] = changed
    elif (type(mine) is dict and type(changed) is dict) or (type(mine) is set and type(changed) is set):
        mine.clear()
        mine.update(changed)


def _error_of(record: Any) -> Exception:
    """Return an error with the name and text of one of the code, and of its nearest built-in class."""
    kinds = [str(kind)[:100] for kind in record.get("kinds") or ()]
    known = [getattr(builtins, kind, None) for kind in kinds]
    base = next((one for one in known if isinstance(one, type) and issubclass(one, Exception)), ReplyError)
    said = str(record.get("said"))[:_ERROR_LIMIT]
    if not kinds or base.__name__ == kinds[0]:
        kind = base
    else:
        kind = type(
            kinds[0] if kinds[0].isidentifier() else "ReplyError", (base if base is not Exception else ReplyError,), {}
        )
    try:
        return kind(said)
    except TypeError:  # UnicodeDecodeError and the like need further arguments
        return ReplyError(f"{kinds[0]}: {said}")


class Remote:
    """An object that the worker keeps, such as a function or an instance of a class of the code's."""

    def __init__(self, worker: Worker, id_: int, kind: str, shown: str) -> None:
        for name, value in {"worker": worker, "id": id_, "kind": kind, "shown": shown, "name": ""}.items():
            object.__setattr__(self, f"_Remote__{name}", value)

    def __getattr__(self, name: str) -> Any:
        found = self.__worker.ask("getattr", self, name)
        return _named(found, f"{_name_of(self)}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self.__worker.ask("setattr", self, name, value)

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Call the object in the worker."""
        return self.__worker.ask("call", self, *args, **more)

    def __repr__(self) -> str:
        return str(self.__shown)

    def __str__(self) -> str:
        return str(self.__worker.ask("str", self))

    def __bool__(self) -> bool:
        return self.__worker.ask("bool", self) is True

    def __iter__(self) -> Any:
        return self.__worker.ask("iter", self, keep=True)

    def __instancecheck__(self, one: object) -> bool:
        return isinstance(one, Remote) and self.__worker.ask("isinstance", one, self) is True

    def __enter__(self) -> Any:
        return self.__worker.ask("getattr", self, "__enter__")()

    def __exit__(self, *error: object) -> None:
        self.__worker.ask("getattr", self, "__exit__")(None, None, None)


def _field(value: Any, name: str) -> Any:
    return object.__getattribute__(value, f"_Remote__{name}")


def _name_of(value: Any) -> str:
    return _field(value, "name") or repr(value)


def _named(value: Any, name: str) -> Any:
    if isinstance(value, Remote):
        object.__setattr__(value, "_Remote__name", name)
    return value


def _requested(do: str, *, keep: bool, reflected: bool = False) -> Callable[..., Any]:
    def method(self: Remote, *args: Any) -> Any:
        return _field(self, "worker").ask(do, *((*args, self) if reflected else (self, *args)), keep=keep)

    return method


def _compared(do: str) -> Callable[[Remote, Any], Any]:
    def method(self: Remote, other: Any) -> Any:
        if isinstance(other, Remote):
            return _field(self, "worker").ask(do, self, other)
        kind = _field(self, "kind")
        raise TypeError(
            f"an object of the class {kind} is compared with {shown(other)}: the result of its own comparison "
            "is not trusted; compare its parts, or convert it (int, str, list, …)"
        )

    return method


for _do in ("len", "next", "int", "float", "index", "hash", "getitem", "setitem", "delitem"):
    setattr(Remote, f"__{_do}__", _requested(_do, keep=False))
# The result of an operator stays in the worker: `x - 4` tells the code the expected value, and its `0` proves nothing.
for _do in ("neg", "pos", "abs", "invert", "round"):
    setattr(Remote, f"__{_do}__", _requested(_do, keep=True))
for _do in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "matmul",
    "pow",
    "lshift",
    "rshift",
    "and_",
    "or_",
    "xor",
):
    setattr(Remote, f"__{_do.rstrip('_')}__", _requested(_do, keep=True))
    setattr(Remote, f"__r{_do.rstrip('_')}__", _requested(_do, keep=True, reflected=True))
for _do in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Remote, f"__{_do}__", _compared(_do))


class Names(dict[str, Any]):
    """The namespace of the check: the user's names, and those of the code, which are requested when they are used."""

    def __init__(self, worker: Worker, of_code: set[str]) -> None:
        super().__init__(__name__="__check__")
        self._worker = worker
        self._of_code = of_code
        self.used: set[str] = set()

    def __missing__(self, name: str) -> Any:
        if name not in self._of_code:
            raise KeyError(name)
        if hasattr(builtins, name):
            raise NameError(f"the code must not define {name}, a built-in name which the check uses")
        self.used.add(name)
        return _named(self._worker.decode(self._worker.request({"do": "get", "name": name}).get("value")), name)


def shown(value: Any) -> str:
    """Return the beginning of the `repr` of a value."""
    return _REPR.repr(value)


def _shown_call(args: Any, more: Any) -> str:
    given = [*map(shown, args[1:]), *(f"{key}={shown(one)}" for key, one in more.items())]
    return f"{_name_of(args[0])}({', '.join(given)})"


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxdict = 12
