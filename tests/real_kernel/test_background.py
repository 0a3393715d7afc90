"""`%%berlin --bg`: the reply arrives in its own cell while other cells run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser.scripted_server import Reply
from nbclient import NotebookClient
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import ROOT, Kernel, Run
from real_kernel.test_endings import wait_until

pytestmark = pytest.mark.kernel


def final(kernel: Kernel, run: Run, parent: str, timeout: float = 10) -> dict[str, Any]:
    """Return the data of the static output that ends the background reply of `run`, wherever it was sent."""
    name = run.outputs[0]["transient"]["display_id"]
    end = time.monotonic() + timeout
    while True:
        message = kernel.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        content = message["content"]
        if message["msg_type"] == "update_display_data" and content["transient"]["display_id"] == name:
            assert message["parent_header"]["msg_id"] == parent, "an output wandered to another cell"
            if "berlin" in content["metadata"]:
                return dict(content["data"])


def test_it_returns_at_once_and_the_reply_arrives_in_its_own_cell(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("in the background", seconds=0.6, pieces=6))
    request = kernel.send("%%berlin --bg -o reply\nGo on")
    run = kernel.finish(request)
    assert run.status == "ok"
    assert not server.asked or not server.asked[0].complete
    other = kernel.send("print('meanwhile')")
    assert final(kernel, run, request)["text/plain"].startswith("in the background")
    del other
    assert kernel.value("reply") == "'in the background'"


def test_several_at_once_do_not_mix(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("one " * 10, seconds=0.4), Reply("two " * 10, seconds=0.4), Reply("three " * 10, seconds=0.4))
    for name in ("a", "b", "c"):
        kernel.good(f"%%berlin --bg -o {name}\nQuestion {name}")
    assert "3 replies arrived" in kernel.good("%berlin wait").stdout
    assert sorted(kernel.value(f"len({name}.split())") for name in ("a", "b", "c")) == ["10"] * 3
    assert len(set(kernel.value("a.split()[0], b.split()[0], c.split()[0]").split(","))) == 3
    prompts = [asked.body["prompt"] for asked in server.asked]
    assert all(prompt.startswith("Question") for prompt in prompts)  # none was asked on an unfinished one
    jobs = kernel.good("%berlin jobs").stdout
    assert jobs.count("complete") >= 3


def test_one_can_be_stopped_and_what_arrived_is_kept(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    kernel.good("%%berlin --bg\nGo on")
    deadline = time.monotonic() + 5
    while not (server.asked and server.asked[0].sent) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "Stopped 1 reply" in kernel.good("%berlin stop").stdout
    kernel.good("%berlin wait")
    wait_until(server.asked[0].over.is_set)
    assert "[stopped]: some" in kernel.good("%berlin history").stdout
    assert "Nothing is running" in kernel.good("%berlin stop all").stdout
    assert kernel.run("%berlin stop 99").status == "error"


def test_an_interrupt_of_another_cell_leaves_it_alone(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("word " * 10, seconds=1.0))
    kernel.good("%%berlin --bg -o reply\nGo on")
    request = kernel.send("import asyncio\nawait asyncio.sleep(30)")
    time.sleep(0.3)
    kernel.interrupt()
    assert kernel.finish(request).status == "error"
    kernel.good("%berlin wait")
    assert kernel.value("len(reply.split())") == "10"


def test_an_error_stands_in_its_own_output_and_wait_raises_it(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("half", cut=True, pieces=1))
    kernel.good("%%berlin --bg\nGo on")
    run = kernel.run("%berlin wait")
    assert "cut" in kernel.good("%berlin jobs").stdout
    assert run.status == "ok" or run.reply["ename"] == "IncompleteReplyError"


def test_reloading_leaves_no_task_behind(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    kernel.good("%%berlin --bg\nGo on")
    kernel.good("%reload_ext berlin_magic\nimport asyncio\nawait asyncio.sleep(0.5)")
    names = kernel.value(
        "[t.get_coro().__qualname__ for t in asyncio.all_tasks() if '_show' in t.get_coro().__qualname__]"
    )
    assert names == "[]"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
async def test_a_notebook_that_is_run_without_a_front_end_holds_the_replies(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As nbclient and papermill run it: they take a cell's outputs only while it runs."""
    server.answers(Reply("in the background", seconds=0.3, pieces=3), Reply("the last", seconds=0.3, pieces=3))
    for name, value in {
        "BERLIN_URL": server.url,
        "BERLIN_ACCOUNT": "tester",
        "BERLIN_PASSWORD": PASSWORD,
        "BERLIN_DATABASE": str(tmp_path / "conversations.db"),
        "BERLIN_STATE_DIR": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": str(ROOT),
    }.items():
        monkeypatch.setenv(name, value)
    sources = "%load_ext berlin_magic", "%%berlin --bg -o reply\nFirst?", "print(reply)", "%%berlin --bg\nSecond?"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    await NotebookClient(notebook, timeout=60, kernel_name="python3").async_execute()
    shown = [[output.get("data", output).get("text/plain") for output in cell.outputs] for cell in notebook.cells]
    assert shown[1] == ["in the background"] and shown[3] == ["the last"]
    assert notebook.cells[2].outputs[0].text == "in the background\n"
