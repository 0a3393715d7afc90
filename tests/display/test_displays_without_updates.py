"""Front ends that ignore updates of a display: what they show, they show once, and it is the finished reply."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
IN_KERNEL = Path(__file__).parents[1] / "browser" / "in_kernel"
TEXT = "A reply of some words. " * 40
DRIVE = f"from drive_view import drive\nawait drive({TEXT!r}, 0.6)"
IN_AN_OUTPUT = f"""
from drive_view import drive
from ipywidgets import Output
output = Output()
with output:
    await drive({TEXT!r}, 0.6)
"""
INTERACT = f"""
import asyncio
from ipywidgets import interact
from berlin_magic.display.selection import open_view
from berlin_magic.display.view import Status
def ask(n=(0, 3)):
    view = open_view(get_ipython(), awaited=False)
    view.begin(Status("waiting", "m", "p"))
    view.feed({TEXT!r})
    view.draw(Status("streaming", "m", "p", 1.0, {len(TEXT)}))
    view.finish(Status("complete", "m", "p", 1.0, {len(TEXT)}), {{}})
widget = interact(ask)
"""


@pytest.fixture(scope="module")
def kernel():
    manager = KernelManager()
    manager.start_kernel(env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(IN_KERNEL)])})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def displayed(kernel, code, *, metadata=None):
    """Run `code`; return what a front end shows of it that knows no updates, and how many it is sent."""
    message = kernel.session.msg("execute_request", {**REQUEST, "code": code}, metadata=metadata or {})
    kernel.shell_channel.send(message)
    shown, updates = [], 0
    while True:
        reply = kernel.get_iopub_msg(timeout=30)
        if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        kind, content = reply["msg_type"], reply["content"]
        assert kind != "error", content["traceback"]
        if kind == "display_data":
            shown.append(content["data"])
        updates += kind == "update_display_data"
        if kind == "status" and content["execution_state"] == "idle":
            return [data for data in shown if "application/vnd.jupyter.widget-view+json" not in data], updates


REQUEST = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True, "stop_on_error": True}


def test_a_front_end_that_names_no_cell_as_jupyter_console_shows_the_finished_reply_once(kernel):
    shown, updates = displayed(kernel, DRIVE)
    assert [data["text/plain"] for data in shown] == [TEXT]
    assert updates == 0


@pytest.mark.parametrize("code", [IN_AN_OUTPUT, INTERACT])
def test_an_output_widget_shows_the_finished_reply_once(kernel, code):
    shown, updates = displayed(kernel, code, metadata={"cellId": "one"})
    assert [data["text/plain"].strip() for data in shown] == [TEXT.strip()]
    assert updates == 0


def test_outside_of_an_output_widget_the_same_front_end_sees_the_reply_grow(kernel):
    displayed(kernel, IN_AN_OUTPUT, metadata={"cellId": "one"})
    shown, updates = displayed(kernel, DRIVE, metadata={"cellId": "two"})
    assert len(shown) == 1
    assert updates > 2
