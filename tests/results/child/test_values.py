"""Values as JSON, and back: what comes back is the same, and nothing else comes through."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections import Counter, OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.results.child.values import NotDataError, decode, encode


def there_and_back(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner)
        | st.frozensets(st.integers() | st.text())
    ),
    max_leaves=20,
)


@given(plain)
def test_data_comes_back_as_it_was(value: Any) -> None:
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        *({1, 2}, frozenset("ab"), bytearray(b"ab"), 1 + 2j, range(1, 9, 2), Decimal("1.10"), Fraction(1, 3)),
        *(dt.datetime(2026, 11, 28, 1, 2, 3, 4, tzinfo=dt.UTC), dt.date(2026, 1, 2), dt.time(3, 4), dt.timedelta(1, 2)),
        *(OrderedDict(b=1, a=2), Counter("aab"), deque([1, 2]), {"$": "set", "v": [1]}, {1: {"a": (2, [3])}}),
    ],
)
def test_the_usual_kinds_come_back_as_they_were(value: Any) -> None:
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


def test_arrays_and_tables_come_back_as_they_were() -> None:
    for array in (
        np.arange(6).reshape(2, 3),
        np.array([1.5, np.nan]),
        np.array(["a", "bc"]),
        np.array([1, "a"], object),
    ):
        back = there_and_back(array)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    assert there_and_back(np.float64(1.5)) == 1.5 and there_and_back(np.bool_(1)) is True
    days = pd.to_datetime(["2026-01-02", None])
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, None], "s": ["a", None], "day": days, "ok": [True, False]})
    frame["c"] = frame["s"].astype("category")
    frame["whole"] = pd.array([1, None], dtype="Int64")
    pd.testing.assert_frame_equal(there_and_back(frame), frame)
    grouped = frame.groupby(["n", "ok"]).x.sum()
    pd.testing.assert_series_equal(there_and_back(grouped), grouped)
    pd.testing.assert_frame_equal(there_and_back(frame[["n", "x"]].set_index("n")), frame[["n", "x"]].set_index("n"))
    assert there_and_back(pl.DataFrame({"a": [1, None], "b": ["x", "y"]})).equals(
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    )


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "value", [object(), Liar(3), Colour.RED, print, Liar, [1, {2: Liar(3)}], np.array([Liar(3)], object)]
)
def test_an_object_is_no_data_whatever_it_is_derived_from(value: object) -> None:
    with pytest.raises(NotDataError):
        encode(value)


def test_what_is_read_makes_only_values_of_known_kinds() -> None:
    for record in ({"$": "object", "id": 1}, {"$": "eval", "v": "1"}, {"a": 1}, {"$": ["set"], "v": []}):
        with pytest.raises(NotDataError):
            decode(record)
    with pytest.raises(ValueError, match="dtype of the array"):
        decode({"$": "ndarray", "dtype": "O8", "shape": [1], "v": "AAAAAAAAAAA="})
