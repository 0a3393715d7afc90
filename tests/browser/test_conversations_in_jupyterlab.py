"""Conversations in JupyterLab: what it really sends and saves makes cells places, and the file the conversation."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
from browser.jupyterlab_page import Notebook
from browser.scripted_server import Reply

pytestmark = pytest.mark.long  # kernels end, and begin anew: a minute

LOAD = "%load_ext berlin_magic"


def question(name: str) -> str:
    return f"%%berlin\nQuestion {name}?"


def sent(server) -> list[str]:
    found = []
    for asked in server.asked:
        lines = [line.removeprefix("User: ") for line in str(asked.body["prompt"]).splitlines()]
        found.append("".join(line.split()[1].rstrip("?") for line in lines if line.startswith("Question ")))
    return found


async def restart(nb: Notebook) -> None:
    await nb.page.evaluate(
        """async () => {
            const session = jupyterapp.shell.currentWidget.context.sessionContext;
            await session.session.kernel.restart();
            await session.session.kernel.info;
        }"""
    )


async def test_a_cell_run_again_replaces_its_turn(notebook, server):
    server.answers(*[Reply(f"Answer {number}.") for number in range(9)])
    nb = await notebook(LOAD, question("a"), question("b"), question("c"))
    await nb.run(0, 1, 2, 3, 2, 2)
    assert sent(server) == ["a", "ab", "abc", "ab", "ab"]


async def test_restart_and_run_all_sends_the_requests_of_the_first_run_none_twice(notebook, server):
    server.answers(*[Reply("The same answer.")] * 9)
    nb = await notebook(LOAD, question("a"), question("b"), question("c"), "%berlin undo", question("d"))
    await nb.run(0, 1, 2, 3, 4, 5)
    first = [asked.body["prompt"] for asked in server.asked]
    assert sent(server) == ["a", "ab", "abc", "abd"]
    await restart(nb)
    await nb.run(0, 1, 2, 3, 4, 5)
    assert [asked.body["prompt"] for asked in server.asked] == first * 2


async def test_a_saved_notebook_moved_to_where_nothing_is_known_goes_on(notebook, server, lab):
    server.answers(*[Reply(f"Answer {number}.") for number in range(9)])
    nb = await notebook(LOAD, question("a"), question("b"), question("c"))
    await nb.run(0, 1, 2)
    saved = await nb.save()
    marks = [saved.cells[number].outputs[0].metadata.berlin for number in (1, 2)]
    assert marks[0].notebook == marks[1].notebook and marks[1].parent == marks[0].turn
    await nb.shut_down()
    for file in lab.database.parent.glob(f"{lab.database.name}*"):
        file.unlink()
    nb.path = nb.path.rename(nb.path.with_name(f"moved-{nb.path.name}"))
    await nb.open()
    await nb.run(0, 3)
    assert sent(server) == ["a", "ab", "abc"]


async def test_a_renamed_notebook_and_its_copy_go_their_own_ways(notebook, server, lab):
    server.answers(*[Reply(f"Answer {number}.") for number in range(9)])
    nb = await notebook(LOAD, question("a"), question("b"), question("c"))
    await nb.run(0, 1)
    await nb.save()
    await nb.shut_down()
    nb.path = nb.path.rename(nb.path.with_name(f"renamed-{nb.path.name}"))
    copy = Notebook(lab, nb.page, nb.path.with_name(f"copy-{nb.path.name}"))
    shutil.copy(nb.path, copy.path)
    await copy.open()
    await copy.run(0, 2)
    await copy.save()
    await copy.shut_down()
    await nb.open()
    await nb.run(0, 3)
    assert sent(server) == ["a", "ab", "ac"]
    kept = (await nb.save()).cells[3].outputs[0].metadata.berlin.notebook
    assert kept != json.loads(copy.path.read_text())["cells"][2]["outputs"][0]["metadata"]["berlin"]["notebook"]


async def test_a_deleted_cells_turn_leaves_the_context(notebook, server):
    server.answers(*[Reply(f"Answer {number}.") for number in range(9)])
    nb = await notebook(LOAD, question("a"), question("b"), question("c"), "1 + 1")
    await nb.run(0, 1, 2)
    await nb.page.evaluate(
        """async () => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = 1;
            notebook.deselectAll();
            await jupyterapp.commands.execute("notebook:delete-cell");
        }"""
    )
    await nb.run(3)  # the deletion is told with the next execution, whatever it is
    await nb.run(2)
    assert sent(server) == ["a", "ab", "bc"]


async def new_notebook(nb: Notebook) -> None:
    """Have JupyterLab make a new notebook, and never save it; `nb` is it from then on."""
    path = await nb.page.evaluate(
        """async () => {
            const panel = await jupyterapp.commands.execute("notebook:create-new", {kernelName: "python3"});
            await panel.context.ready;
            await panel.sessionContext.ready;
            await panel.sessionContext.session.kernel.info;
            return panel.context.path;
        }"""
    )
    nb.path = nb.lab.notebooks / path


async def type_and_run(nb: Notebook, source: str) -> None:
    """Write `source` into the last cell, run it, and leave a new cell below."""
    await nb.page.evaluate(
        """async source => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.length - 1;
            notebook.deselectAll();
            notebook.activeCell.model.sharedModel.setSource(source);
            await jupyterapp.commands.execute("notebook:run-cell-and-select-next");
        }""",
        source,
    )


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_new_notebook_that_was_never_saved_goes_on(notebook, server, how):
    server.answers(*[Reply(f"Answer {number}.") for number in range(9)])
    nb = await notebook("1")
    await nb.shut_down()
    await new_notebook(nb)
    await type_and_run(nb, LOAD)
    await type_and_run(nb, "import os; open('kernel.pid', 'w').write(str(os.getpid()))")
    for name in "ab":
        await type_and_run(nb, question(name))
    assert json.loads(nb.path.read_text())["cells"] == [], "JupyterLab has saved it"
    if how == "restart":
        await restart(nb)
    else:
        os.kill(int((nb.lab.notebooks / "kernel.pid").read_text()), signal.SIGKILL)
        await nb.page.evaluate(
            """async () => {
                const context = jupyterapp.shell.currentWidget.context.sessionContext;
                for (let tries = 0; tries < 300; tries++) {
                    await new Promise(done => setTimeout(done, 100));
                    if (context.session?.kernel?.status === "idle" && tries > 50) break;
                }
                await context.session.kernel.info;
            }"""
        )
    await type_and_run(nb, LOAD)
    await type_and_run(nb, question("c"))
    assert json.loads(nb.path.read_text())["cells"] == []
    assert sent(server) == ["a", "ab", "abc"]
