from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from berlin_magic.errors import BerlinError
from berlin_magic.server.account_file import AccountFile, hash_password, is_password


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    return AccountFile(tmp_path / "accounts.json")


def test_a_password_is_hashed_with_a_salt_of_its_own():
    one, two = hash_password("canary"), hash_password("canary")
    assert one != two
    assert "canary" not in one
    assert one.startswith("scrypt$16384$8$5$")
    assert is_password("canary", one)
    assert not is_password("Canary", one)
    assert not is_password("", one)


@pytest.mark.parametrize("hashed", ["", "canary", "scrypt$1$2", "md5$16384$8$5$AAAA$AAAA", "scrypt$x$8$5$AAAA$AAAA"])
def test_what_is_no_hash_matches_no_password(hashed: str):
    assert not is_password("canary", hashed)


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
def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(file: AccountFile, tmp_path: Path):
    file.add("ada", "canary")
    assert stat.S_IMODE((tmp_path / "accounts.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.json"]
    assert "canary" not in (tmp_path / "accounts.json").read_text()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"accounts": []}', '{"accounts": {"a": {}}}', "\xff"])
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
    file.add("ada", "2")
    assert file.names == ["ada", "bob"]
    assert json.loads((tmp_path / "accounts.json").read_text())["version"] == 1
