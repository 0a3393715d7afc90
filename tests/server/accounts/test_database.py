from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from berlin_magic.credentials.private_file import write_json
from berlin_magic.errors import BerlinError
from berlin_magic.server.accounts.database import AccountFile
from berlin_magic.server.accounts.model import Account
from berlin_magic.server.accounts.passwords import hash_password

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    return AccountFile(tmp_path / "accounts.json")


async def test_an_account_that_was_added_can_log_in_with_its_password_alone(file: AccountFile):
    file.add("ada", "canary")
    account = await file.check("ada", "canary")
    assert account is not None
    assert account.name == "ada"
    assert await file.check("ada", "wrong") is None
    assert await file.check("bob", "canary") is None
    assert not file.are_open


async def test_a_running_server_sees_what_another_process_writes(file: AccountFile, tmp_path: Path):
    command = AccountFile(tmp_path / "accounts.json")
    command.add("ada", "one")
    assert await file.check("ada", "one")
    command.add("ada", "another")
    assert await file.check("ada", "one") is None
    assert await file.check("ada", "another")
    command.remove("ada")
    assert file.find("ada") is None


def test_a_file_that_is_half_written_leaves_the_accounts_as_they_were(file: AccountFile, tmp_path: Path):
    file.add("ada", "canary")
    (tmp_path / "accounts.json").write_text('{"accounts": {')
    assert file.find("ada")
    (tmp_path / "accounts.json").unlink()
    assert file.find("ada")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_file_is_for_its_owner_alone_and_nothing_but_its_lock_is_left(file: AccountFile, tmp_path: Path):
    file.add("ada", "canary")
    assert stat.S_IMODE((tmp_path / "accounts.json").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} <= {"accounts.json", "accounts.json.lock"}
    assert "canary" not in (tmp_path / "accounts.json").read_text()


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"accounts": []}', '{"accounts": {"a": {}}}', "\xff"),
        '{"accounts": {"a": {"password": "x", "balance": "all"}}}',
        '{"version": 3, "accounts": {}}',
    ],
)
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, content: str):
    path = tmp_path / "accounts.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BerlinError, match=r"accounts\.json"):
        AccountFile(path)


async def test_an_unknown_name_costs_a_hash_as_a_wrong_password_does(file: AccountFile):
    """Else the time of an answer would tell which accounts there are."""
    file.add("ada", "canary")
    used: list[float] = []
    for name in ("ada", "nobody"):
        before = time.process_time()
        await file.check(name, "wrong")
        used.append(time.process_time() - before)
    assert used[1] > used[0] / 4


def test_the_file_is_json_with_a_version(file: AccountFile, tmp_path: Path):
    file.add("bob", "1")
    file.add("ada", "2", 50)
    assert [(account.name, account.balance) for account in file.accounts] == [("ada", 50), ("bob", None)]
    assert json.loads((tmp_path / "accounts.json").read_text())["version"] == 2


async def test_a_file_without_ids_and_balances_is_read_and_gets_them_at_its_first_change(tmp_path: Path):
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps({"version": 1, "accounts": {"ada": {"password": hash_password("canary")}}}))
    file = AccountFile(path)
    before = await file.check("ada", "canary")
    file.add("bob", "1")
    assert before is not None
    assert before.balance is None
    assert file.find("ada") == before == AccountFile(path).find("ada")


def test_another_password_keeps_account_and_balance_but_has_another_mark(file: AccountFile):
    assert file.add("ada", "one", 50)
    before = file.find("ada")
    assert not file.add("ada", "two")
    after = file.find("ada")
    assert before is not None
    assert after is not None
    assert (after.id, after.balance) == (before.id, 50)
    assert after.mark != before.mark


def test_an_account_that_is_removed_and_added_again_is_another(file: AccountFile):
    ids = []
    for _ in range(2):
        file.add("ada", "canary")
        ids.append(file.find("ada").id)
        file.remove("ada")
    assert ids[0] != ids[1]


def test_a_balance_is_set_added_to_and_ended(file: AccountFile):
    file.add("ada", "canary")
    assert file.set_balance("ada", 50) == 50
    assert file.set_balance("ada", 20, more=True) == 70
    assert file.set_balance("ada", None) is None
    assert file.set_balance("ada", 20, more=True) == 20
    with pytest.raises(KeyError):
        file.set_balance("bob", 1)


async def test_what_is_used_is_in_the_file_and_never_below_zero(file: AccountFile, tmp_path: Path):
    file.add("ada", "canary", 50)
    file.add("bob", "canary")
    for used in (30, 30):
        await file.charge(file.find("ada"), used)
    assert file.charge(file.find("bob"), 30) is None
    assert [(account.name, account.balance) for account in AccountFile(tmp_path / "accounts.json").accounts] == [
        ("ada", 0),
        ("bob", None),
    ]


async def test_what_is_used_and_what_is_granted_at_the_same_time_both_count(file: AccountFile, tmp_path: Path):
    file.add("ada", "canary", 1_000)
    AccountFile(tmp_path / "accounts.json").set_balance("ada", 5_000)
    await asyncio.gather(*(file.charge(Account("ada", 1), 10) for _ in range(50)))
    assert file.find("ada").balance == 4_500
    assert AccountFile(tmp_path / "accounts.json").find("ada").balance == 4_500


async def test_what_cannot_be_written_down_counts_and_is_written_when_it_can(file: AccountFile, monkeypatch):
    file.add("ada", "canary", 50)
    with monkeypatch.context() as broken:
        broken.setattr("berlin_magic.server.accounts.database.write_json", _full)
        with pytest.raises(OSError, match="full"):
            await file.charge(file.find("ada"), 20)
    assert file.find("ada").balance == 30
    await file.charge(file.find("ada"), 1)
    assert file.find("ada").balance == 29
    assert not file._owed


async def test_a_file_that_was_moved_away_is_not_written_anew_and_what_is_owed_is_paid_when_it_is_back(
    file: AccountFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path, away = tmp_path / "accounts.json", tmp_path / "accounts.bak"
    file.add("ada", "canary", 50)
    file.add("bob", "canary")
    path.rename(away)
    with pytest.raises(FileNotFoundError):
        await file.charge(file.find("ada"), 20)
    assert not path.exists()
    assert file.find("bob")
    assert file.find("ada").balance == 30
    assert [record.message.count("is gone") for record in caplog.records] == [1]
    away.rename(path)
    await file.charge(file.find("ada"), 1)
    assert AccountFile(path).find("ada").balance == 29
    assert AccountFile(path).find("bob")


def test_an_edit_that_can_not_be_read_is_told_once_and_the_next_one_again(
    file: AccountFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file.add("ada", "canary")
    for number in (1, 2):
        (tmp_path / "accounts.json").write_text('{"accounts": {},}' + " " * number)
        for _ in range(3):
            assert file.find("ada")
        assert len(caplog.records) == number
    assert "accounts.json can't be read" in caplog.text
    assert "still valid" in caplog.text


def test_a_file_that_could_not_be_opened_is_read_when_it_can_be_and_that_is_told_once(
    file: AccountFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """Root has added an account, and gives the file back; or a virus scanner on Windows had it open."""
    file.add("ada", "canary")
    AccountFile(tmp_path / "accounts.json").add("bob", "canary")
    with monkeypatch.context() as closed:
        closed.setattr(Path, "read_text", _forbidden)
        for _ in range(3):
            assert file.find("bob") is None
            assert file.find("ada")
    assert [record.message.count("PermissionError") for record in caplog.records] == [1]
    assert file.find("bob")


async def test_while_a_charge_is_written_down_it_is_never_counted_twice(file: AccountFile, tmp_path: Path, monkeypatch):
    """Else an account with enough left would be refused as empty."""
    file.add("ada", "canary", 100)
    written, seen = threading.Event(), threading.Event()

    def slowly(path: Path, value: object) -> None:
        write_json(path, value)
        written.set()
        seen.wait(5)

    monkeypatch.setattr("berlin_magic.server.accounts.database.write_json", slowly)
    charging = asyncio.create_task(file.charge(file.find("ada"), 60))
    await asyncio.to_thread(written.wait, 5)
    assert file.find("ada").balance == 40
    seen.set()
    await charging
    assert file.find("ada").balance == 40 == AccountFile(tmp_path / "accounts.json").find("ada").balance


async def test_a_name_and_a_password_that_are_typed_in_two_ways_are_one(file: AccountFile, tmp_path: Path):
    file.add("Jos\u00e9", "caf\u00e9")
    assert await file.check("Jose\u0301", "cafe\u0301")
    assert not file.add("Jose\u0301", "two", 50)
    assert file.set_balance("Jose\u0301", 5, more=True) == 55
    text = (tmp_path / "accounts.json").read_text()
    (tmp_path / "accounts.json").write_text(text.replace("Jos\\u00e9", "Jose\\u0301"))
    assert await file.check("Jos\u00e9", "two")
    file.remove("Jose\u0301")
    assert file.accounts == []


def _forbidden(*_: object) -> str:
    raise PermissionError(13, "forbidden")


def _full(*_: object) -> None:
    raise OSError(28, "full")


def test_whoever_changes_the_file_while_another_does_waits_for_its_turn(file: AccountFile, tmp_path: Path, monkeypatch):
    for name in ("ada", "bob"):
        file.add(name, "canary", 1)
    other = AccountFile(tmp_path / "accounts.json")
    meanwhile = threading.Thread(target=other.set_balance, args=("bob", 60))

    def slowly(path: Path, value: object) -> None:
        if not meanwhile.ident:
            meanwhile.start()
            meanwhile.join(0.5)  # it waits for us; were there no lock, it would be done by now, and be overwritten
        write_json(path, value)

    monkeypatch.setattr("berlin_magic.server.accounts.database.write_json", slowly)
    file.set_balance("ada", 50)
    meanwhile.join()
    assert [account.balance for account in AccountFile(tmp_path / "accounts.json").accounts] == [50, 60]


def test_a_change_within_the_same_tick_of_the_clock_is_seen(file: AccountFile, tmp_path: Path):
    path = tmp_path / "accounts.json"
    file.add("ada", "canary", 50)
    before = path.stat()
    AccountFile(path).set_balance("ada", 70)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert file.find("ada").balance == 70


def test_of_accounts_added_at_once_by_several_processes_none_is_lost(tmp_path: Path):
    code = (
        "import sys; from berlin_magic.server.accounts.database import AccountFile\n"
        "file = AccountFile(sys.argv[1])\n"
        "sys.stdin.read(1)\n"
        "for n in range(3): file.add(f'{sys.argv[2]}-{n}', 'pw')\n"
    )
    path = str(tmp_path / "accounts.json")
    started = [
        subprocess.Popen([sys.executable, "-c", code, path, str(number)], stdin=subprocess.PIPE) for number in range(3)
    ]
    for process in started:
        process.stdin.write(b"go")
        process.stdin.close()
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(AccountFile(path).accounts) == 9
