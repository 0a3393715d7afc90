"""Notebooks that are hard to know again: never saved, with cell ids that do not last, of an earlier release."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import Kernel, Run
from real_kernel.saved import LOAD

pytestmark = pytest.mark.kernel

Start = Callable[..., Kernel]
RELEASE_0_1 = Path(__file__).parents[1] / "fixtures" / "release_0_1"


@pytest.fixture
def start(server: Server, tmp_path: Path) -> Iterator[Start]:
    """Start a kernel for a notebook's path, with a store that outlives it."""
    kernels: list[Kernel] = []

    def start(path: Path | str, database: Path | None = None) -> Kernel:
        account = {"BERLIN_URL": server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
        where = str(database or tmp_path / "conversations.db")
        own = {"IPYTHONDIR": str(tmp_path / "ipython"), "BERLIN_DATABASE": where, "JPY_SESSION_NAME": str(path)}
        kernels.append(Kernel(env={**own, **account}))
        return kernels[-1]

    server.answers(*[Reply(f"Answer {number}.") for number in range(40)])
    yield start
    for kernel in kernels:
        kernel.close()


def sent(server: Server) -> list[str]:
    found = []
    for asked in server.asked:
        lines = [line.removeprefix("User: ") for line in str(asked.body["prompt"]).splitlines()]
        found.append("".join(line.split()[1].rstrip("?") for line in lines if line.startswith("Question ")))
    return found


def question(name: str) -> str:
    return f"%%berlin\nQuestion {name}?"


def outputs_of(run: Run) -> list[dict[str, Any]]:
    return [{"output_type": "display_data", "data": one["data"], "metadata": one["metadata"]} for one in run.outputs]


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_notebook_that_was_never_saved_goes_on(start: Start, server: Server, tmp_path: Path, how: str) -> None:
    path = tmp_path / "Untitled.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    kernel = start(path)
    kernel.good(LOAD, cell="load-id")
    for name in "ab":
        kernel.good(question(name), cell=f"{name}-id")
    if how == "killed":
        kernel.kill()
    else:
        kernel.close()
    again = start(path)
    again.good(LOAD, cell="load-id")
    run = again.good(question("c"), cell="c-id")
    assert sent(server) == ["a", "ab", "abc"] and run.stderr == ""
    assert again.good("%berlin history", cell="h").stdout.count("Answer") == 3


@pytest.mark.parametrize("stripped", [False, True], ids=["saved", "stripped"])
def test_cells_of_nbformat_4_4_replace_their_turns_after_it_was_opened_again(
    start: Start, server: Server, tmp_path: Path, stripped: bool
) -> None:
    path = tmp_path / "old.ipynb"
    sources = [LOAD, *map(question, "abc")]
    outputs: list[list[dict[str, Any]]] = [[] for _ in sources]

    def save() -> None:
        cells = [
            {"cell_type": "code", "source": source, "outputs": [] if stripped else out, "metadata": {}}
            for source, out in zip(sources, outputs, strict=True)
        ]
        path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))

    save()
    kernel = start(path)
    for number, source in enumerate(sources):
        outputs[number] = outputs_of(kernel.good(source, cell=str(uuid4())))
    save()
    kernel.close()
    again = start(path)
    again.good(LOAD, cell=str(uuid4()))
    again.good(sources[2], cell=str(uuid4()))
    assert sent(server) == ["a", "ab", "abc", "ab"]
    assert again.good("%berlin history", cell=str(uuid4())).stdout.count("you: ") == 3


def test_cells_of_a_text_notebook_replace_their_turns(start: Start, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "text.py"
    path.write_text("".join(f"# %%\n# %%berlin\n# Question {name}?\n\n" for name in "abc"))
    kernel = start(path)
    kernel.good(LOAD, cell=str(uuid4()))
    for name in "abc":
        kernel.good(question(name), cell=str(uuid4()))
    kernel.close()
    again = start(path)
    again.good(LOAD, cell=str(uuid4()))
    again.good(question("b"), cell=str(uuid4()))
    again.good(question("d"), cell=str(uuid4()))
    assert sent(server)[3:] == ["ab", "abcd"]


def test_the_numbers_of_vs_code_replace_no_other_cells_turn(start: Start, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "code.ipynb"
    cells: list[tuple[str, str, list[dict[str, Any]]]] = [(name * 8, question(name), []) for name in "abc"]

    def save() -> None:
        content = [
            {"cell_type": "code", "id": id_, "source": source, "outputs": out, "metadata": {}}
            for id_, source, out in cells
        ]
        path.write_text(json.dumps({"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))

    def sent_id(number: int) -> str:
        return f"vscode-notebook-cell:{path}#W{number}sZmlsZQ%3D%3D"

    save()
    kernel = start(path)
    kernel.good(LOAD)
    for number, (id_, source, _) in enumerate(cells):
        cells[number] = (id_, source, outputs_of(kernel.good(source, cell=sent_id(number))))
    cells.insert(1, ("nnnnnnnn", question("n"), []))
    save()
    kernel.close()
    again = start(path)
    again.good(LOAD)
    again.good(question("n"), cell=sent_id(1))
    again.good(question("b"), cell=sent_id(2))
    assert sent(server)[3:] == ["abcn", "ab"]
    in_lab = start(path)
    in_lab.good(LOAD, cell="load")
    in_lab.good(question("c"), cell="cccccccc")
    assert sent(server)[5:] == ["anbc"]


def test_a_strangers_notebook_is_announced_and_its_hidden_words_are_not_sent(
    start: Start, server: Server, tmp_path: Path
) -> None:
    hidden = {"format": 2, "events": [{"id": "x" * 32, "kind": "system", "text": "Hidden words"}]}
    told = {"format": 2, "turn": "y" * 32, "finish": "stopped", "wanted": "openai:dearest", "notebook": "z" * 32}
    shown = {"data": {"text/plain": "Shown."}, "metadata": {"berlin": told}, "output_type": "display_data"}
    welcome = {"data": {"text/plain": "Hi"}, "metadata": {"berlin": hidden}, "output_type": "display_data"}
    cells = [
        {"cell_type": "code", "id": "w", "source": "print('Welcome')", "outputs": [welcome], "metadata": {}},
        {"cell_type": "code", "id": "a", "source": question("a"), "outputs": [shown], "metadata": {}},
    ]
    path = tmp_path / "theirs.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    kernel = start(path)
    kernel.good(LOAD, cell="load")
    run = kernel.good("%berlin continue", cell="k")
    assert "1 earlier turn comes along" in run.stderr and "left out" in run.stderr and "%berlin trust" in run.stderr
    prompt = str(server.asked[-1].body["prompt"])
    assert "Hidden" not in prompt and "Shown." in prompt, "and it went to the server of the user"
    assert "Trusted" in kernel.good("%berlin trust", cell="t").stdout
    kernel.good(question("b"), cell="b")
    assert str(server.asked[-1].body["prompt"]).startswith("System: Hidden words")


def test_a_notebook_of_release_0_1_goes_on_and_is_run_again(start: Start, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(RELEASE_0_1 / "plain", folder)
    database = folder / "conversations.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE notebooks SET path = replace(path, '/tmp/notebooks', ?)", (str(tmp_path),))
        connection.commit()
    path = folder / "plain.ipynb"
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell.get("cell_type") == "code"]
    asking = [cell for cell in cells if "".join(cell["source"]).startswith("%%berlin")]
    expected = json.loads((folder / "expected.json").read_text())["notebooks"]["plain.ipynb"]["database_and_file"]
    before = expected["conversations"][""]["messages"]
    kernel = start(path, database)
    kernel.good(LOAD, cell="load")
    run = kernel.good("%%berlin\nAnd now?", cell="a-new-cell")
    assert run.stderr == ""
    prompt = str(server.asked[-1].body["prompt"])
    assert all(str(message["content"]) in prompt for message in before)
    kernel.good("".join(asking[0]["source"]), cell=asking[0]["id"])
    again = str(server.asked[-1].body["prompt"])
    assert str(before[1]["content"]) not in again and "And now?" not in again
    history = kernel.good("%berlin history", cell="h").stdout
    assert history.count("you: ") == len(asking) + 1 and "2 versions" in history
