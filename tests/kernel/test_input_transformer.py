"""The rewriting of a cell: every magic where an await may stand, and nothing else."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.async_helpers import _asyncio_runner, _pseudo_sync_runner, _trio_runner

from berlin_magic.kernel.input_transformer import AwaitMagics, normalize_cell, rewritten

REGISTRY = "get_ipython().magics_manager.registry['BerlinMagics']"


def cell_magic(body: str, line: str = "") -> str:
    return f"get_ipython().run_cell_magic('berlin', {line!r}, {body!r})\n"


def test_a_cell_magic_is_awaited() -> None:
    assert rewritten(cell_magic("Hi\n", "-m x")) == f"(await {REGISTRY}.awaited_cell('-m x', 'Hi\\n'))\n"


def test_a_line_magic_is_awaited_also_as_a_value_and_in_a_branch() -> None:
    source = (
        "x = get_ipython().run_line_magic('berlin', 'history')\nif x:\n    get_ipython().run_line_magic('berlin', '')\n"
    )
    assert rewritten(source) == (
        f"x = (await {REGISTRY}.awaited_line('history'))\nif x:\n    (await {REGISTRY}.awaited_line(''))\n"
    )


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    get_ipython().run_cell_magic('berlin', '', 'Hi')\n",
        "async def f():\n    get_ipython().run_cell_magic('berlin', '', 'Hi')\n",
        "f = lambda: get_ipython().run_line_magic('berlin', '')\n",
        "class C:\n    x = get_ipython().run_line_magic('berlin', '')\n",
        "g = (get_ipython().run_line_magic('berlin', '') for _ in 'ab')\n",
        "get_ipython().run_cell_magic('time', '', 'get_ipython().run_cell_magic(\"berlin\", \"\", \"Hi\")')\n",
        "get_ipython().run_cell_magic('berliner', '', 'Hi')\n",
        "text = '''\nget_ipython().run_cell_magic('berlin', '', 'Hi')\n'''\n",
        "berlin = other.run_cell_magic('berlin', '', 'Hi')\n",
        "get_ipython().run_cell_magic('berlin', '', cell='Hi')\n",
        "get_ipython().run_line_magic(*['berlin', 'history'])\n",
        "this is no Python, berlin\n",
    ],
)
def test_everything_else_stays_as_it_is(source: str) -> None:
    assert rewritten(source) == source


def test_code_around_it_is_untouched() -> None:
    before, after = "π = 'ä\\u2028'  # ünïcode\r\n", "\n# end\n"
    assert rewritten(before + cell_magic("é") + after).startswith(before)
    assert rewritten(before + cell_magic("é") + after).endswith(after)


@pytest.mark.parametrize(
    ("autoawait", "runner", "awaited"),
    [
        (True, _asyncio_runner, True),
        (True, _trio_runner, False),
        (True, _pseudo_sync_runner, False),
        (False, _asyncio_runner, False),
    ],
)
def test_only_where_asyncio_awaits_the_cell_it_is_rewritten(autoawait: bool, runner: object, awaited: bool) -> None:
    lines = ["x = 1\n", cell_magic("Hi\u2028there\n")]
    after = AwaitMagics(SimpleNamespace(autoawait=autoawait, loop_runner=runner))(lines)
    assert "".join(after) == (rewritten("".join(lines)) if awaited else "".join(lines))
    assert ("await " in "".join(after)) is awaited


@pytest.mark.parametrize("before", ["", "é ", "\n\n", "é\n{1}"])
def test_a_magic_inside_of_an_f_string_is_awaited_or_left_alone(before: str) -> None:
    call = "get_ipython().run_line_magic('berlin', 'history')"
    source = f'x = f"""{before}{{{call}}} é"""\n'
    assert rewritten(source) in {source, source.replace(call, f"(await {REGISTRY}.awaited_line('history'))")}


@given(st.text(), st.text())
def test_any_prompt_arrives_as_it_was_written(line: str, body: str) -> None:
    tree = ast.parse(rewritten(cell_magic(body, line)))
    call = tree.body[0].value.value  # type: ignore[attr-defined]
    assert [argument.value for argument in call.args] == [line, body]


def normalized(cell: str) -> str:
    return "".join(normalize_cell(cell.splitlines(keepends=True)))


@pytest.mark.parametrize(
    "cell",
    [
        "# to the guide\n%%berlin -m x\nWhat is a list?\n",
        "# one\n\n   # two\n%%berlin -m x\nWhat is a list?\n",
        "#%% cell\n%%Berlin -m x\nWhat is a list?\n",
        "  %%berlin -m x\n  What is a list?\n",
        "\t%%berlin -m x\nWhat is a list?\n",
        "%%BERLIN -m x\nWhat is a list?\n",
    ],
)
def test_a_cell_magic_is_found_below_comments_indented_and_in_capitals(cell: str) -> None:
    assert normalized(cell) == "%%berlin -m x\nWhat is a list?\n"


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "# only a comment\n",
        "%%berlin\n# A heading\n%%berlin is a magic. And %berlin what?\n",
        "%%berlin What is this?\n",
        "%%berlin?\n",
        "%%berlin??\n",
        "%%berliner\nx\n",
        "x = 1\n%%berlin\nWhat?\n",
        "%%bash\n# a\n%%berlin\n",
        "%%writefile x\n%berlin what?\n",
        "%berlin?\n",
        "%berlin history\n",
        "%berlinale what?\n",
        'text = """\n%berlin what?\n"""\n',
        "x = 1 # %berlin what?\n",
        "print?\n",
    ],
)
def test_every_other_cell_stays_as_it_is(cell: str) -> None:
    assert normalized(cell) == cell


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%berlin What is this?\n", "What is this?"),
        ("# a comment\n%berlin what's it??\n", "what's it??"),
        ("x = 1\n%Berlin   use?  \n\n", "use?"),
        ("if x:\n    %berlin why?", "why?"),
    ],
)
def test_a_line_that_ends_in_a_question_mark_is_a_call_of_the_magic(cell: str, line: str) -> None:
    assert f"get_ipython().run_line_magic('berlin', {line!r})\n" in normalized(cell)


@given(st.text(), st.sampled_from(["# c\n", "  ", "", "\n \n# c\n"]))
def test_no_line_of_a_question_is_changed(question: str, before: str) -> None:
    body = f"{question}\n".replace("\r", "").splitlines(keepends=True)
    lines = [*before.splitlines(keepends=True), "%%berlin\n"] if before != "  " else ["  %%berlin\n"]
    after = normalize_cell([*lines, *body])
    assert after == ["%%berlin\n", *(line.removeprefix("  ") if before == "  " else line for line in body)]


@pytest.mark.parametrize(
    ("source", "called"),
    [
        (cell_magic("", "What?"), "get_ipython().run_cell_magic('berlin', 'What?', '\\n')\n"),
        (cell_magic("Hi"), cell_magic("Hi")),
        ("get_ipython().run_line_magic('Berlin', 'history')\n", "get_ipython().run_line_magic('berlin', 'history')\n"),
    ],
)
def test_if_nothing_can_be_awaited_a_call_is_one_that_ipython_accepts(source: str, called: str) -> None:
    assert rewritten(source, awaited=False) == called


def test_a_magic_in_capitals_is_awaited() -> None:
    source = "get_ipython().run_line_magic('Berlin', 'history')\n"
    assert rewritten(source) == f"(await {REGISTRY}.awaited_line('history'))\n"
