"""The search for secrets finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from canaries import betrayed, told


def test_a_secret_in_a_file_is_found_wherever_it_is(tmp_path: Path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "notes.db").write_bytes(b"\0\xff" + b"can" + b"ary-token\0")
    (tmp_path / "other.txt").write_text("nothing")
    assert [line.rpartition("/")[2] for line in betrayed(tmp_path)] == ["notes.db"]
    (tmp_path / "deep" / "er" / "notes.db").unlink()


@pytest.mark.skipif("os.name != 'posix'", reason="modes are POSIX's")
def test_a_file_for_secrets_is_found_where_others_can_read_it(tmp_path: Path):
    kept = tmp_path / "tokens.json"
    kept.write_text("a can" + "ary")
    kept.chmod(0o644)
    assert len(betrayed(tmp_path)) == 1
    kept.chmod(0o600)
    assert betrayed(tmp_path) == []


def test_a_line_that_tells_one_is_found():
    assert told(["fine\n  a can" + "ary-token\n"]) == ["a can" + "ary-token"]
