"""The state of a server: its conversations and logins in one SQLite database."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from berlin_magic.errors import BerlinError, clean

__all__ = ["SCHEMA_VERSION", "State", "error_name"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA_VERSION = 1

_OURS = 0x42657253  # "BerS", in the file's header (sqlite.org/pragma.html#pragma_application_id)
_SCHEMA = (
    """CREATE TABLE turns (
        number INTEGER PRIMARY KEY, account TEXT NOT NULL, parent BLOB NOT NULL, question BLOB NOT NULL,
        answer BLOB NOT NULL, options TEXT NOT NULL, asked TEXT NOT NULL, answered TEXT NOT NULL, size INTEGER NOT NULL
    )""",
    "CREATE INDEX turns_by_conversation ON turns (account, parent, number, size)",
    """CREATE TABLE logins (
        account TEXT PRIMARY KEY, name BLOB NOT NULL, mark TEXT NOT NULL, digest BLOB NOT NULL, expiry REAL NOT NULL
    )""",
)

_TABLES = {"turns", "logins"}
_MOST_TOGETHER = 200  # works in one transaction: the first waits for the last
_Work = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class _Failure:
    """The error of a piece of work."""

    error: Exception


class State:
    """A database in a file or in memory, used by one server alone.

    Parameters
    ----------
    path : Path, optional
        The file, made for its owner alone if there is none; in memory without it.

    Raises
    ------
    BerlinError
        If the file can't be used: it is another program's, a newer version's, broken, or another server's just now.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._worker: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[_Work, asyncio.Future[Any]]] = []
        self._working: asyncio.Task[None] | None = None
        self._path = path
        if path is None:
            self._connection = _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
            return
        shown = clean(str(path), 200)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # SQLite's other files take its mode
            self._connection = _prepared(
                sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
            )
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise BerlinError(
                    f"{shown} is in use by another program: give a second berlin-server another file; wait until "
                    "a backup has ended"
                ) from None
            raise BerlinError(f"{shown} can't be used ({error}), and was left as it is; name another file") from None
        except OSError as error:
            raise BerlinError(f"{shown} can't be used: {error.strerror}") from None
        self._file = _identity(path)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="berlin-server state")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns, done in a transaction; a file is not touched on the event loop.

        Works that wait at the same time share one transaction. If it fails, each is run once more in one of its own.

        Raises
        ------
        sqlite3.Error
            If it fails; nothing of it is kept then.
        """
        if self._worker is None:  # memory does not block
            return _in_transaction(self._connection, work)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(self._worker))
        return await done

    async def _work(self, worker: ThreadPoolExecutor) -> None:
        """Do what is waiting, to its end, even if the request that asked for it is gone."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
            works = [work for work, _ in batch]
            outcomes = await asyncio.get_running_loop().run_in_executor(worker, self._in_file, works)
            for (_, done), outcome in zip(batch, outcomes, strict=True):
                if done.done():  # cancelled
                    continue
                if isinstance(outcome, _Failure):
                    done.set_exception(outcome.error)
                else:
                    done.set_result(outcome)

    def _in_file(self, works: Sequence[_Work]) -> list[Any]:
        """Return what each of `works` returns; a `_Failure` for one that fails."""
        assert self._path is not None  # noqa: S101 - only a file has a worker
        if self._file and _identity(self._path) != self._file:
            self._file = None  # SQLite goes on writing to the file that it has open, whatever has its name now
            _log.error(
                "%s was removed or replaced: conversations and logins are lost when this server ends. "
                "End it, put the file back, and start it again.",
                clean(str(self._path), 200),
            )
        if len(works) > 1:
            with suppress(Exception):
                return _in_transaction(self._connection, lambda connection: [work(connection) for work in works])
        return [self._outcome(work) for work in works]

    def _outcome(self, work: _Work) -> Any:
        try:
            return _in_transaction(self._connection, work)
        except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
            return _Failure(error)

    async def close(self) -> None:
        """Wait for what is being written, and close the file."""
        if self._working is not None:
            await self._working
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.get_running_loop().run_in_executor(worker, self._connection.close)
            worker.shutdown()
        else:
            self._connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def error_name(error: sqlite3.Error) -> str:
    """Return SQLite's name for an error; its message may quote what was to be stored."""
    return str(getattr(error, "sqlite_errorname", "") or type(error).__name__)


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # two servers would not see each other's logins
        connection.execute("PRAGMA secure_delete = ON")  # what a user has deleted is overwritten
        version = _version(connection)  # before the first change: it may be somebody else's
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # with WAL a killed server loses nothing that was committed
        connection.execute("BEGIN EXCLUSIVE")
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of our database, 0 for an empty one."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if owner != _OURS and (owner or version or tables):
        raise sqlite3.DatabaseError("it is another program's database")
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"a newer berlin-server wrote it, in version {version}")
    if version == SCHEMA_VERSION and not tables >= _TABLES:
        raise sqlite3.DatabaseError("a table of it is missing")
    if version:
        connection.execute("SELECT * FROM logins").fetchall()  # no server starts without them: damage shows here
    return int(version)
