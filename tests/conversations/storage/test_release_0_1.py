"""What release 0.1.0 has stored is read, continued and run again; see `tests/fixtures/release_0_1`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from berlin_magic.conversations.cells import Removal, SystemPrompt
from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.storage import schema
from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.notebook_file import read
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.kernel.notebook import Notebook

FOLDER = Path(__file__).parents[2] / "fixtures" / "release_0_1"
GROUPS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
MADE_UNDER = "/tmp/notebooks"  # where the notebooks lay then; the databases hold their paths


class Shell:
    """As much of a shell as a notebook needs: the cell that is running."""

    def __init__(self) -> None:
        self.user_ns: dict[str, object] = {}

    def get_parent(self) -> dict[str, Any]:
        metadata = {"cellId": "a-new-cell-that-asks"}
        return {"header": {"msg_id": "a-run"}, "metadata": metadata, "content": {"code": ""}}


def expected(group: str) -> dict[str, Any]:
    return json.loads((FOLDER / group / "expected.json").read_text("utf-8"))


def relocated(group: str, tmp_path: Path) -> Path:
    """Return a copy of the group's folder whose database knows where the copy lies."""
    folder = tmp_path / group
    shutil.copytree(FOLDER / group, folder)
    with closing(sqlite3.connect(folder / "conversations.db")) as connection:
        connection.execute("UPDATE notebooks SET path = replace(path, ?, ?)", (MADE_UNDER, str(tmp_path)))
        connection.commit()
    return folder


def turn_told(turn: Turn) -> dict[str, Any]:
    names = (
        "id cell prompt reply finish model wanted provider system left_out stale_before reason prompt_tokens"
        " completion_tokens request server replayed edited"
    )
    return {
        **{name: getattr(turn, name) for name in names.split()},
        "options": dict(turn.options),
        "chain": list(turn.chain),
        "given": None if turn.given is None else list(turn.given),
        "asked": turn.asked,
    }


def event_told(event: object) -> str:
    if isinstance(event, Turn):
        return f"turn {event.id}"
    if isinstance(event, Removal):
        return " ".join([event.kind, *event.turns])
    assert isinstance(event, SystemPrompt)
    return f"system {event.text}"


def told(talk: Turns) -> dict[str, Any]:
    partial = talk.partial()
    return {
        "system": talk.system,
        "first_system": talk.first_system,
        "standing": [turn_told(turn) for turn in talk],
        "messages": talk.messages,
        "stale": sorted(talk.stale()),
        "partial": None if partial is None else partial.id,
        "every_turn": sorted(turn.id for turn in talk.every_turn()),
        "place_count": len(talk.places),
        "places": [
            {
                "cell": place.cell,
                "state": place.state,
                "current": place.versions.index(place.current),
                "versions": [[event_told(event) for event in version.events] for version in place.versions],
            }
            for place in talk.places
        ],
    }


def assert_the_same(found: dict[str, Any], before: dict[str, Any]) -> None:
    assert found == {name: before[name] for name in found}


def opened(path: Path, where: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    book = Notebook(Shell())
    book.database = str(where)
    book.open()
    return book


@pytest.mark.parametrize("group", GROUPS)
def test_a_database_is_brought_up_to_date_and_holds_the_same(group: str, tmp_path: Path) -> None:
    path = relocated(group, tmp_path) / "conversations.db"
    store = Store(path)
    assert store.take_warnings() == []
    for before in expected(group)["conversations"]:
        talk = Turns()
        assert talk.read(store.record(before["id"]) or {}) == before["problems"]
        assert_the_same(told(talk), before)
    with schema.connected(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {
        "notebooks",
        "conversations",
        "places",
        "events",
        "parts",
        "deltas",
        "forgotten",
        "cells",
        "trusted",
        "asked_rows",
        "spending",
    }


@pytest.mark.parametrize("group", GROUPS)
def test_a_notebook_is_opened_with_its_database(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = relocated(group, tmp_path)
    for name, before in expected(group)["notebooks"].items():
        where = tmp_path / f"{name}.db"
        shutil.copy(folder / "conversations.db", where)
        book = opened(folder / name, where, monkeypatch)
        held = before["database_and_file"]
        assert book.names() == held["names"]
        for talk, was in held["conversations"].items():
            found = told(book.conversation(talk))
            assert_the_same(without_cells(found), without_cells(was))
            in_file = {turn["id"]: turn["cell"] for turn in before["file_alone"]["conversations"][talk]["standing"]}
            for turn in found["standing"]:
                cell = in_file.get(turn["id"])
                assert turn["cell"] == cell or cell is None, "the file tells the id of its cell"
        assert book.take_warnings() == held["warnings"]


def without_cells(one: dict[str, Any]) -> dict[str, Any]:
    """Leave out the ids of cells: what was asked with none that lasts gets that of the file now."""
    return {
        **one,
        "standing": [{name: value for name, value in turn.items() if name != "cell"} for turn in one["standing"]],
        "places": [{name: value for name, value in place.items() if name != "cell"} for place in one["places"]],
    }


UNSEEN = {"options", "request", "wanted", "server", "system", "asked", "replayed"}
"""What a file tells of a turn, and no reader of it sees: it is not taken unless the user vouches for the file."""


def seen(one: dict[str, Any]) -> dict[str, Any]:
    standing = [{name: turn[name] for name in turn if name not in UNSEEN} for turn in one["standing"]]
    return without_cells({**one, "standing": standing})


@pytest.mark.parametrize("group", GROUPS)
def test_a_notebook_is_opened_with_no_database(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = relocated(group, tmp_path)
    for name, before in expected(group)["notebooks"].items():
        book = opened(folder / name, tmp_path / f"{name}.empty.db", monkeypatch)
        assert book.names() == before["file_alone"]["names"]
        if group == "commands":  # what it imported is in no cell
            continue
        for talk, was in before["file_alone"]["conversations"].items():
            assert_the_same(seen(told(book.conversation(talk))), seen(was))


@pytest.mark.parametrize("group", GROUPS)
def test_a_notebook_that_is_vouched_for_is_all_there(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = relocated(group, tmp_path)
    for name, before in expected(group)["notebooks"].items():
        book = opened(folder / name, tmp_path / f"{name}.empty.db", monkeypatch)
        book.trust()
        for talk, was in before["file_alone"]["conversations"].items():
            found = told(book.conversation(talk))
            assert found["messages"] == was["messages"] and found["system"] == was["system"]
            assert found["every_turn"] == was["every_turn"]
            requests = {turn["id"]: turn["request"] for turn in was["standing"]}
            assert requests == {turn["id"]: turn["request"] for turn in found["standing"]}


@pytest.mark.parametrize("group", GROUPS)
def test_a_saved_conversation_is_loaded_and_saved_anew(group: str, tmp_path: Path) -> None:
    for name, before in expected(group)["saved"].items():
        talk = Conversation.load(FOLDER / group / name)
        assert_the_same(told(talk), before)
        talk.save(tmp_path / name)
        again = Conversation.load(tmp_path / name)
        assert told(again) == told(talk)
        assert json.loads((tmp_path / name).read_text("utf-8"))["format"] == 2


def test_what_had_come_of_a_reply_when_its_kernel_was_killed_is_kept(tmp_path: Path) -> None:
    group = expected("killed")
    assert group["rows"]["pieces"] > 0
    store = Store(relocated("killed", tmp_path) / "conversations.db")
    turns = [turn for one in group["conversations"] for turn in one["standing"] if turn["finish"] == "cut"]
    talk = Turns()
    talk.read(store.record(group["conversations"][0]["id"]) or {})
    assert turns and [turn.reply for turn in talk if turn.finish == "cut"] == [turn["reply"] for turn in turns]


def test_outputs_of_both_releases_can_stand_in_one_file(tmp_path: Path) -> None:
    path = relocated("plain", tmp_path) / "plain.ipynb"
    content = json.loads(path.read_text("utf-8"))
    asking = [cell for cell in content["cells"] if any("berlin" in out["metadata"] for out in cell.get("outputs", ()))]
    asking[0]["outputs"][-1]["metadata"]["berlin"]["format"] = 2
    path.write_text(json.dumps(content), encoding="utf-8")
    found = read(path)
    assert found.problems == [] and len(found.entries) == len(asking)


@pytest.mark.skipif(os.name == "nt", reason="the database is held open there")
def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = relocated("plain", tmp_path) / "conversations.db"
    before = list(sqlite3.connect(path).iterdump())
    with monkeypatch.context() as broken:
        broken.setattr(schema, "_MIGRATIONS", [schema._MIGRATIONS[0] + ";\nSELECT no_such_column FROM events"])
        assert Store(path).broken
    assert list(sqlite3.connect(path).iterdump()) == before
    assert not Store(path).broken
