"""Functions, classes and modules by their source."""

from __future__ import annotations

import functools
import linecache
import sys
import types

import pytest

from berlin_magic.prompts import code
from berlin_magic.prompts import describe as module
from berlin_magic.prompts.describe import describe


def add(one: int, *more: int, **named: int) -> int:
    """Add."""
    return one + sum(more) + sum(named.values())


class Thing:
    """A thing."""

    def method(self) -> str:
        return "```"


async def test_a_function_is_its_source() -> None:
    found = await describe(add)
    assert found.kind == "function add(one, *more, **named), 3 lines"
    assert found.text.startswith("```python\ndef add(one: int") and found.text.endswith("\n```")
    for same in (functools.lru_cache(add), functools.partial(add, 1), functools.wraps(add)(lambda: 1)):
        assert "def add(" in (await describe(same)).text


async def test_a_class_and_a_method() -> None:
    found = await describe(Thing)
    assert found.kind == "class Thing, 5 lines" and "class Thing:" in found.text
    assert found.text.startswith("````python")  # no fence in the source ends it
    assert "def method" in (await describe(Thing().method)).text


async def test_what_has_no_source_is_shown_by_its_signature() -> None:
    found = await describe(len)
    assert found.text == "len(obj, /)\n\nReturn the number of items in a container."
    assert "dict" in (await describe(dict)).text


async def test_long_source_is_cut_in_the_middle() -> None:
    found = await describe(module)
    assert found.kind.startswith("module berlin_magic.prompts.describe, ")
    whole = await describe(module, "source")
    assert whole.text.startswith('```python\n"""Describe a value') and whole.text.endswith("```")
    short = await describe(module, "source", limit="sample")
    assert len(short.text) < 4200 and short.cut


async def test_a_module_is_described_without_importing_what_it_brings_on_demand() -> None:
    asked = []
    lazy = types.ModuleType("lazy", "A lazy module.\n\nMore.")
    lazy.__getattr__ = lambda name: asked.append(name) or 1 / 0  # type: ignore[method-assign]
    lazy.__all__ = ["first", "second"]
    found = await describe(lazy)
    assert found.kind == "module lazy, 2 public names" and asked == []
    assert "A lazy module." in found.text and "first, second" in found.text and "More." not in found.text


@pytest.mark.parametrize("body", ["x: int", "def f(self): pass"])
async def test_a_class_of_a_cell_is_found(body: str) -> None:
    older = f"class InCell:\n    older = 1\n    {body}\n"
    newer = f"import dataclasses\n@dataclasses.dataclass\nclass InCell:\n    newer = 1\n    {body}\n"
    main = types.ModuleType("__main__")
    names = vars(main)
    try:
        for number, source in enumerate((older, "%magic that is no Python", newer)):
            file = f"/tmp/ipykernel_1/{number}.py"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            if "magic" not in source:
                sys.modules["__main__"], before = main, sys.modules["__main__"]
                try:
                    exec(compile(source, file, "exec"), names)
                finally:
                    sys.modules["__main__"] = before
        assert "newer = 1" in code._class_in_cell(names["InCell"])
        assert code._class_in_cell(names["InCell"]).startswith("@dataclasses.dataclass")
    finally:
        for number in range(3):
            linecache.cache.pop(f"/tmp/ipykernel_1/{number}.py", None)
