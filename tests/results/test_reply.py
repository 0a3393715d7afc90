import copy
import pickle
import sys

import polars as pl
import pytest

from berlin_magic.conversations.turn import Turn
from berlin_magic.messages import Finish, ImagePart, Reasoning, Started, Text, Usage
from berlin_magic.results.reply import Reply
from berlin_magic.results.tables import PromptError, frame_library, tables_in

TABLE = "| Name | Age | Weight |\n|---|---:|---|\n| **Ada** | 36 | 1.5 |\n| `Bob` | | 2 |\n"
TEXT = f"Here:\n\n```python\nx = 1\n```\n\n{TABLE}\n"


@pytest.fixture
def turn():
    turn = Turn("Question?")
    for event in (Started("Berlin", "gpt-4"), Reasoning("Hm."), Text(TEXT[:9]), Text(TEXT[9:]), Usage(3, 7)):
        turn.take(event)
    turn.take(Finish("stop"))
    turn.finish = "complete"
    return turn


def test_it_is_a_text_that_knows_its_turn(turn):
    reply = Reply(turn)

    assert reply == TEXT
    assert isinstance(reply, str)
    assert reply.turn is turn
    assert (reply.model, reply.finish, reply.reasoning) == ("gpt-4", "complete", "Hm.")
    assert reply.usage == Usage(3, 7)
    assert [(block.language, block.text) for block in reply.code] == [("python", "x = 1")]
    assert repr(reply) == repr(TEXT)


def test_what_the_engine_does_not_count_is_not_told(turn):
    turn.prompt_tokens = turn.completion_tokens = None

    assert Reply(turn).usage is None


def test_its_images_are_those_of_the_turn(turn):
    turn.parts = [ImagePart("data:image/png;base64,AA==")]

    assert [image.url for image in Reply(turn).images] == ["data:image/png;base64,AA=="]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_the_text_alone(turn, copied):
    reply = copied(Reply(turn))

    assert reply == TEXT
    assert type(reply) is str


ROWS = [{"Name": "Ada", "Age": 36, "Weight": 1.5}, {"Name": "Bob", "Age": None, "Weight": 2.0}]


def test_tables_are_rows_if_no_library_for_them_is_imported(turn, monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.delitem(sys.modules, "polars", raising=False)

    assert Reply(turn).tables == [ROWS]


def test_tables_are_data_frames_of_the_library_that_is_imported(turn, monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    (frame,) = Reply(turn).tables
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dicts() == ROWS

    pandas = pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    (frame,) = Reply(turn).tables
    assert list(frame.columns) == ["Name", "Age", "Weight"]
    assert frame["Weight"].sum() == 3.5


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("| a | a | |\n|---|---|---|\n| 1 | 2 | x |", [[{"a": 1, "a 2": 2, "column 3": "x"}]]),
        ("| a |\n|---|", [[]]),
        ("| a |\n|---|\n| 1 |\n\nText.\n\n| b |\n|---|\n| - |", [[{"a": 1}], [{"b": "-"}]]),
        ("No table | here", []),
    ],
)
def test_any_table_of_markdown_is_read(text, tables):
    assert [table.rows for table in tables_in(text)] == tables


def test_a_library_that_is_needed_and_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(PromptError, match="pip install pandas"):
        frame_library(needed=True)
