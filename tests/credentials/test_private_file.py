"""A file of secrets: whole whatever happens, for its user alone, set aside where it is damaged."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from berlin_magic.credentials.private_file import PrivateFile
from berlin_magic.credentials.secret import Secret


@pytest.fixture
def file(tmp_path: Path) -> PrivateFile:
    return PrivateFile(tmp_path / "state" / "secrets.json")


def put(file: PrivateFile, name: str, value: str) -> None:
    file.change(lambda records: records.update({name: {"token": Secret(value)}}))


def test_what_is_written_is_read_in_its_order(file):
    for name in ("b", "a", "c"):
        put(file, name, f"canary-{name}")
    assert list(PrivateFile(file.path).read()) == ["b", "a", "c"]
    assert file.read()["a"] == {"token": "canary-a"}


def test_no_file_is_no_records_and_reading_makes_none(file):
    assert file.read() == {}
    assert not file.path.parent.exists()


def test_what_is_read_shows_nothing(file):
    put(file, "a", "canary-a")
    assert "canary" not in repr(file.read())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_it_is_for_its_user_alone_also_where_it_was_not_before(file):
    put(file, "a", "canary-a")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.chmod(0o644)
    file.read()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_reading_changes_nothing_but_the_mode(file):
    assert file.read() == {}
    assert not file.path.parent.exists()
    put(file, "a", "canary-a")
    file.path.chmod(0o644)
    assert file.read() == {"a": {"token": "canary-a"}}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.write_text("{")
    with pytest.warns(UserWarning, match="damaged"):
        assert file.read() == {}
    assert file.path.read_text() == "{"


def test_what_is_forgotten_is_gone_with_what_was_set_aside_and_the_rest_stays(file):
    file.forget(lambda name: True)
    assert not file.path.parent.exists()
    for name in ("a", "b"):
        put(file, name, f"canary-{name}")
    damaged = file.path.with_name(file.path.name + ".damaged")
    damaged.write_text("canary")
    file.forget(lambda name: name == "a")
    assert list(file.read()) == ["b"]
    assert not damaged.exists()


DAMAGED = [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"a": 1}', b'{"a": {"token": 1}}', b'{"a": {"token"', b"[" * 100_000]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_set_aside_with_a_warning_and_one_goes_on(file, content):
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"secrets\.json is damaged"):
        assert file.read() == {}
    assert file.path.read_bytes() == content
    with pytest.warns(UserWarning, match=r"secrets\.json\.damaged"):
        put(file, "a", "canary-a")
    assert file.path.with_name("secrets.json.damaged").read_bytes() == content
    assert file.read() == {"a": {"token": "canary-a"}}


def test_a_change_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(file):
    put(file, "a", "canary-a")
    before = {path.name for path in file.path.parent.iterdir()}
    with pytest.raises(TypeError):
        file.change(lambda records: records.update(b={"token": object()}))
    assert file.read() == {"a": {"token": "canary-a"}}
    assert {path.name for path in file.path.parent.iterdir()} == before


def test_what_can_not_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        put(PrivateFile(tmp_path / "file" / "secrets.json"), "a", "canary-a")


WRITING = """
import sys, pathlib
from berlin_magic.credentials.private_file import PrivateFile
from berlin_magic.credentials.secret import Secret
file = PrivateFile(pathlib.Path(sys.argv[1]))
for number in range(20):
    file.change(lambda records: records.update({f"{sys.argv[2]}-{number}": {"token": Secret("x")}}))
"""


def test_processes_that_write_at_once_lose_nothing_of_each_other(file):
    writers = [subprocess.Popen([sys.executable, "-c", WRITING, str(file.path), str(n)]) for n in range(3)]
    while any(writer.poll() is None for writer in writers):
        if file.path.exists():
            json.loads(file.path.read_bytes())  # whole at any moment
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(file.read()) == 60
