"""Exceptions: the user's lines with their source, and no noise of libraries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from berlin_magic.prompts.describe import describe

HANDLED = "It was raised while this one was handled"


def fails(text: str) -> Any:
    return json.loads(text)


def caught(call: Any, *args: Any) -> BaseException:
    with pytest.raises(BaseException) as error:  # noqa: PT011 - any
        call(*args)
    return error.value


async def text(error: object) -> str:
    return (await describe(error)).text


async def test_the_users_frames_have_their_source() -> None:
    found = await describe(caught(fails, "{"))
    assert re.fullmatch(r"JSONDecodeError, raised through \d frames", found.kind)
    assert found.text.startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert "in fails" in found.text and "    return json.loads(text)" in found.text and "→" in found.text
    assert "frames in Python" in found.text and "raw_decode" not in found.text
    assert str(Path(__file__).parent) not in found.text  # a path tells who the user is


async def test_frames_of_libraries_are_counted() -> None:
    pd = pytest.importorskip("pandas")

    def use() -> Any:
        return pd.DataFrame({"a": [1]})["b"]

    shown = await text(caught(use))
    assert "KeyError: 'b'" in shown and 'pd.DataFrame({"a": [1]})["b"]' in shown
    assert "in pandas" in shown and "get_loc" not in shown


async def test_causes_contexts_notes_and_groups() -> None:
    def chained() -> None:
        try:
            raise KeyError("first")
        except KeyError as cause:
            error = ValueError("second")
            error.add_note("a note")
            raise error from cause

    shown = await text(caught(chained))
    assert shown.index("ValueError: second") < shown.index("a note") < shown.index("Its cause: KeyError: 'first'")

    def hidden() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second") from None

    assert HANDLED not in await text(caught(hidden))

    def shown_too() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904 - what is tested

    assert f"{HANDLED}: KeyError: 'first'" in await text(caught(shown_too))
    assert "TypeError: inner" in await text(ExceptionGroup("outer", [TypeError("inner")]))


async def test_a_recursion_is_short() -> None:
    def forever() -> None:
        forever()

    assert len(await text(caught(forever))) < 6000


async def test_errors_that_refer_to_each_other_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    shown = await text(one)
    assert shown.count("ValueError: one") == 1 and shown.count("ValueError: two") == 1


async def test_a_syntax_error_shows_its_place() -> None:
    assert "x = = 1" in await text(caught(compile, "x = = 1", "<cell>", "exec"))


async def test_a_message_that_raises_does_no_harm() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert "Broken" in await text(BrokenError())


async def test_a_traceback_alone_and_a_cell() -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def cell():\n    1 / 0\n", "/tmp/ipykernel_12/345.py", "exec"), namespace)
    error = caught(namespace["cell"])
    assert "In a cell of the notebook, line 2, in cell" in await text(error)
    assert "in cell" in await text(error.__traceback__)
