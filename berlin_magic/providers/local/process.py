"""The program of the engine's process, which serves one model while somebody uses it.

It is started by its path, and shares nothing with the kernel: it imports only the standard library, filelock and
xllamacpp. The module `engine` starts it, and `lease` connects to it.

On standard input it reads one line of JSON (`Order`), and on standard output it writes one: the port at which clients
can connect. Such a connection is a *lease*. Both sides prove that they know the secret, without sending it. Then the
engine sends one line of JSON, with the address of llama.cpp's server or the reason why there is none, and the client
sends ``+`` when a question begins and ``-`` when it has ended. The engine ends when it has had no lease, or no
question, for a while.
"""

# ruff: noqa: T201 - it speaks by printing
from __future__ import annotations

import asyncio
import hmac
import importlib
import json
import os
import re
import secrets
import socket
import sys
import time
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any, TypedDict

__all__ = ["Order", "main", "proof"]

_HANDSHAKE_TIMEOUT = 10.0  # seconds
_CHECK_INTERVAL = 0.25  # seconds between two checks whether the engine is still needed
_FAILURE_SHOWN = 2.0  # seconds in which waiting clients are sent the reason why the model could not be loaded
_LOCKED = 3  # exit code: another engine runs the model
_LOG_END = 20_000  # characters of the log in which the reason is looked for
# A line of llama.cpp's log that is an error: "0.00.022.686 E llama_model_load: error loading model: ...".
_ERROR = re.compile(r"^[\d.]+ E \S+: (?:error loading model: )?(?P<message>.+)$", re.MULTILINE)
# The first error gives the reason; those of its callers only say that they failed.
_NO_REASON = re.compile(r"^(encountered an error while trying to fit|failed to load model|exiting due to)")


class Order(TypedDict):
    """What the process is told when it starts.

    ``parameters`` are the fields of llama.cpp's parameters, by their path from the whole (``"sampling.temp"``).
    """

    parameters: dict[str, Any]
    name: str
    secret: str
    lock: str
    log: str
    paths: list[str]
    idle: float
    alone: float


def proof(secret: str, role: str, *nonces: str) -> str:
    """Return a proof that one side knows the secret, which it does not reveal."""
    return hmac.new(secret.encode(), "\n".join((role, *nonces)).encode(), "sha256").hexdigest()


def main() -> int:
    """Load the model, serve it as long as it is used, and return the exit code."""
    order: Order = json.loads(sys.stdin.readline())
    sys.path.extend(order["paths"])
    from filelock import FileLock, Timeout  # noqa: PLC0415 - the order says where it is

    lock = FileLock(order["lock"], mode=0o600)  # the operating system releases it, however this process ends
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _LOCKED
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        os.dup2(log, 2)
        os.dup2(log, 1)  # the pipe is not read any more
        # xllamacpp holds the interpreter's lock while it loads: clients that connect meanwhile wait in the backlog.
        server, failure = _load(order)
        answer = {"failed": failure} if server is None else {"url": f"{server.listening_address}/v1"}
        asyncio.run(_Leases(order, answer).serve(listening))
    os._exit(0)  # at once: the system frees the memory faster than llama.cpp


def _load(order: Order) -> tuple[Any, str]:
    """Return llama.cpp's server with the model in it, or None and why it could not be loaded."""
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # of the extra `local`
        parameters = xllamacpp.CommonParams()
        parameters.model_alias = {order["name"]}
        parameters.api_keys = [order["secret"]]
        for path, value in order["parameters"].items():
            *owners, name = path.split(".")
            setattr(reduce(getattr, owners, parameters), name, value)
        return xllamacpp.Server(parameters), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, waiting clients are sent it
        return None, _reason(order["log"]) or f"{type(error).__name__}: {error}"


def _reason(log: str) -> str:
    """Return the first error in llama.cpp's log that gives a reason."""
    with suppress(OSError):
        text = Path(log).read_text("utf-8", "replace")[-_LOG_END:]
        lines = [found["message"].strip() for found in _ERROR.finditer(text)]
        return next((line for line in lines if not _NO_REASON.match(line)), lines[0] if lines else "")
    return ""


class _Leases:
    """The leases of the engine: one open connection for each client."""

    def __init__(self, order: Order, answer: dict[str, str]) -> None:
        self._secret = order["secret"]
        self._answer = answer
        self._alone, self._idle = order["alone"], order["idle"]
        self._leases = 0
        self._questions = 0
        self._used = self._left = time.monotonic()

    async def serve(self, listening: socket.socket) -> None:
        """Serve leases until there has been none, or no question, for a while."""
        server = await asyncio.start_server(self._lease, sock=listening)
        async with server:
            while not self._is_unused(time.monotonic()):  # noqa: ASYNC110 - it depends on time alone
                await asyncio.sleep(_CHECK_INTERVAL)

    def _is_unused(self, now: float) -> bool:
        if "failed" in self._answer:
            return now - self._used > _FAILURE_SHOWN
        if not self._leases:
            return now - self._left > self._alone
        return not self._questions and now - self._used > self._idle

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
                if not await self._knows_secret(reader, writer):
                    return
            self._leases += 1
            self._used = time.monotonic()
            questions = 0
            try:
                writer.write(json.dumps(self._answer).encode() + b"\n")
                await writer.drain()
                while sign := await reader.read(1):
                    step = {b"+": 1, b"-": -1 if questions else 0}.get(sign, 0)
                    questions += step
                    self._questions += step
                    self._used = time.monotonic()
            finally:
                self._leases -= 1
                self._questions -= questions
                self._left = self._used = time.monotonic()
        except (OSError, TimeoutError, ValueError):  # the client has gone, or does not know the secret
            pass
        finally:
            writer.close()

    async def _knows_secret(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        theirs = (await reader.readline()).decode().strip()
        ours = secrets.token_hex(16)
        writer.write(f"{ours} {proof(self._secret, 'engine', theirs, ours)}\n".encode())
        await writer.drain()
        answer = (await reader.readline()).decode().strip()
        return hmac.compare_digest(answer, proof(self._secret, "client", theirs, ours))


if __name__ == "__main__":
    sys.exit(main())
