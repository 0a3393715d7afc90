"""The database file: its path, schema and migrations."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from berlin_magic.errors import StoreError

__all__ = ["SCHEMA_VERSION", "SPENDING", "Opened", "connected", "default_path", "opened", "unusable"]

SCHEMA_VERSION = 4

_OURS = 0x4265726C  # "Berl", in the file's header: whose database it is (sqlite.org/pragma.html#pragma_application_id)
_BUSY = 15.0  # seconds that a write waits for another kernel's

# `notebooks`: `file` says which file on the disk it was, `state` how that was when it was last looked at. `cells`:
# `source` is the digest of what stood in the cell when it last asked. `trusted`: digests of what notebook files hold.
_NOTEBOOKS = """
CREATE TABLE notebooks (
    id TEXT PRIMARY KEY, path TEXT NOT NULL, file TEXT NOT NULL, state TEXT NOT NULL, seen REAL NOT NULL
);
CREATE INDEX notebooks_by_path ON notebooks (path);
CREATE INDEX notebooks_by_file ON notebooks (file);
CREATE TABLE cells (notebook TEXT NOT NULL, cell TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (notebook, cell));
CREATE INDEX cells_by_cell ON cells (cell);
CREATE TABLE trusted (digest TEXT PRIMARY KEY);
CREATE INDEX events_by_id ON events (id);
"""

_SCHEMA = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, notebook TEXT NOT NULL, name TEXT NOT NULL, system BLOB NOT NULL, changed REAL NOT NULL
);
CREATE INDEX conversations_by_notebook ON conversations (notebook);
CREATE TABLE places (
    conversation TEXT NOT NULL, key TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (conversation, key)
);
CREATE TABLE forgotten (id TEXT PRIMARY KEY);
"""

# `events`: what happened, in the order of their rows. `parts`: what turns are made of, by the side that it is from
# ("question", "reply"); `more` is JSON. `deltas`: what has come of a reply that is still arriving.
_PARTS = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, conversation TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL,
    UNIQUE (conversation, id)
);
CREATE TABLE parts (
    conversation TEXT NOT NULL, turn TEXT NOT NULL, side TEXT NOT NULL, position INTEGER NOT NULL, type TEXT NOT NULL,
    text BLOB NOT NULL, more BLOB NOT NULL, PRIMARY KEY (conversation, turn, side, position)
);
CREATE TABLE deltas (
    number INTEGER PRIMARY KEY, conversation TEXT NOT NULL, turn TEXT NOT NULL, type TEXT NOT NULL, text BLOB NOT NULL
);
CREATE INDEX deltas_by_turn ON deltas (conversation, turn);
"""

# `asked_rows`: the replies to questions for every row, by the digest of the request and how often it was asked before
# in the same call.
_ROWS = """
CREATE TABLE asked_rows (
    request TEXT NOT NULL, occurrence INTEGER NOT NULL, reply BLOB NOT NULL, more BLOB NOT NULL,
    PRIMARY KEY (request, occurrence)
);
"""
SPENDING = """
CREATE TABLE spending (
    id TEXT PRIMARY KEY, notebook TEXT NOT NULL, conversation TEXT NOT NULL, at REAL NOT NULL, prompt INTEGER NOT NULL,
    reply INTEGER NOT NULL, billionths INTEGER, currency TEXT NOT NULL, running INTEGER NOT NULL
);
CREATE INDEX spending_by_time ON spending (at);
"""
"""The costs of requests: tokens, and billionths of a currency's unit."""

# The statements at [n - 1] bring a database of version n to n + 1; the version and its contents change in one
# transaction, so that a crash leaves the one or the other.
_MIGRATIONS: list[str] = [
    "ALTER TABLE events RENAME TO events_1;\n"  # noqa: S608 - no words of others are in it
    + _PARTS
    + """INSERT INTO events (conversation, id, record) SELECT conversation, id, record FROM events_1 ORDER BY rowid;
INSERT INTO parts SELECT conversation, id, 'reply', 0, 'text', reply, '{}' FROM events_1 WHERE length(reply) > 0;
INSERT INTO deltas SELECT number, conversation, turn, 'text', text FROM pieces;
DROP TABLE events_1;
DROP TABLE pieces
""",
    "ALTER TABLE notebooks RENAME TO notebooks_2;\nDROP INDEX notebooks_by_path;\n"  # noqa: S608 - likewise
    + _NOTEBOOKS
    + """INSERT INTO notebooks SELECT id, path, '', '', seen FROM notebooks_2;
INSERT OR IGNORE INTO cells SELECT n.id, cell.value, '' FROM notebooks_2 AS n, json_each(n.cells) AS cell
    WHERE json_valid(n.cells);
DROP TABLE notebooks_2
""",
    _ROWS + SPENDING,
]


@dataclass(frozen=True, slots=True)
class Opened:
    """The result of opening: whether the file can be written to, and a warning for the user."""

    writable: bool = True
    warning: str = ""


def default_path() -> Path:
    """Return where conversations are stored: ``BERLIN_DATABASE``, else a file in the user's data folder."""
    if named := os.environ.get("BERLIN_DATABASE"):
        return Path(named).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415 - loading the extension needs no folder

    return user_data_path("berlin_magic", appauthor=False) / "conversations.db"


@contextmanager
def connected(path: Path, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the database for the time of a ``with``; transactions are the caller's."""
    mode = "mode=rw" if writable else "mode=ro"
    if not writable and not path.with_name(path.name + "-wal").exists():
        mode += "&immutable=1"  # else SQLite wants to make the log, in a folder where it can't
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=_BUSY)) as connection:
        connection.isolation_level = None
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted or replaced is overwritten: `%berlin forget`
        connection.execute("PRAGMA synchronous = NORMAL")  # with WAL a killed process loses nothing that was committed
        yield connection


def opened(path: Path) -> Opened:
    """Make sure that there is a database at `path` which can be used.

    A file that is not a database, or a broken one, is renamed, and a new one is made; another program's, or one of a
    newer version, is left where it is. Nothing is deleted.

    Raises
    ------
    StoreError
        If nothing can be stored there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # SQLite's other files take its mode
        with connected(path, writable=_is_writable(path)) as connection:
            _check_and_migrate(connection, path)
    except sqlite3.DatabaseError as error:
        if unusable(error):
            return Opened(warning=_replace_broken(path, error))
        raise StoreError(f"Conversations can't be stored in {path}: {error}.\n{_IN_MEMORY}") from None
    except OSError as error:
        raise StoreError(f"Conversations can't be stored in {path}: {error.strerror}.\n{_IN_MEMORY}") from None
    if not _is_writable(path):
        return Opened(
            writable=False,
            warning=f"{path} can't be written to: what is in it is read, and nothing is added.\n{_IN_MEMORY}",
        )
    return Opened()


_IN_MEMORY = "This conversation lives in memory until the kernel ends; BerlinMagics.database names another file."


def unusable(error: sqlite3.Error) -> bool:
    """Say whether `error` means that the file is not a database, or a broken one."""
    return getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _check_and_migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version == SCHEMA_VERSION or not _is_writable(path):
        return
    _begin_logging(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path)  # another kernel may have done it meanwhile
        scripts = [_SCHEMA + _PARTS + _NOTEBOOKS + _ROWS + SPENDING] if version == 0 else _MIGRATIONS[version - 1 :]
        for script in scripts if version < SCHEMA_VERSION else []:
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _begin_logging(connection: sqlite3.Connection) -> None:
    """Have changes written ahead into a log.

    While two processes do so at once, SQLite refuses one of them without waiting for the other (seen with 3.40).
    """
    latest = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > latest:
                raise
            time.sleep(0.02)
        else:
            return


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of our database, 0 for an empty file."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != _OURS and (owner or version or tables):
        raise StoreError(f"{path} is another program's database, and was left as it is.\n{_IN_MEMORY}")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer berlin_magic (its version {version}, ours {SCHEMA_VERSION}), and was left "
            f"as it is. Update berlin_magic to use it.\n{_IN_MEMORY}"
        )
    return int(version)


def _replace_broken(path: Path, error: sqlite3.Error) -> str:
    """Rename a broken database, unless another kernel has just done so; begin a new one; return what to say."""
    lock = path.with_name(path.name + ".setting-aside")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    except OSError:
        raise StoreError(f"{path} is broken ({error}), and was left as it is.\n{_IN_MEMORY}") from None
    try:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = path.with_name(f"{path.stem}.broken-{stamp}-{os.getpid()}{path.suffix}")
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with connected(path) as connection:
            _check_and_migrate(connection, path)
    except (OSError, sqlite3.Error) as problem:
        raise StoreError(f"{path} is broken ({error}), and can't be set aside: {problem}.\n{_IN_MEMORY}") from None
    finally:
        lock.unlink()
    return f"{path} was broken ({error}). It was set aside as {aside}, and a new one begun; nothing was deleted."
