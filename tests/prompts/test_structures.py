"""Lists, dicts, texts, bytes, paths and dataclasses as they are shown."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from berlin_magic.prompts.describe import describe
from berlin_magic.prompts.description import Bounds


async def text(value: Any, *args: Any, **options: Any) -> str:
    return (await describe(value, *args, **options)).text


@dataclasses.dataclass
class Point:
    x: int
    y: list[int]
    hidden: int = dataclasses.field(default=0, repr=False)


@dataclasses.dataclass
class Shown:
    x: int

    def __repr__(self) -> str:
        return "its own repr"


class Named(list):
    def __repr__(self) -> str:
        return "its own repr"


@pytest.mark.parametrize(
    "value",
    [
        3,
        2.5,
        True,
        None,
        1 + 2j,
        [],
        [1],
        (1,),
        (1, 2),
        {"a": [1, {"b": None}]},
        {1, 2},
        set(),
        frozenset({1}),
        b"ab",
        [b"ab", "c", (1, 2)],
        {(1, 2): 3},
        range(5),
        collections.OrderedDict(a=1),
    ],
    ids=repr,
)
async def test_what_is_short_is_written_as_python_does(value: Any) -> None:
    written = await text(value)
    assert written == ("OrderedDict({'a': 1})" if isinstance(value, collections.OrderedDict) else repr(value))


async def test_a_text_is_itself_and_loses_its_middle() -> None:
    assert await text("{x} ü\n") == "{x} ü\n"
    found = await describe("a" * 3000 + "b" * 3000)
    assert found.text.startswith("aaa") and found.text.endswith("bbb")
    assert "[… 2,000 of 6,000 characters left out …]" in found.text
    assert found.cut == "2,000 of 6,000 characters"


async def test_a_long_list_loses_its_middle() -> None:
    found = await describe(list(range(1000)))
    assert found.text.replace("\n ", "").startswith("[0, 1, 2") and "… 980 more …" in found.text
    assert found.text.endswith("999]") and found.cut == "980 of 1,000 items"
    assert "…" not in await text(list(range(1000)), "full")


@pytest.mark.parametrize(
    "make", [list, tuple, set, frozenset, collections.deque, dict.fromkeys], ids=lambda m: m.__qualname__
)
async def test_every_container_keeps_the_bounds(make: Any) -> None:
    value = make(range(300_000))
    found = await describe(value)
    assert len(found.text) < 600 and "299,980 more" in found.text
    assert len(await text(value, "full")) < 41_000


async def test_what_is_deep_or_holds_itself_ends() -> None:
    circle: list[Any] = [1]
    circle.append({"again": circle})
    assert await text(circle) == "[1, {'again': <recursion>}]"
    deep: Any = 0
    for _ in range(10_000):
        deep = [deep]
    found = await describe(deep)
    assert found.text == "[[[[<list, 1 item: list>]]]]" and "deeper" in found.cut
    shared = [1]
    assert await text([shared, shared]) == "[[1], [1]]"
    wide = [[[[list(range(100))] * 100] * 100] * 100] * 100
    assert len(await text(wide)) < 4200


async def test_objects_of_users() -> None:
    assert await text(Point(1, [2])) == "Point(x=1, y=[2])"
    assert "more" in await text(Point(1, list(range(1000))))
    assert await text(Shown(1)) == "its own repr"
    assert await text(Named([1])) == "its own repr"
    assert await text([Named([1])]) == "[its own repr]"
    assert await text(types.SimpleNamespace(a=1)) == "SimpleNamespace(a=1)"
    pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024 - the one without types
    assert await text(pair(1, 2)) == "Pair(a=1, b=2)"


async def test_bytes_are_described_by_kind_and_size() -> None:
    found = await describe(b"\x89PNG\r\n\x1a\n" + bytes(200_000_000))
    assert found.kind == "bytes, 200 MB, a PNG image"
    assert len(found.text) < 300 and found.cut
    assert (await describe(memoryview(bytearray(2000)))).kind == "memoryview, 2 kB"
    assert "<bytes, 2 kB>" in await text([bytes(2000)])


async def test_a_path_is_described_and_not_read(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("the-content")
    assert f"{str(file)!r}), a file of 11 bytes" in await text(file)
    assert "a folder" in await text(tmp_path) and "not there" in await text(tmp_path / "x")
    assert "the-content" not in await text(file, "full")


async def test_a_number_of_a_million_digits() -> None:
    assert await text([10**1_000_000]) == "[<int, 3,321,929 bits>]"
    assert "3,321,929 bits" in await text(10**1_000_000)


def test_a_set_is_in_the_same_order_in_every_process() -> None:
    code = (
        "import asyncio\nfrom berlin_magic import describe\nprint(asyncio.run(describe(set(map(str, range(99))))).text)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


async def test_bounds_are_parameters() -> None:
    assert "… 97 more …" in await text(list(range(100)), bounds=Bounds(items=3))
    assert await text([[1]], bounds=Bounds(depth=1)) == "[<list, 1 item: int>]"
    assert len(await text("x" * 1000, bounds=Bounds(text=100))) < 200
