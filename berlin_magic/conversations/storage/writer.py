"""The writer: a thread that runs the statements for the database."""

from __future__ import annotations

import atexit
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from berlin_magic.conversations.storage.schema import connected

__all__ = ["Statement", "Writer"]

_LAG = 0.4  # seconds that the partial text of a reply may be behind
_PATIENCE = 60.0  # seconds of "database is locked" until a write is given up
_AT_EXIT = 5.0  # seconds that a process waits at its end for what is not written yet

Statement = tuple[str, Sequence[Any]]
"""SQL, and its values."""


@dataclass(frozen=True, slots=True)
class _Write:
    statements: Sequence[Statement] = ()
    urgent: bool = True
    done: threading.Event | None = None
    truncate: bool = False


class Writer:
    """Writes to one database, in order. After an error it is broken, and takes no more.

    Parameters
    ----------
    path : Path
        The database.
    failed : callable
        Gets the error, on the writer's thread.
    """

    def __init__(self, path: Path, failed: Callable[[Exception], None]) -> None:
        self.broken = False
        self._path = path
        self._failed = failed
        self._queue: queue.SimpleQueue[_Write] = queue.SimpleQueue()
        self._pid = 0
        self._starting = threading.Lock()

    @property
    def begun(self) -> bool:
        """Whether this process has written anything."""
        return self._pid == os.getpid()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all earlier writes are on disk; return whether they are."""
        if self.broken:
            return False
        done = threading.Event()
        self.put(done=done)
        return done.wait(timeout) and not self.broken

    def put(
        self,
        *statements: Statement,
        urgent: bool = True,
        done: threading.Event | None = None,
        truncate: bool = False,
    ) -> None:
        """Run statements soon, in order, in one transaction; `done` is set afterwards, also after an error."""
        if self.broken:
            if done is not None:
                done.set()
            return
        if self._pid != os.getpid():  # a forked process has the queue but no thread
            self._start()
        self._queue.put(_Write(statements, urgent, done, truncate))

    def _start(self) -> None:
        with self._starting:
            if self._pid == os.getpid():
                return
            if self._pid:
                self._queue = queue.SimpleQueue()
            else:
                atexit.register(self.flush, _AT_EXIT)
            self._pid = os.getpid()
            threading.Thread(target=self._work, args=(self._queue,), name="berlin_magic store", daemon=True).start()

    def _work(self, source: queue.SimpleQueue[_Write]) -> None:
        writes: list[_Write] = []
        try:
            with connected(self._path) as connection:
                while not self.broken:
                    writes = _taken(source)
                    self._carry_out(connection, writes)
                    _set(writes)
        except Exception as error:  # noqa: BLE001 - a thread has no caller
            self._failed(error)
        finally:
            self.broken = True
            _set(writes)
            while not source.empty():
                _set([source.get()])

    def _carry_out(self, connection: sqlite3.Connection, writes: Sequence[_Write]) -> None:
        latest = time.monotonic() + _PATIENCE
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for write in writes:
                    for sql, values in write.statements:
                        connection.execute(sql, values)
                connection.execute("COMMIT")
                break
            except sqlite3.OperationalError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > latest:
                    raise
        if any(write.truncate for write in writes):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # what was deleted leaves the log, too


def _taken(source: queue.SimpleQueue[_Write]) -> list[_Write]:
    """Wait for the next writes: urgent ones at once, others when they are due."""
    writes = [source.get()]
    due = time.monotonic() + _LAG
    while not any(write.urgent for write in writes[-1:]):
        try:
            writes.append(source.get(timeout=max(0.0, due - time.monotonic())))
        except queue.Empty:
            break
        if time.monotonic() > due:
            break
    return writes


def _set(writes: Iterable[_Write]) -> None:
    for write in writes:
        if write.done is not None:
            write.done.set()
