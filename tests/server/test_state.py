from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from berlin_magic.errors import BerlinError
from berlin_magic.server.accounts.model import Account
from berlin_magic.server.state import SCHEMA_VERSION, State
from berlin_magic.server.tokens import Tokens

_PAGE = 4096  # bytes of SQLite's first page, which holds its header and our tables' names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "class.db"


async def test_what_was_written_is_there_after_a_restart(path: Path):
    for number in range(3):
        state = State(path)
        assert await state.run(lambda db: db.execute("SELECT count(*) FROM logins").fetchone()) == (number,)
        await state.run(lambda db: db.execute("INSERT INTO logins SELECT count(*), x'', '', x'', 0 FROM logins"))
        await state.close()


async def test_a_file_is_not_touched_on_the_event_loop_and_memory_needs_no_thread(path: Path):
    for state, elsewhere in ((State(path), True), (State(), False)):
        assert (await state.run(lambda _: threading.get_ident()) != threading.get_ident()) is elsewhere
        await state.close()


async def test_a_doing_that_fails_leaves_nothing_of_itself(path: Path):
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO logins VALUES ('a', x'', '', x'', 0)")
        raise KeyError

    for state in (State(path), State()):
        with pytest.raises(KeyError):
            await state.run(half)
        assert await state.run(lambda db: db.execute("SELECT count(*) FROM logins").fetchone()) == (0,)
        await state.close()


async def test_what_waits_at_the_same_time_is_committed_together(path: Path):
    state, statements = State(path), []
    await state.run(lambda db: db.set_trace_callback(statements.append))
    await asyncio.gather(*(state.run(_insert(str(number))) for number in range(50)))
    assert statements.count("COMMIT") <= 2  # that of `set_trace_callback` itself is traced, too
    assert await state.run(_count) == 50
    await state.close()


async def test_what_fails_takes_nothing_along_that_waited_with_it(path: Path):
    def fail(connection: sqlite3.Connection) -> None:
        _insert("half")(connection)
        raise KeyError

    def broken_statement(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # SQLite does so itself, for example if the disk is full
        raise sqlite3.OperationalError("full")

    state = State(path)
    works = [_insert("a"), fail, _insert("b"), broken_statement, _insert("c"), _count]
    outcomes = await asyncio.gather(*map(state.run, works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        type(None), KeyError, type(None), sqlite3.OperationalError, type(None), int
    ]  # fmt: skip
    assert outcomes[-1] == await state.run(_count) == 3
    await state.close()


async def test_what_was_asked_for_is_done_although_the_request_is_gone(path: Path):
    state = State(path)
    asked = [asyncio.create_task(state.run(_insert(str(number)))) for number in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    await asyncio.wait(asked)
    assert [task.cancelled() for task in asked] == [False, True, False]
    assert await state.run(_count) == 3
    await state.close()


async def test_a_closed_state_refuses(path: Path):
    for state in (State(path), State()):
        await state.close()
        with pytest.raises(sqlite3.ProgrammingError):
            await state.run(_count)


def _insert(account: str) -> Callable[[sqlite3.Connection], None]:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO logins VALUES (?, x'', '', x'', 0)", (account,))

    return insert


def _count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM logins").fetchone()
    return int(count)


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody take an open file's name")
@pytest.mark.parametrize("replace", [lambda path: None, Path.mkdir, lambda path: path.write_bytes(b"x")])
async def test_a_file_that_is_replaced_under_a_running_server_is_told_once(path: Path, replace, caplog):
    state = State(path)
    await state.run(lambda db: db.execute("INSERT INTO logins VALUES ('a', x'', '', x'', 0)"))
    assert caplog.text == ""
    path.unlink()  # noqa: ASYNC240
    replace(path)
    for _ in range(2):
        assert await state.run(lambda db: db.execute("SELECT count(*) FROM logins").fetchone()) == (1,)
    await state.close()
    assert [
        ("was removed or replaced" in record.message, "class.db" in record.message) for record in caplog.records
    ] == [(True, True)]


async def test_closing_waits_for_what_is_being_written(path: Path):
    state = State(path)
    writing = asyncio.create_task(
        state.run(lambda db: db.execute("INSERT INTO logins VALUES ('a', x'', '', x'', 0)").rowcount)
    )
    await asyncio.sleep(0)
    await state.close()
    assert await writing == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
async def test_its_files_are_for_their_owner_alone(path: Path):
    state = State(path)
    await state.run(lambda db: db.execute("INSERT INTO logins VALUES ('a', x'', '', x'', 0)"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await state.close()


async def test_two_servers_cannot_have_one_file(path: Path):
    state = State(path)
    with pytest.raises(BerlinError, match="in use by another program"):
        State(path)
    await state.close()
    await State(path).close()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("CREATE TABLE theirs (x)", "another program's"),
        ("PRAGMA application_id = 7", "another program's"),
        (f"PRAGMA application_id = {0x42657253}; PRAGMA user_version = {SCHEMA_VERSION + 1}", "newer"),
        (
            f"CREATE TABLE turns (x); PRAGMA application_id = {0x42657253}; PRAGMA user_version = 1",
            "table of it is missing",
        ),
    ],
)
def test_what_is_not_ours_or_too_new_is_left_as_it_is(tmp_path: Path, script: str, says: str):
    path = tmp_path / "class.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(BerlinError, match=says):
        State(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "class.db"
    path.write_text("no database " * 100)
    with pytest.raises(BerlinError, match=r"class\.db can't be used"):
        State(path)
    assert path.read_text().startswith("no database")


def test_a_file_whose_logins_were_damaged_is_an_error_that_names_it(path: Path):
    async def log_in() -> None:
        state = State(path)
        await Tokens(state).issue(Account("ada"))
        await state.close()

    asyncio.run(log_in())
    header = path.read_bytes()[:_PAGE]
    path.write_bytes(header + b"\xff" * (path.stat().st_size - _PAGE))
    before = path.read_bytes()
    with pytest.raises(BerlinError, match=r"class\.db can't be used.*name another file"):
        State(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BerlinError, match="can't be used"):
        State(tmp_path / "file" / "class.db")
