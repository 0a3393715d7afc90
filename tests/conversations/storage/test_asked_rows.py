"""Stored replies to rows."""

from __future__ import annotations

import threading
from pathlib import Path

from berlin_magic.conversations.storage.asked_rows import AskedRows, Key, StoredRow
from berlin_magic.conversations.storage.database import Store


def put(rows: AskedRows, key: Key, row: StoredRow) -> None:
    done = threading.Event()
    rows.put(key, row, done)
    assert done.wait(10)


def test_a_reply_is_found_by_its_request_and_by_how_many_ask_the_same_before_it(tmp_path: Path) -> None:
    rows = AskedRows(Store(tmp_path / "c.db"))
    first, second = Key("r", 0), Key("r", 1)
    put(rows, first, StoredRow("ünï \ud83d", {"tokens": 3}))
    put(rows, second, StoredRow("another", {}))
    put(rows, first, StoredRow("anew", {"tokens": 4}))
    again = AskedRows(Store(tmp_path / "c.db"))
    assert again.find([first, Key("other", 0), second]) == {
        first: StoredRow("anew", {"tokens": 4}),
        second: StoredRow("another", {}),
    }


def test_without_a_database_nothing_is_kept_and_nobody_waits() -> None:
    rows = AskedRows(None)
    put(rows, Key("r", 0), StoredRow("reply", {}))
    assert rows.find([Key("r", 0)]) == {}
