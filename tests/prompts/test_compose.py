"""What a prompt makes of the values that it names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from berlin_magic.errors import PromptError
from berlin_magic.messages import ImagePart, TextPart
from berlin_magic.prompts.compose import Composed, compose
from berlin_magic.prompts.description import Description
from berlin_magic.prompts.expressions import Level

PICTURE = ImagePart("data:image/png;base64,AAAA")


async def describe(value: Any, level: Level | None) -> Description:
    parts = [PICTURE] if value is PICTURE else [TextPart(f"<{value!r}{f'|{level}' if level else ''}>")]
    return Description(type(value).__name__, parts, level or "full")


async def composed(
    prompt: str, more: dict[str, Any] | None = None, values: tuple[str, ...] = (), **names: Any
) -> Composed:
    return await compose(prompt, names, describe, more=more, values=values)


async def text(prompt: str, **names: Any) -> str:
    (part,) = (await composed(prompt, **names)).parts
    assert isinstance(part, TextPart)
    return part.text


async def test_values_stand_where_their_expressions_stood() -> None:
    assert await text("One {{ x }}, two {{ x + 1 | json }}.", x=1) == "One <1>, two <2|json>."
    assert (await composed("plain {x}")).is_plain
    assert not (await composed("{{ 1 }}")).is_plain


async def test_images_are_parts_of_their_own() -> None:
    result = await composed("See {{ fig }}{{ fig }} and {{ 1 }}.", fig=PICTURE)
    assert result.parts == (TextPart("See "), PICTURE, PICTURE, TextPart(" and <1>."))


async def test_each_expression_is_evaluated_once_from_left_to_right() -> None:
    asked: list[int] = []
    await composed("{{ f(1) }} {{ f(2) }} {{ f(3) }}", f=asked.append)
    assert asked == [1, 2, 3]


async def test_what_can_be_awaited_is_awaited() -> None:
    async def later() -> int:
        await asyncio.sleep(0)
        return 7

    assert await text("{{ later() }} {{ await later() }} {{ [await later() for _ in 'ab'] }}", later=later) == (
        "<7> <7> <[7, 7]>"
    )


async def test_a_value_with_braces_is_not_looked_through_again() -> None:
    assert await text("{{ x }}", x="{{ secret }}", secret="s") == "<'{{ secret }}'>"


async def test_the_users_own_names_win_over_ours() -> None:
    assert (await composed("{{ cells }}", more={"cells": "ours"})).parts == (TextPart("<'ours'>"),)
    assert (await composed("{{ cells }}", more={"cells": "ours"}, cells="mine")).parts == (TextPart("<'mine'>"),)
    assert (await composed("{{ [c for c in cells] }}", more={"cells": "ab"})).parts == (TextPart("<['a', 'b']>"),)


async def test_names_are_seen_in_comprehensions_and_lambdas() -> None:
    assert await text("{{ [x + y for y in (1, 2)] }} {{ (lambda: x)() }}", x=1) == "<[2, 3]> <1>"


async def test_what_is_assigned_is_assigned_in_the_namespace_and_nothing_else_is() -> None:
    names: dict[str, Any] = {"x": 1}
    await compose("{{ (y := x + 1) }}{{ y }}", names, describe)
    assert names == {"x": 1, "y": 2, "__builtins__": names["__builtins__"]}


async def test_values_that_are_named_beside_the_prompt_come_before_it() -> None:
    result = await composed("What is it?", values=("x", "x + 1"), x=1)
    assert result.parts == (TextPart("x:\n<1>\n\nx + 1:\n<2>\n\nWhat is it?"),)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a\n{{ dff.head() }}", ["Line 2", "`dff`", "Did you mean df?"]),
        ("{{ zzz }}", ["Line 1", "`zzz`", "--no-expand"]),
        ("{{ 1 / 0 }}", ["Line 1", "ZeroDivisionError", "nothing was sent"]),
        ("{{ df.nothing }}", ["AttributeError"]),
        ("{{ [][3] }}", ["IndexError"]),
        ("{{ df }} {{ }}", ["Line 1", "no expression"]),
    ],
)
async def test_what_can_not_be_evaluated_is_an_error_that_names_the_line(prompt: str, words: list[str]) -> None:
    with pytest.raises(PromptError) as caught:
        await composed(prompt, df=1)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


async def test_nothing_is_evaluated_if_one_of_the_expressions_can_not_be_read() -> None:
    asked: list[int] = []
    with pytest.raises(PromptError):
        await composed("{{ f(1) }} {{ }}", f=asked.append)
    assert asked == []


async def test_an_interrupt_goes_through() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await composed("{{ f() }}", f=interrupted)


class Table:
    def __init__(self, *rows: str) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return "\n".join(self.rows)


async def test_a_value_of_several_lines_stands_in_lines_of_its_own() -> None:
    one, table = Table("|a|"), Table("|a|", "|1|")
    assert await text("See {{ t }}, please.", t=one) == "See <|a|>, please."
    assert await text("See {{ t }}?", t=table) == "See \n\n<|a|\n|1|>\n\n?"
    assert await text("See:\n{{ t }}\nRight?", t=table) == "See:\n<|a|\n|1|>\nRight?"
    assert await text("{{ t }}", t=table) == "<|a|\n|1|>"
    assert await text("{{ t }}{{ t }}{{ o }}", t=table, o=one) == "<|a|\n|1|>\n\n<|a|\n|1|>\n\n<|a|>"


async def test_a_text_of_several_lines_stays_within_its_line() -> None:
    async def plain(value: Any, level: Level | None) -> Description:
        return Description("str", [TextPart(value)], "full")

    composed = await compose("<doc>{{ t }}</doc>", {"t": "a\nb"}, plain)
    assert composed.parts == (TextPart("<doc>a\nb</doc>"),)
