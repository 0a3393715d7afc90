"""Where no front end reads along: nbclient, `%%capture`, and IPython in a terminal or a pipe."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
SHOW = """
from berlin_magic.display.view import Status
from berlin_magic.display.selection import open_view, prepare
def show(awaited=True):
    view = open_view(get_ipython(), awaited=awaited)
    view.begin(Status("waiting", "m", "p"))
    for piece in ("Hello ", "**world**."):
        view.feed(piece)
        view.draw(Status("streaming", "m", "p", 1.0, 6))
    view.finish(Status("complete", "m", "p", 1.0, 16), {"turn": "1"})
prepare(get_ipython())
"""


def executed(*sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return NotebookClient(notebook, timeout=60).execute(env=environment)


@pytest.fixture
def _clients_loop():
    """nbclient's own event loop would be left open, with a warning."""
    loop = asyncio.new_event_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jupyter_core.utils.ensure_event_loop", lambda *_: loop)
        yield
    loop.close()


@pytest.mark.usefixtures("_clients_loop")
def test_nbclient_gets_the_final_output_alone_and_no_widget_state():
    notebook = executed(SHOW, "show()")
    [output] = notebook.cells[1].outputs
    assert output.data["text/plain"] == "Hello **world**."
    assert output.metadata["berlin"] == {"turn": "1"}
    assert "widgets" not in notebook.metadata


@pytest.mark.usefixtures("_clients_loop")
def test_capture_gets_the_final_output_alone():
    notebook = executed(
        SHOW, "%%capture shown\nshow(awaited=False)", "[output.data['text/plain'] for output in shown.outputs]"
    )
    assert notebook.cells[1].outputs == []
    [output] = notebook.cells[2].outputs
    assert output.data["text/plain"] == "['Hello **world**.']"


def test_a_script_run_by_ipython_writes_the_text(tmp_path):
    script = tmp_path / "ask.ipy"
    script.write_text(SHOW.replace("prepare(get_ipython())", "") + "show()\n")
    run = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.strip() == "Hello **world**."
