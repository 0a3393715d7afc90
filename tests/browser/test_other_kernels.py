"""The live view on other versions of ipykernel: 7.0 hears clicks in a thread, 6 only when the cell has ended."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from browser.scripted_server import AT_ONCE, Reply
from browser.test_cells_in_jupyterlab import question
from display.replies import long_reply

pytestmark = pytest.mark.long  # kernels of their own

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin\nTell me something."
VERSIONS = {
    "ipykernel-6": ("ipykernel==6.29.5", "nest-asyncio==1.6.0"),
    "ipykernel-7.0": ("ipykernel==7.0.1", "nest-asyncio==1.6.0"),
}


@pytest.fixture(scope="session")
def kernels(lab, request):
    """Install the other kernels, once for all runs of the tests."""
    for name, packages in VERSIONS.items():
        try:
            lab.add_kernel(name, *packages, folder=Path(request.config.cache.mkdir(f"browser-{name}")))
        except (subprocess.SubprocessError, OSError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{name} can't be installed here: {error}")
    return VERSIONS


async def test_on_ipykernel_7_0_a_click_on_stop_ends_the_reply(notebook, kernels, server):
    server.answers(Reply(long_reply(20_000), 30))
    nb = await notebook(LOAD, ASK, "import ipykernel; ipykernel.__version__", kernel="ipykernel-7.0")
    await nb.run(0)
    await nb.start(1)
    button = nb.output(1).get_by_role("button", name="Stop")
    await button.hover()
    asked = await question(server)
    clicked = time.monotonic()
    await button.click()
    await asked.over.wait()
    assert asked.ended - clicked < AT_ONCE
    await nb.wait(1)
    [output] = await nb.outputs(1)
    assert "stopped" in output["data"]["text/markdown"]
    await nb.run(2)
    assert "7.0.1" in (await nb.outputs(2))[0]["data"]["text/plain"]


async def test_on_ipykernel_6_the_text_grows_without_a_button_and_an_interrupt_ends_it(notebook, kernels, server):
    server.answers(Reply(long_reply(20_000), 10))
    nb = await notebook(LOAD, ASK, "import ipykernel; ipykernel.__version__", kernel="ipykernel-6")
    await nb.run(0)
    await nb.start(1)
    await nb.output(1).locator(".berlin-reply").first.wait_for()
    await nb.page.wait_for_function(
        "selector => document.querySelector(selector).innerText.length > 3000",
        arg="[data-windowed-list-index='1'] .jp-Cell-outputArea",
    )
    assert await nb.output(1).get_by_role("button", name="Stop").count() == 0
    assert "■ stops it" in (await nb.output(1).text_content() or "")
    await nb.interrupt()
    await nb.wait(1)
    saved = await nb.save()
    assert [output.output_type for output in saved.cells[1].outputs] == ["display_data", "error"]
    assert len(saved.cells[1].outputs[0].data["text/plain"]) > 2000
    await nb.run(2)
    assert "6.29.5" in (await nb.outputs(2))[0]["data"]["text/plain"]
