"""At the level ``schema`` nothing of the data leaves the machine, whatever expression it is asked for with."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import io
import re
import types
from pathlib import Path
from typing import Any

import pytest

from berlin_magic.prompts.describe import Describe, describe
from berlin_magic.prompts.description import type_name

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

SECRET = "kanari"
NUMBER = 7_301_946_285  # the digits of which must not be seen


@dataclasses.dataclass
class Record:
    name: str
    number: int


class Describing:
    """An object that would say everything about itself."""

    def __init__(self) -> None:
        self.secret = SECRET

    async def _ai_repr_(self, **_: object) -> str:
        return SECRET

    def _repr_llm_(self) -> str:
        return SECRET

    def __repr__(self) -> str:
        return SECRET

    _repr_markdown_ = _repr_html_ = __str__ = __repr__


class Frame(pd.DataFrame):
    """A DataFrame with a description of its own."""

    def _repr_llm_(self) -> str:
        return SECRET


class Text(str):
    """A text with a description of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return SECRET

    def __len__(self) -> int:
        return NUMBER


class Colour(enum.Enum):
    RED = SECRET


def function(text: str = SECRET) -> str:
    """kanari."""
    return "kanari" + text


def error() -> BaseException:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            cause.add_note(SECRET)
            raise ValueError(f"{SECRET} {NUMBER}") from cause
    except ValueError as caught:
        return caught


def frame() -> Any:
    made = pd.DataFrame(
        {
            "a": [SECRET, "x", SECRET],
            "n": [NUMBER, 1, 2],
            "nested": [{SECRET: [SECRET]}, None, [SECRET]],
            "kind": pd.Categorical([SECRET, "x", "x"], categories=[SECRET, "x"], ordered=True),
            "when": pd.Series(pd.date_range("2020", periods=3)).dt.tz_localize(dt.timezone(dt.timedelta(0), SECRET)),
            "raw": [SECRET.encode()] * 3,
        },
        index=[SECRET, "i", "j"],
    )
    made.attrs["source"] = SECRET
    return made


def figure() -> Any:
    from matplotlib.figure import Figure

    drawn = Figure()
    axes = drawn.subplots()
    axes.plot([1, NUMBER], label=SECRET)
    axes.set_title(SECRET)
    axes.set_xlabel(SECRET)
    drawn.suptitle(SECRET)
    return drawn


def picture() -> Any:
    made = image.new("RGB", (10, 10))
    made.info["comment"] = SECRET
    return made


NAMES = {
    "df": frame(),
    "pf": pl.DataFrame(
        {"a": [SECRET, "x"], "e": pl.Series([SECRET, "x"], dtype=pl.Enum([SECRET, "x"])), "n": [NUMBER, 1]}
    ),
    "fig": figure(),
    "img": picture(),
    "last_error": error(),
    "obj": Describing(),
    "record": Record(SECRET, NUMBER),
    "text": Text(SECRET),
    "path": Path(__file__).parent / SECRET,
    "pd": pd,
    "pl": pl,
    "np": np,
    "Frame": Frame,
    "function": function,
    "Colour": Colour,
    "collections": collections,
    "decimal": decimal,
    "functools": functools,
    "io": io,
    "re": re,
    "types": types,
    "SECRET": SECRET,
    "NUMBER": NUMBER,
    "Out": {3: SECRET, 4: frame()},
    "file": lambda: SECRET,
}

EXPRESSIONS = """
SECRET
SECRET.encode()
bytearray(SECRET.encode())
memoryview(SECRET.encode())
NUMBER
float(NUMBER)
complex(NUMBER)
decimal.Decimal(NUMBER)
df
df.iloc[0]
df.loc[SECRET]
df.iloc[[0]].T
df.T
df.T.T
df.to_csv()
df.to_dict()
df.to_dict("records")
df.to_html()
df.to_numpy()
df.to_records()
df.values
df.index
df.columns
df.attrs
df.dtypes
df.describe(include="all")
str(df)
repr(df)
[*df.a]
[*df.itertuples()]
list(df.iterrows())
df["a"]
df["kind"]
df["kind"].cat.categories
df["kind"].dtype
df["when"]
df["nested"].iloc[0]
df["a"].value_counts()
df["a"].value_counts().to_frame().T
df["a"].unique()
df.set_index("a")
df.set_index(["a", "n"])
df.set_index(["a", "n"]).index
df.set_index("a").T
df.pivot_table(index="n", columns="a", aggfunc="size")
df.set_index([["u", "v", "w"], "kind"])["n"].unstack()
pd.crosstab(df["a"], df["n"])
pd.get_dummies(df[["a", "n"]])
pd.get_dummies(df["a"])
pd.get_dummies(df["a"], dtype=int)
pd.get_dummies(df[["a", "n"]], dtype=float, prefix="new_city")
pf.to_dummies("a")
pf.lazy().with_columns(pl.lit(True).alias("a_kanari"), pl.lit(False).alias("a_x"))
df.groupby("a")
df.groupby("a").groups
dict(list(df.groupby("a")))
df.iloc[0].to_frame()
df[["a"]].T
df.style
pd.Series({SECRET: 1})
pd.Series([1], name=SECRET)
pd.arrays.SparseArray([NUMBER, NUMBER], fill_value=NUMBER)
pd.DataFrame({"s": pd.arrays.SparseArray([NUMBER, 1], fill_value=NUMBER)})
pd.Timestamp("2020-01-01")
pd.Interval(0, NUMBER)
Frame(df)
pf
pf["e"]
pf["e"].dtype
pf.rows()
pf.to_dicts()
pf.lazy()
pf.lazy().filter(pl.col("a") == SECRET)
pf.group_by("a")
np.array([SECRET, "x"])
np.array([NUMBER])
np.array([{SECRET: SECRET}], dtype=object)
np.int64(NUMBER)
np.str_(SECRET)
np.ma.array([NUMBER], mask=[False])
fig
fig.axes
fig.axes[0]
fig.axes[0].get_title()
fig.axes[0].lines[0]
img
img.info
last_error
last_error.args
last_error.__cause__
last_error.__traceback__
ExceptionGroup(SECRET, [last_error])
obj
[obj]
{"a": obj}
vars(obj)
obj.secret
record
[record]
text
path
str(path)
Out
Out[3]
[Out[3]]
{SECRET: 1}
{1: SECRET}
{SECRET}
frozenset({SECRET})
(SECRET, NUMBER)
((SECRET,),)
collections.Counter([SECRET])
collections.OrderedDict({SECRET: 1})
collections.defaultdict(list, {SECRET: [1]})
collections.deque([SECRET])
collections.namedtuple("Point", "x y")(SECRET, NUMBER)
types.SimpleNamespace(**{SECRET: 1})
types.MappingProxyType({SECRET: SECRET})
function
function.__doc__
function()
functools.partial(function, SECRET)
lambda text=SECRET: "kanari"
Colour.RED
io.StringIO(SECRET)
re.compile(SECRET)
range(NUMBER)
slice(SECRET)
(one for one in SECRET)
iter(SECRET)
file()
object()
None
""".strip().splitlines()


def test_the_list_is_long() -> None:
    assert len(set(EXPRESSIONS)) >= 100


@pytest.mark.parametrize("expression", EXPRESSIONS)
async def test_no_data_is_shown(expression: str) -> None:
    value = eval(expression, dict(NAMES))
    for options in ({"level": "schema"}, {"limit": "schema"}, *({"level": one, "limit": "schema"} for one in FORMS)):
        found = await describe(value, **options)
        assert found.level == "schema"
        assert len(found.parts) == 1
        assert found.text
        shown = re.sub(r"[\s,._]", "", found.kind + found.text + found.cut).lower()
        assert SECRET not in shown and str(NUMBER) not in shown, found.text
        assert "raised" not in found.cut


FORMS = ["full", "sample", "repr", "json", "source"]


@pytest.mark.parametrize(
    "expression", ["df", "pf", "fig", "last_error", "obj", "record", "Out", "SECRET", "np.array([NUMBER])"]
)
async def test_the_data_is_shown_at_other_levels(expression: str) -> None:
    """The test above would notice: this is what it must not see."""
    text = re.sub(r"[\s,._]", "", (await describe(eval(expression, dict(NAMES)))).text)
    assert SECRET in text or str(NUMBER) in text or "73019" in text


async def test_kinds_hold_no_data_at_any_level() -> None:
    for expression in EXPRESSIONS:
        try:
            value = eval(expression, dict(NAMES))
            kind = (await describe(value)).kind
        except Exception as failure:  # noqa: BLE001 - says which one
            pytest.fail(f"{expression}: {failure!r}")
        assert SECRET not in kind.lower() and str(NUMBER) not in re.sub(r"[,._]", "", kind), expression


async def test_what_is_registered_is_not_asked() -> None:
    ours = Describe()
    ours.register(Record, lambda value: value.name)
    assert SECRET not in (await ours(NAMES["record"], "schema")).text


async def test_columns_types_shapes_and_counts_are_shown() -> None:
    found = (await describe(NAMES["df"], "schema")).text.splitlines()
    assert found[0] == "DataFrame (pandas), 3 rows × 6 columns"
    assert "| n | int64 | 0 |" in found and "| nested | object (dict, list) | 1 |" in found
    assert (await describe(Record("x", 1), "schema")).text == "Record(name: str, number: int)"
    assert (await describe({"a": 1, "b": "x"}, "schema")).text == "dict, 2 items: str → int, str"
    assert (await describe("four", "schema")).text == "str, 4 characters"
    assert (await describe(np.zeros((3, 4)), "schema")).text == "ndarray (numpy), 3 × 4 of float64"
    assert (await describe(function, "schema")).text == "function function(text), 3 lines"


async def test_of_one_hot_encoded_columns_the_common_beginning_is_shown() -> None:
    encoded = pd.get_dummies(pd.DataFrame({"city": ["Berlin", "Bonn", "Köln"], "n": [1, 2, 3]}))
    found = (await describe(encoded, "schema")).text
    assert "| n | int64 | 0 |" in found and found.count("| city_(name withheld) | bool | 0 |") == 3
    whole = (await describe(encoded)).text
    assert "city_Berlin" in whole and "withheld" not in whole


async def test_ordinary_names_of_columns_are_shown() -> None:
    shares = pd.DataFrame({"paid": [True, False], "share_a": [0.25, 1.0], "share_b": [0.0, 0.5], "n": [3, 4]})
    for name in shares:
        assert f"| {name} | " in (await describe(shares, "schema")).text
    scores = pd.DataFrame({"anna": [1.0, 2.0], "ben": [2.0, 3.0]})
    assert "| anna | float64 | 0 |" in (await describe(scores, "schema")).text
    named = scores.assign(id=["x", "y"]).set_index("id")
    assert "Index: id" in (await describe(named, "schema")).text and "anna" in (await describe(named, "schema")).text
    assert "| 0 | float64 |" in (await describe(pd.DataFrame(np.zeros((2, 2))), "schema")).text


def test_the_name_of_a_type_is_asked_of_no_metaclass() -> None:
    class Meta(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            return SECRET

    class Named(metaclass=Meta):
        pass

    assert type_name(Named()) == "Named"
    assert asyncio.run(describe(Named(), "schema")).text == "Named"
