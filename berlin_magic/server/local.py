"""The local server: the Berlin server in a thread of this process, for this process alone."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from weakref import WeakSet

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import BerlinError, ServerUnreachableError
from berlin_magic.server.engine import Engine

__all__ = ["LocalServer"]

_ACCOUNT = "notebook"
_GRACE = 0.2  # seconds for running replies at the end; this process asked for them and no longer waits
_JOIN = 5.0  # seconds


class LocalServer:
    """A server on a free loopback port, in a daemon thread with an event loop of its own.

    User code that blocks the main loop does not stall it. Only one account can log in, with a secret made for this
    start: other users of this machine can reach the port, but can't log in. It is a part of this
    process, so that it ends with it however that ends.

    Attributes
    ----------
    url : str
        ``http://127.0.0.1:PORT``.
    account : str
        The one account.
    password : Secret
        Its password.

    Examples
    --------
    >>> server = LocalServer.start()
    >>> server.alive
    True
    >>> server.close()
    """

    def __init__(self, engine_factory: Callable[[], Engine] | None = None) -> None:
        self.account = _ACCOUNT
        self.password = Secret(secrets.token_urlsafe(32))
        self._socket = _loopback_socket()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._engine_factory = engine_factory or _embedded_engine
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="berlin-server", daemon=True)

    @classmethod
    def start(cls, engine_factory: Callable[[], Engine] | None = None, timeout: float = 10.0) -> Self:
        """Start a server and return it when it answers. Blocks: on a loop, call it with `asyncio.to_thread`.

        Parameters
        ----------
        engine_factory : callable, optional
            Makes the engine; called in the server's thread. The embedded engine by default.
        timeout : float
            Seconds to wait at most.

        Raises
        ------
        BerlinError
            If it does not start.
        """
        server = cls(engine_factory)
        server._thread.start()
        _running.add(server)
        atexit.register(server.close)
        if not server._ready.wait(timeout):
            server.close(wait=False)
            raise ServerUnreachableError(f"The embedded server did not start within {timeout:g} s; try again.")
        if server._failure is not None:
            server.close()
            kind = type(server._failure).__name__
            raise BerlinError(f"The embedded server did not start ({kind}); set BERLIN_URL to use another.") from (
                server._failure
            )
        return server

    @property
    def alive(self) -> bool:
        """Whether it is running, and in this process: a fork has no copy of it."""
        return self._pid == os.getpid() and self._thread.is_alive() and not self._stop.is_set()

    def close(self, *, wait: bool = True) -> None:
        """End it: running replies are cut, the port is free again. Does nothing if it has ended already."""
        if self._pid != os.getpid():
            return
        atexit.unregister(self.close)
        with suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._stop.set)
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(_JOIN)

    def __repr__(self) -> str:
        return f"<LocalServer {self.url}, {'running' if self.alive else 'ended'}>"

    def _run(self) -> None:
        # Not `asyncio.run`: that waits for the loop's worker threads in a new thread, which can't be started any more
        # when this runs at the interpreter's exit.
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - a thread has no caller; `start` raises it in its own
            self._failure = error
        finally:
            self._end_loop()
            self._ready.set()

    async def _serve(self) -> None:
        # Imported here, in this thread: they take a while, and the caller's loop goes on meanwhile.
        from berlin_magic.server.accounts.model import SecretAccount  # noqa: PLC0415
        from berlin_magic.server.application import application  # noqa: PLC0415
        from berlin_magic.server.serving import listen  # noqa: PLC0415

        app = application(self._engine_factory(), SecretAccount(self.account, self.password), unnamed="")
        runner, _ = await listen(app, self._socket, grace=_GRACE)
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            await runner.cleanup()

    def _end_loop(self) -> None:
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._socket.close()

    def _leave_to_parent(self) -> None:
        # Else the fork would hold the port open, and clients waiting, when the parent is gone.
        self._socket.close()


_running: WeakSet[LocalServer] = WeakSet()


def _after_fork() -> None:
    for server in list(_running):
        server._leave_to_parent()  # noqa: SLF001 - the same concept
    _running.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


def _embedded_engine() -> Engine:
    from berlin_magic.server.embedded import EmbeddedEngine  # noqa: PLC0415 - see `_serve`

    return EmbeddedEngine()


def _loopback_socket() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would let another process share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        listening.bind(("127.0.0.1", 0))
    except BaseException:
        listening.close()
        raise
    return listening
