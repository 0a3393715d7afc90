"""Fingerprints: equal for equal values, another for others, and telling nothing."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import subprocess
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.prompts.fingerprint import fingerprint

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

KEY = b"k" * 32


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: object) -> None:
        self.a = a


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def frame(**changed: Any) -> Any:
    columns = {"a": [1, 2, 3], "s": ["x", None, "z"], "f": [1.0, np.nan, 3.0], "l": [[1], [2], None], **changed}
    return pd.DataFrame(columns, index=["i", "j", "k"])


# Each pair is of two values that differ; each value has to be known whole.
PAIRS: list[tuple[Any, Any]] = [
    (1, 2),
    (1, True),
    (1, 1.0),
    (1, "1"),
    ("a", b"a"),
    ("", "a"),
    (10**500, 10**500 + 1),
    (-1, 255),
    (None, 0),
    ([1, 2], [2, 1]),
    ([1, 2], (1, 2)),
    (["ab", "c"], ["a", "bc"]),
    ([[1], [2]], [[1, 2]]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    ({1, 2}, {1, 3}),
    ({1}, frozenset({1})),
    (Point(1), Point(2)),
    (Slotted(1), Slotted(2)),
    (Colour.RED, Colour.BLUE),
    (dt.date(2020, 1, 1), dt.date(2020, 1, 2)),
    (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    (Path("a"), Path("b")),
    (range(3), range(4)),
    (collections.deque([1]), collections.deque([2])),
    (collections.Counter("ab"), collections.Counter("abb")),
    (ValueError("a"), ValueError("b")),
    (np.array([1, 2]), np.array([1, 3])),
    (np.array([1, 2]), np.array([[1, 2]])),
    (np.array([1]), np.array([1.0])),
    (np.array(["a", {}], dtype=object), np.array(["b", {}], dtype=object)),
    (np.float64(1), np.float64(2)),
    (frame(), frame(a=[1, 2, 4])),
    (frame(), frame(s=["x", None, "y"])),
    (frame(), frame(s=["x", "", "z"])),
    (frame(), frame(l=[[1], [3], None])),
    (frame(), frame().rename(columns={"a": "b"})),
    (frame(), frame().reset_index(drop=True)),
    (frame(), frame().rename(index={"i": "o"})),
    (frame(), frame().astype({"a": "int32"})),
    (frame()["a"], frame()["f"]),
    (frame(c=pd.Categorical(["u", "v", "u"])), frame(c=pd.Categorical(["u", "v", "v"]))),
    (pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 3]})),
    (pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": ["y"]})),
    (pl.Series([1, None]), pl.Series([1, 0])),
    (lambda: 1, lambda: 2),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{type(pair[0]).__name__}-{pair[0]!r:.12}")
def test_another_value_has_another_fingerprint(pair: tuple[Any, Any]) -> None:
    one, other = (fingerprint(value, key=KEY) for value in pair)
    assert one != other
    assert one.startswith("exact:") and other.startswith("exact:")


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{type(pair[0]).__name__}-{pair[0]!r:.12}")
def test_an_equal_value_has_an_equal_fingerprint(pair: tuple[Any, Any]) -> None:
    for value in pair:
        assert fingerprint(value, key=KEY) == fingerprint(copy.deepcopy(value), key=KEY)


def values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )


@settings(deadline=None)
@given(values(), values())
def test_fingerprints_are_equal_if_and_only_if_the_values_are(one: Any, other: Any) -> None:
    assert fingerprint(one, key=KEY) == fingerprint(copy.deepcopy(one), key=KEY)
    if repr(one) != repr(other):
        assert fingerprint(one, key=KEY) != fingerprint(other, key=KEY)


def test_it_is_the_same_in_another_process() -> None:
    value = "[{'a', 'b', 'c', 'd'}, {'x': 1.5}, (None, b'x'), 'ü']"
    code = f"from berlin_magic.prompts.fingerprint import fingerprint\nprint(fingerprint({value}, key=b'k' * 32))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        )
        assert done.stdout.strip() == fingerprint(eval(value), key=KEY)


def test_without_the_key_a_guess_can_not_be_checked() -> None:
    assert fingerprint("1234", key=KEY) != fingerprint("1234", key=b"o" * 32)
    assert fingerprint("1234") == fingerprint("1234")
    code = "from berlin_magic.prompts.fingerprint import fingerprint\nprint(fingerprint('1234'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() != fingerprint("1234")


def test_it_says_that_a_part_was_looked_at() -> None:
    for value in (
        bytes(20_000_000),
        "x" * 20_000_000,
        list(range(100_000)),
        dict.fromkeys(range(100_000)),
        set(range(100_000)),
        np.zeros(10**7),
        pd.DataFrame({"a": ["x"] * 100_000}),
        pl.DataFrame({"a": ["x"] * 100_000}),
    ):
        assert fingerprint(value, key=KEY).startswith("sampled:")
    assert fingerprint(np.zeros(10**6), key=KEY).startswith("exact:")
    assert fingerprint(pd.DataFrame({"a": np.zeros(10**6)}), key=KEY).startswith("exact:")


def test_a_change_of_the_size_or_the_end_of_large_data_is_seen() -> None:
    for one, other in (
        (bytes(20_000_000), bytes(20_000_001)),
        (bytes(20_000_000), bytes(19_999_999) + b"x"),
        (list(range(100_000)), list(range(100_001))),
        (list(range(100_000)), [*range(99_999), 0]),
        (pd.DataFrame({"a": ["x"] * 100_000}), pd.DataFrame({"a": ["x"] * 99_999 + ["y"]})),
    ):
        assert fingerprint(one, key=KEY) != fingerprint(other, key=KEY)


def test_what_holds_itself_or_is_deep_ends() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    other: list[Any] = [2]
    other.append(other)
    assert fingerprint(circle, key=KEY) != fingerprint(other, key=KEY)
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert fingerprint(deep, key=KEY).startswith("sampled:")
    while deep:  # taken apart here: Python would do it by recursion
        deep = deep[0]


def test_a_list_of_many_large_things_is_bounded() -> None:
    tables = [pd.DataFrame({"a": ["x"] * 1000})] * 1000
    assert fingerprint(tables, key=KEY).startswith("sampled:")
    assert fingerprint(["x" * 1_000_000] * 1000, key=KEY).startswith("sampled:")


def test_no_code_of_the_value_is_run_and_nothing_is_raised() -> None:
    class Broken:
        def __init__(self) -> None:
            self.number = 1

        def __repr__(self) -> str:
            raise SystemExit

        __str__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __reduce_ex__ = __getattr__ = __repr__  # type: ignore[assignment]

    one, other = Broken(), Broken()
    other.number = 2
    assert fingerprint(one, key=KEY) != fingerprint(other, key=KEY)
    for value in (threading.Lock(), object(), iter([1]), open, sys, (one for one in ()), type, memoryview(b"x")[::-1]):
        fingerprint(value, key=KEY)
    assert fingerprint(object(), key=KEY).startswith("unknown:")
    assert fingerprint(threading.Lock(), key=KEY).startswith("unknown:")
    assert fingerprint([object()], key=KEY).startswith("sampled:")


def test_looking_at_an_object_does_not_change_it() -> None:
    class Lazy:
        @cached_property
        def worked_out(self) -> int:
            return 1

    lazy = Lazy()
    before = fingerprint(lazy, key=KEY)
    assert lazy.worked_out and fingerprint(lazy, key=KEY) == before


def test_code_that_changed_is_seen() -> None:
    def compiled(source: str) -> Any:
        names: dict[str, Any] = {"__name__": "cell"}
        exec(source, names)
        return names["it"]

    function = "def it(x=1):\n    return x + {}"
    same = compiled("\n\n" + function.format(1))
    assert fingerprint(compiled(function.format(1)), key=KEY) == fingerprint(same, key=KEY)
    assert fingerprint(compiled(function.format(2)), key=KEY) != fingerprint(same, key=KEY)
    cls = "class it:\n    def f(self):\n        return {}"
    assert fingerprint(compiled(cls.format(1)), key=KEY) != fingerprint(compiled(cls.format(2)), key=KEY)


def test_figures_and_images() -> None:
    figures = pytest.importorskip("matplotlib.figure")

    def drawn(end: int, title: str = "t") -> Any:
        figure = figures.Figure()
        axes = figure.subplots()
        axes.plot([1, end])
        axes.bar([1], [end])
        axes.set_title(title)
        return figure

    figure = drawn(2)
    before = fingerprint(figure, key=KEY)
    figure.savefig("/dev/null" if sys.platform != "win32" else "nul", format="png")
    assert before == fingerprint(figure, key=KEY) == fingerprint(drawn(2), key=KEY)
    assert len({before, fingerprint(drawn(3), key=KEY), fingerprint(drawn(2, "u"), key=KEY)}) == 3
    image = pytest.importorskip("PIL.Image")
    assert fingerprint(image.new("L", (3, 3)), key=KEY) != fingerprint(image.new("L", (3, 3), 1), key=KEY)


def test_nothing_is_imported() -> None:
    code = (
        "import sys, decimal\nfrom berlin_magic.prompts.fingerprint import fingerprint\n"
        "before = set(sys.modules)\n"
        "class Frame: __module__ = 'pandas.core.frame'\n"
        "Frame.__name__ = 'DataFrame'\n"
        "for value in (1, 'x', [1], {1: 2}, {1}, decimal.Decimal(1), print):\n    fingerprint(value)\n"
        "for value in (lambda: 1, Frame, Frame()):\n    fingerprint(value)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
