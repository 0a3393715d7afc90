"""Who describes a value, in which order, and what happens if a value's own code does harm."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import berlin_magic
from berlin_magic.errors import PromptError
from berlin_magic.messages import ImagePart, TextPart
from berlin_magic.prompts import describe as module
from berlin_magic.prompts.describe import Describe, describe
from berlin_magic.prompts.description import Bounds, Description

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Plain:
    def __repr__(self) -> str:
        return "plain"


class Markdown(Plain):
    def _repr_markdown_(self) -> str:
        return "**markdown**"


class Picture(Markdown):
    def _repr_png_(self) -> bytes:
        return PNG


class Registered(Picture):
    pass


class ForModels(Registered):
    def _repr_llm_(self) -> str:
        return "for models"


class ForAi(ForModels):
    async def _ai_repr_(self, **_: object) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"text/plain": "for ai", "image/png": PNG}


async def described(value: Any, *args: Any, **options: Any) -> str:
    return (await describe(value, *args, **options)).text


async def test_it_is_a_public_name() -> None:
    assert berlin_magic.describe is describe
    assert (await berlin_magic.describe(3)).text == "3"


async def test_the_most_precise_description_is_taken() -> None:
    ours = Describe()
    ours.register(Registered, lambda _value: "registered")
    assert (await ours(Plain())).text == "plain"
    assert (await ours(Markdown())).text == "**markdown**"
    assert isinstance((await ours(Picture())).parts[0], ImagePart)
    assert (await ours(Registered())).text == "registered"
    assert (await ours(ForModels())).text == "for models"
    both = (await ours(ForAi())).parts
    assert both[0] == TextPart("for ai") and isinstance(both[1], ImagePart)


async def test_what_is_registered_is_preferred_to_what_is_built_in() -> None:
    ours = Describe()

    @ours.register(dict)
    async def count(value: dict[str, int]) -> str:
        await asyncio.sleep(0)
        return f"{len(value)} keys"

    ours.register(int, lambda value: None if value else "zero")
    assert (await ours({"a": 1})).text == "1 keys"
    assert (await ours(0)).text == "zero"
    assert (await ours(7)).text == "7"


async def test_a_describer_may_return_a_description() -> None:
    ours = Describe()
    ours.register(Plain, lambda _value: Description("mine", (TextPart("x"),), "sample", "half"))
    assert (await ours(Plain())).kind == "mine"


async def test_an_entry_point_is_loaded_for_its_type_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{Plain.__module__}.Plain"
    entries = {
        here: EntryPoint(here, "theirs:describer", module.GROUP),
        "x.Y": EntryPoint("x.Y", "no:no", module.GROUP),
    }
    monkeypatch.setattr(module, "_entry_points", lambda: entries)
    theirs = type(sys)("theirs")
    theirs.describer = lambda _value: "brought along"
    monkeypatch.setitem(sys.modules, "theirs", theirs)
    assert await described(Plain()) == "brought along"
    assert await described(ForModels()) == "for models"
    assert await described([1]) == "[1]"


async def test_methods_are_looked_up_on_the_type() -> None:
    assert "MagicMock" in await described(MagicMock())
    assert "class ForModels" in await described(ForModels)
    value = Plain()
    value._repr_llm_ = lambda: "of the instance"  # type: ignore[attr-defined]
    assert await described(value) == "plain"


async def test_a_method_that_is_none_is_not_there() -> None:
    class Silent(ForModels):
        _repr_llm_ = None  # type: ignore[assignment]

        def _repr_png_(self) -> None:  # type: ignore[override]
            return None

    assert await described(Silent()) == "**markdown**"


def raises(error: BaseException) -> Any:
    def method(_self: object, *_: object) -> str:
        raise error

    return method


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(3), KeyboardInterrupt(), RecursionError()])
async def test_a_method_that_raises_leaves_the_next_one(error: BaseException) -> None:
    cls = type("Broken", (ForModels,), {"_repr_llm_": raises(error)})
    found = await describe(cls())
    assert isinstance(found.parts[0], ImagePart)
    assert found.cut == f"its _repr_llm_ raised {type(error).__name__}"


@pytest.mark.parametrize(
    "error", [ValueError("the-message"), SystemExit("the-message"), KeyboardInterrupt("the-message")]
)
async def test_a_repr_that_raises_does_no_harm(error: BaseException) -> None:
    cls = type("Broken", (), {"__repr__": raises(error), "__str__": raises(error)})
    for value in (cls(), [cls()], {"a": cls()}, {cls()}):
        found = await describe(value)
        assert "Broken" in found.text and "the-message" not in found.text + found.cut


async def test_a_coroutine_that_raises_does_no_harm() -> None:
    class Broken(Plain):
        async def _ai_repr_(self) -> str:
            raise SystemExit(1)

    found = await describe(Broken())
    assert (found.text, found.cut) == ("plain", "its _ai_repr_ raised SystemExit")


async def test_what_a_value_prints_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    class Loud:
        def __repr__(self) -> str:
            print("loud")  # noqa: T201 - what is tested
            print("loud", file=sys.stderr)  # noqa: T201 - as above
            return "Loud()"

        async def _ai_repr_(self) -> None:
            await asyncio.sleep(0.05)
            print("loud")  # noqa: T201 - what is tested

    streams = sys.stdout, sys.stderr

    async def other() -> None:
        for _ in range(5):
            print("other")  # noqa: T201 - as above
            await asyncio.sleep(0.01)

    task = asyncio.create_task(other())
    assert await described(Loud()) == "Loud()"
    await task
    assert capsys.readouterr() == ("other\n" * 5, "")
    assert (sys.stdout, sys.stderr) == streams


async def test_a_slow_value_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()
    ended = threading.Event()

    class Slow:
        def __repr__(self) -> str:
            over.wait(30)
            print("late")  # noqa: T201 - as above
            ended.set()
            return "slow"

    found = await describe(Slow(), bounds=Bounds(seconds=0.2))
    assert found.text == "Slow (not described: it took more than 0.2 s)"
    over.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert capsys.readouterr().out == ""


async def test_a_slow_value_can_be_stopped_and_does_not_hold_up_the_loop() -> None:
    over = threading.Event()
    asked = threading.Event()

    class Slow:
        def __repr__(self) -> str:
            asked.set()
            over.wait(30)
            return "slow"

    task = asyncio.create_task(describe(Slow()))
    assert await asyncio.to_thread(asked.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    over.set()


async def test_a_slow_coroutine_is_given_up() -> None:
    class Slow(Plain):
        async def _ai_repr_(self) -> str:
            await asyncio.sleep(60)
            return "slow"

    assert "took more than" in (await describe(Slow(), bounds=Bounds(seconds=0.2))).cut


async def test_bounds_hold_for_what_a_value_says_itself() -> None:
    class Wordy:
        def _repr_llm_(self) -> str:
            return "x" * 100_000

    found = await describe(Wordy())
    assert len(found.text) < 4200 and "96,000 of 100,000 characters left out" in found.text
    assert 40_000 < len(await described(Wordy(), "full")) < 41_000
    assert len(await described(Wordy(), "full", limit="sample")) < 4200


async def test_an_address_in_memory_is_left_out() -> None:
    assert await described(object()) == "<object object at 0x…>"
    assert await described([object()]) == "[<object object at 0x…>]"


@pytest.mark.parametrize(
    ("level", "limit", "expected"),
    [
        (None, "full", "sample"),
        ("full", "full", "full"),
        ("full", "sample", "sample"),
        ("full", "schema", "schema"),
        ("schema", "full", "schema"),
        (None, "schema", "schema"),
        ("repr", "full", "repr"),
        ("json", "sample", "json"),
        ("json", "schema", "schema"),
        ("source", "schema", "schema"),
    ],
)
async def test_a_limit_lowers_the_level(level: Any, limit: Any, expected: str) -> None:
    assert (await describe([1, 2], level, limit=limit)).level == expected


async def test_nothing_is_asked_of_a_value_at_level_schema() -> None:
    asked = []

    def ask(self: object, *_: object) -> Any:
        asked.append(self)
        return "x"

    names = ["_ai_repr_", "_repr_llm_", "_repr_png_", "_repr_markdown_", "_repr_mimebundle_", "__repr__", "__str__"]
    names += ["__len__", "__iter__", "__getitem__", "__format__", "__bool__", "__hash__", "__eq__", "__getattr__"]
    ours = Describe()
    for base in (object, str, list, dict, int):
        cls = type("Asked", (base,), dict.fromkeys(names, ask))
        ours.register(cls, ask)
        assert "Asked" in (await ours(cls(), "schema")).text
    assert asked == []


async def test_a_form_that_a_value_does_not_have_is_an_error() -> None:
    with pytest.raises(PromptError, match="no source: it is a int"):
        await describe(3, "source")
    with pytest.raises(PromptError, match="there is a Plain in it"):
        await describe([Plain()], "json")
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(PromptError, match="JSON"):
        await describe(circle, "json")


async def test_forms() -> None:
    assert await described("a\n", "repr") == r"'a\n'"
    assert await described(Plain(), "repr") == "plain"
    assert await described({"a": (1, None), "ü": {2}}, "json") == '{"a": [1, null], "ü": [2]}'
    assert "async def described(" in await described(described, "source")
    assert await described({"a": [1]}, "repr") == "{'a': [1]}"


@pytest.mark.parametrize(
    "value", ["x" * 10**6, [1] * 10**6, set(range(10**6)), b"x" * 10**6], ids=lambda v: type(v).__name__
)
async def test_forms_keep_the_bounds(value: Any) -> None:
    forms: list[Any] = ["repr"] if isinstance(value, bytes) else ["repr", "json"]
    for form in forms:
        found = await describe(value, form)
        assert len(found.text) < 41_000 and found.cut
        assert len((await describe(value, form, limit="sample")).text) < 4200


@settings(deadline=None, max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text() | st.binary(max_size=100),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    ),
    st.sampled_from([None, "schema", "sample", "full", "repr"]),
    st.integers(10, 500),
)
def test_any_value_is_described_within_the_bounds(value: Any, level: Any, characters: int) -> None:
    found = asyncio.run(describe(value, level, bounds=Bounds(text=characters, full=2 * characters)))
    assert "raised" not in found.cut
    room = len("\n[… 1,000,000 of 1,000,000 characters left out …]\n") + (200 if isinstance(value, bytes) else 0)
    assert len(found.text) <= (2 * characters + room) * (10 if level == "repr" else 1)  # \U0001f600
    if level == "schema":
        assert found.text == found.kind


def test_no_library_is_imported() -> None:
    code = (
        "import asyncio, decimal, sys\n"
        "from berlin_magic import describe\n"
        "class Plot:\n"
        "    def _repr_png_(self): return b'no image'\n"
        "def fake(root, name): return type(name, (), {'__module__': root})()\n"
        "asyncio.run(describe(0))\n"
        "before = set(sys.modules)\n"
        "values = [1, 'x', [1], {1: 2}, b'x', decimal.Decimal(1), Plot(), Plot, len, sys, ValueError('x')]\n"
        "values += [fake('pandas.core', 'DataFrame'), fake('polars', 'Series'), fake('pyarrow.lib', 'Table')]\n"
        "values += [fake('numpy', 'ndarray'), fake('torch', 'Tensor'), fake('matplotlib.figure', 'Figure')]\n"
        "values += [fake('plotly', 'BaseFigure'), fake('altair', 'TopLevelMixin'), fake('PIL.Image', 'Image')]\n"
        "for value in values:\n"
        "    for level in (None, 'schema', 'full', 'repr'):\n"
        "        asyncio.run(describe(value, level))\n"
        "libraries = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(libraries - sys.stdlib_module_names - {'berlin_magic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
