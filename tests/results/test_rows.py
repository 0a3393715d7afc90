"""Rows: what a template sees of a table, and what comes back as one."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl
import pytest

from berlin_magic.errors import BerlinError
from berlin_magic.results.rows import Row, Rows, rows_in


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"name": ["Ada", "Bob"], "age": [36, 41], "values": [1.5, None]}, index=[7, 8]),
        pl.DataFrame({"name": ["Ada", "Bob"], "age": [36, 41], "values": [1.5, None]}),
        [{"name": "Ada", "age": 36, "values": 1.5}, {"name": "Bob", "age": 41, "values": None}],
    ],
    ids=["pandas", "polars", "dicts"],
)
def test_a_row_has_its_columns_by_name_whatever_they_are_called(source: object) -> None:
    first, second = rows_in(source)
    assert (first.name, first["age"], first.values) == ("Ada", 36, 1.5)  # noqa: PD011 - a column's name
    assert second.name == "Bob" and str(second.age) == "41"  # an int stays one beside a float
    with pytest.raises(AttributeError, match="no column 'nmae'; it has name, age, values"):
        first.nmae  # noqa: B018


def test_a_whole_row_is_described_by_its_columns() -> None:
    assert Row({"name": "Ada", "age": 36})._ai_repr_() == {"text/plain": "name: Ada\nage: 36"}


def test_other_things_are_rows_as_they_are() -> None:
    assert rows_in(["a", 1]) == ["a", 1]
    for wrong in ("text", {"a": 1}, 5):
        with pytest.raises(ValueError, match="rows must be a table or a list"):
            rows_in(wrong)


def test_it_is_like_a_list() -> None:
    rows = Rows(["a", None, "c"], {1: BerlinError("No.\nTry.")})
    assert len(rows) == 3 and rows[0] == "a" and rows[1:] == [None, "c"] and list(rows) == ["a", None, "c"]
    assert rows == ["a", None, "c"] and repr(rows) == "<Rows: 2 of 3 replies, 1 without: see .errors>"


def test_a_frame_has_the_rows_beside_the_replies_and_the_errors() -> None:
    frame = pd.DataFrame({"text": ["x", "y"], "reply": [1, 2]}, index=[7, 8])
    made = Rows(["a", None], {1: BerlinError("No.\nTry.")}, source=frame).to_frame()
    assert list(made.columns) == ["text", "reply", "reply_2", "error"] and list(made.index) == [7, 8]
    assert made["reply_2"][7] == "a" and made["error"][8] == "BerlinError: No.\nTry."
    assert list(frame.columns) == ["text", "reply"]


def test_a_polars_table_stays_one_and_a_list_becomes_a_pandas_table() -> None:
    made = Rows(["a", "b"], source=pl.DataFrame({"text": ["x", "y"]})).to_frame()
    assert isinstance(made, pl.DataFrame) and made.rows() == [("x", "a"), ("y", "b")]
    made = Rows(["a", "b"], source=[{"prompt": "x"}, {"prompt": "y"}]).to_frame()
    assert isinstance(made, pd.DataFrame) and made.to_dict("list") == {"prompt": ["x", "y"], "reply": ["a", "b"]}


def test_typed_replies_are_a_column_for_each_field() -> None:
    @dataclass
    class Mood:
        label: str
        score: float

    made = Rows([Mood("good", 0.9), None], {1: BerlinError("No.")}, source=[{"text": "x"}, {"text": "y"}]).to_frame()
    assert list(made.columns) == ["text", "label", "score", "error"]
    assert made["label"][0] == "good" and made["score"][0] == 0.9 and pd.isna(made["score"][1])
