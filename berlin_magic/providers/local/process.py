"""The program of the engine's own process: it loads one model, and serves it while somebody uses it.

It is started by its path, with nothing of the kernel's in it: only the standard library, filelock and xllamacpp are
imported here. `engine` is its other side.

On standard input it reads one line of JSON (`Order`), and on standard output it writes one: the port on which it can be
spoken to. A connection there is a *lease*. Both sides prove that they know the secret, without sending it; then the
engine sends one line of JSON, with the address of llama.cpp's server or the reason why there is none, and the client
sends ``+`` when a question begins and ``-`` when it has ended. The engine ends when it has no lease any more, or when
nobody has asked for a while.
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
from pathlib import Path
from typing import Any, TypedDict

__all__ = ["Order", "main", "proof"]

_HANDSHAKE = 10.0  # seconds
_LOOK = 0.25  # seconds between two looks at whether anybody is there
_TELLING = 2.0  # seconds for those who wait to hear that the model could not be loaded
_LOST = 3  # exit code: another engine has the model
_LAST_LINES = 20_000  # characters of the log in which the reason is looked for
# A line of llama.cpp's log that is an error: "0.00.022.686 E llama_model_load: error loading model: ...".
_ERROR = re.compile(r"^[\d.]+ E \S+: (?:error loading model: )?(?P<said>.+)$", re.MULTILINE)
# What goes wrong first says why; then each caller says that it failed.
_NO_REASON = re.compile(r"^(encountered an error while trying to fit|failed to load model|exiting due to)")


class Order(TypedDict):
    """The order that the engine gets at its start."""

    model: str
    projector: str
    name: str
    secret: str
    lock: str
    log: str
    paths: list[str]
    threads: int
    context_length: int
    gpu_layers: int
    slots: int
    longest_reply: int
    temperature: float | None
    top_p: float | None
    against_loops: bool
    cache: int
    idle: float
    alone: float


def proof(secret: str, role: str, *nonces: str) -> str:
    """Return a proof that a side knows the secret; it does not reveal the secret."""
    return hmac.new(secret.encode(), "\n".join((role, *nonces)).encode(), "sha256").hexdigest()


def main() -> int:
    """Load the model, serve it until nobody uses it any more; return the exit code."""
    order: Order = json.loads(sys.stdin.readline())
    sys.path.extend(order["paths"])
    from filelock import FileLock, Timeout  # noqa: PLC0415 - where it is has just been told

    lock = FileLock(order["lock"], mode=0o600)  # the operating system lets go of it however this process ends
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _LOST
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        os.dup2(log, 2)
        os.dup2(log, 1)  # nobody reads the pipe any more
        # xllamacpp holds the interpreter's lock while it loads: clients that connect meanwhile wait in the backlog.
        server, failure = _loaded(order)
        said = {"failed": failure} if server is None else {"url": f"{server.listening_address}/v1"}
        asyncio.run(_Leases(order, said).serve(listening))
    os._exit(0)  # at once: nobody is waiting for what llama.cpp would still free


def _loaded(order: Order) -> tuple[Any, str]:
    """Return llama.cpp's server with the model in it, or None and why it could not be loaded."""
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # of the extra `local`
        parameters = xllamacpp.CommonParams()
        parameters.model.path = order["model"]
        parameters.model_alias = {order["name"]}
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.api_keys = [order["secret"]]
        parameters.ui = False
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = order["threads"]
        parameters.n_ctx = order["context_length"]
        parameters.n_gpu_layers = order["gpu_layers"]
        parameters.n_parallel = order["slots"]
        parameters.kv_unified = True  # one question can have the whole context, several share it
        parameters.cache_ram_mib = order["cache"]
        parameters.n_predict = order["longest_reply"]
        if order["temperature"] is not None:
            parameters.sampling.temp = order["temperature"]
        if order["top_p"] is not None:
            parameters.sampling.top_p = order["top_p"]
        if order["against_loops"]:  # the usual strength of "don't repeat yourself" (llama.cpp, tools/server/README.md)
            parameters.sampling.dry_multiplier = 0.8
        if order["projector"]:
            parameters.mmproj.path = order["projector"]
        return xllamacpp.Server(parameters), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is to hear it
        return None, _reason(order["log"]) or f"{type(error).__name__}: {error}"


def _reason(log: str) -> str:
    """Return the first error in llama.cpp's log that says something."""
    with suppress(OSError):
        text = Path(log).read_text("utf-8", "replace")[-_LAST_LINES:]
        lines = [found["said"].strip() for found in _ERROR.finditer(text)]
        return next((line for line in lines if not _NO_REASON.match(line)), lines[0] if lines else "")
    return ""


class _Leases:
    """The clients of the engine, each with a connection that is held open."""

    def __init__(self, order: Order, said: dict[str, str]) -> None:
        self._secret = order["secret"]
        self._said = said
        self._alone, self._idle = order["alone"], order["idle"]
        self._leases = 0
        self._running = 0
        self._used = self._left = time.monotonic()

    async def serve(self, listening: socket.socket) -> None:
        """Serve leases until nobody has one, or nobody has asked for a while."""
        server = await asyncio.start_server(self._lease, sock=listening)
        async with server:
            while not self._over(time.monotonic()):  # noqa: ASYNC110 - time alone brings it about
                await asyncio.sleep(_LOOK)

    def _over(self, now: float) -> bool:
        if "failed" in self._said:
            return now - self._used > _TELLING
        if not self._leases:
            return now - self._left > self._alone
        return not self._running and now - self._used > self._idle

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HANDSHAKE):
                if not await self._knows_secret(reader, writer):
                    return
            self._leases += 1
            self._used = time.monotonic()
            running = 0
            try:
                writer.write(json.dumps(self._said).encode() + b"\n")
                await writer.drain()
                while sign := await reader.read(1):
                    step = {b"+": 1, b"-": -1 if running else 0}.get(sign, 0)
                    running += step
                    self._running += step
                    self._used = time.monotonic()
            finally:
                self._leases -= 1
                self._running -= running
                self._left = self._used = time.monotonic()
        except (OSError, TimeoutError, ValueError):  # the client has left, or does not know the secret
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
