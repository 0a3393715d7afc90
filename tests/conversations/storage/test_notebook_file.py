"""What a notebook file tells of its conversations: enough to go on elsewhere, and nothing breaks on what is odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cpu_time import measured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from berlin_magic.conversations.command_questions import command_question
from berlin_magic.conversations.storage.notebook_file import command_record, output_record, read, record_of
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.messages import Text


def answered(turns: Turns, cell: str, prompt: str, reply: str = "reply") -> Turn:
    turn = turns.begin(prompt, cell=cell, run=f"run of {cell}: {prompt}", model="m", options={"temperature": 0.5})
    turn.take(Text(reply))
    turns.end(turn, "complete", ended=2.0)
    return turn


def cell_of(turns: Turns, turn: Turn, source: str | None = None) -> dict[str, Any]:
    source = f"%%berlin -m m\n{turn.prompt}" if source is None else source
    metadata = output_record(turns, turn, notebook="N", conversation="", source=source)
    assert json.loads(json.dumps(metadata)) == metadata
    return cell(turn.cell, source, {"data": {"text/plain": turn.reply}, "metadata": {"berlin": metadata}})


def cell(id_: str | None, source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "id": id_, "source": source, "outputs": list(outputs)}


def file_of(path: Path, *cells: dict[str, Any]) -> Path:
    (path / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    return path / "n.ipynb"


def again(path: Path) -> Turns:
    turns = Turns()
    assert turns.read(read(path).record()) == []
    return turns


def test_a_conversation_is_rebuilt_from_cells_outputs_and_metadata(tmp_path: Path) -> None:
    turns = Turns("be brief")
    for name in "abc":
        answered(turns, name, f"question {name}\nwith two lines")
    path = file_of(tmp_path, *(cell_of(turns, turn) for turn in turns))
    found = read(path)
    assert found.notebooks == ["N"] and [one.id for one in found.cells] == ["a", "b", "c"] and found.problems == []
    other = again(path)
    assert [(t.id, t.prompt, t.reply, t.model, t.options, t.chain, t.request) for t in other] == [
        (t.id, t.prompt, t.reply, t.model, t.options, t.chain, t.request) for t in turns
    ]
    assert other.stale() == set()
    assert [m for m in turns.messages if m["role"] != "system"] == other.messages


def test_a_turn_on_an_older_version_is_marked_elsewhere_too(tmp_path: Path) -> None:
    turns = Turns()
    for name in "abc":
        answered(turns, name, name)
    answered(turns, "b", "b again")
    other = again(file_of(tmp_path, *(cell_of(turns, turn) for turn in turns)))
    assert other.stale() == turns.stale() == {turns[2].id}


def test_the_metadata_repeats_neither_prompt_nor_reply(tmp_path: Path) -> None:
    turns = Turns()
    turn = answered(turns, "a", "the question", "the reply")
    text = json.dumps(output_record(turns, turn, source="%%berlin\nthe question\n"))
    assert "the question" not in text and "the reply" not in text
    assert "the question" in json.dumps(output_record(turns, turn, source="ask('the question')"))


def test_a_question_edited_since_is_marked(tmp_path: Path) -> None:
    turns = Turns()
    turn = answered(turns, "a", "old words")
    edited = cell_of(turns, turn)
    edited["source"] = ["%%berlin\n", "new words"]
    other = again(file_of(tmp_path, edited))
    assert other[0].prompt == "new words" and other.stale() == {turn.id}


def test_commands_and_imports_travel(tmp_path: Path) -> None:
    turns = Turns()
    first, second = answered(turns, "a", "a"), answered(turns, "b", "b")
    turns.undo(cell="u", run="u")
    turns.add_messages([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], cell="i", run="i")
    commands = [
        cell(id_, "%berlin …", {"data": {}, "metadata": {"berlin": command_record(turns, place.current.events)}})
        for id_, place in (("u", turns.places[2]), ("i", turns.places[3]))
    ]
    other = again(file_of(tmp_path, cell_of(turns, first), cell_of(turns, second), *commands))
    assert other.messages == turns.messages and len(other) == 2


def test_several_outputs_of_a_cell_are_its_turns_in_sequence(tmp_path: Path) -> None:
    turns = Turns()
    one = turns.begin("one", cell="a", run="r")
    turns.end(one, "complete")
    two = answered(turns, "a", "two")
    cells = [cell_of(turns, turn, "for …") for turn in (one, two)]
    cells[0]["outputs"] += cells[1]["outputs"]
    assert [turn.prompt for turn in again(file_of(tmp_path, cells[0]))] == ["one", "two"]


def test_a_newer_format_is_left_out_and_said(tmp_path: Path) -> None:
    turns = Turns()
    newer = cell_of(turns, answered(turns, "a", "a"))
    newer["outputs"][0]["metadata"]["berlin"]["format"] = 3
    found = read(file_of(tmp_path, newer))
    assert found.entries == [] and "cell 1" in found.problems[0] and "format" in found.problems[0]


def test_what_is_no_notebook_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"cells": 3}', "\udcff"):
        (tmp_path / "n.ipynb").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
            read(tmp_path / "n.ipynb")


NAMES = ("format", "turn", "events", "id", "kind", "turns", "parent", "chain", "finish", "prompt", "notebook", "given")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ours=JSON, rest=JSON)
def test_whatever_stands_there_breaks_nothing(tmp_path: Path, ours: Any, rest: Any) -> None:
    if isinstance(ours, dict):
        ours = {"format": 1, **ours}
    odd = cell("a", "%%berlin\nx", {"data": rest, "metadata": {"berlin": ours}}, {"metadata": rest})
    found = read(file_of(tmp_path, odd, {"id": rest, "outputs": rest, "source": rest}))
    visible = record_of((one, one.visible) for one in found.entries if one.visible)
    for record in (*map(found.record, found.names), visible):
        turns = Turns()
        turns.read(record)
        assert len(turns.messages) >= 0 and turns.stale() is not None


def output(number: int) -> dict[str, Any]:
    turn = {"format": 2, "turn": f"{number:032x}", "finish": "complete", "prompt": f"q{number}"}
    parent = {"parent": f"{number - 1:032x}"} if number else {}
    return {"data": {"text/plain": f"a{number}"}, "metadata": {"berlin": {**turn, **parent}}}


@pytest.mark.parametrize("in_one_cell", [True, False])
def test_reading_twice_as_much_costs_about_twice(tmp_path: Path, in_one_cell: bool) -> None:
    def cost(count: int) -> float:
        outputs = [output(number) for number in range(count)]
        each = [cell(f"c{number}", "%%berlin\nq", one) for number, one in enumerate(outputs)]
        path = file_of(tmp_path, *([cell("a", "%%berlin\nq", *outputs)] if in_one_cell else each))
        with measured() as seconds:
            turns = again(path)
            assert len(turns) == count and len(turns[-1].chain) == count - 1 and turns.stale() == set()
        return seconds[0]

    assert min(cost(4000) for _ in range(2)) < 5 * min(cost(2000) for _ in range(2)) + 0.05


@pytest.mark.parametrize("command", ["fix", "explain"])
def test_the_question_of_a_command_is_known_in_a_file(tmp_path: Path, command: str) -> None:
    turns = Turns()
    turn = turns.begin(command_question(command, "in short"), cell="a", values=[{"code": "last_error", "kind": "x"}])
    turn.take(Text("Because."))
    turns.end(turn, "complete", ended=2.0)
    path = file_of(tmp_path, cell_of(turns, turn, f"%berlin {command} in short"))
    (entry,) = read(path).entries
    assert entry.visible is not None and entry.visible["prompt"] == turn.prompt
    assert turn.prompt.endswith("\n\nin short")
    assert entry.visible["values"] == [{"code": "last_error"}]
    assert again(path)[0].prompt == turn.prompt
    assert command_question("history", "in short") == ""
