"""`%%berlin` cells in JupyterLab, from the cell to the saved file, against a scripted server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from browser.samples import EVERYTHING
from browser.scripted_server import AT_ONCE, Reply
from display.replies import long_reply

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin\nTell me something."
GROWN = """async ([cell, length]) => {
    const until = performance.now() + 9000;
    while (performance.now() < until) {
        const reply = document.querySelector(`[data-windowed-list-index='${cell}'] .berlin-live .berlin-reply`);
        if ((reply?.textContent.length ?? 0) >= length) return performance.now();
        await new Promise(done => setTimeout(done, 10));
    }
    throw Error("the reply did not grow");
}"""


async def question(server):
    """Wait until a question has reached the server, and return it."""
    async with asyncio.timeout(10):
        while not server.asked:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    return server.asked[-1]


async def closed(asked):
    """Wait until the server has seen the connection of a question end."""
    await asyncio.wait_for(asked.over.wait(), 10)
    return asked.ended


async def streaming(nb, server, cell=1, length=50):
    """Load the extension, start the asking cell, and wait until `length` characters are on screen."""
    await nb.run(0)
    await nb.start(cell)
    await nb.page.evaluate(GROWN, [cell, length])
    return server.asked[-1]


async def test_a_reply_of_five_seconds_grows_in_at_least_ten_steps(notebook, server):
    server.answers(Reply(long_reply(3000), 5))
    nb = await notebook(LOAD, ASK)
    await streaming(nb, server)
    lengths = await nb.page.evaluate(
        """async () => {
            const seen = new Set();
            const until = performance.now() + 3500;
            while (performance.now() < until) {
                const reply = document.querySelector(".berlin-live .berlin-reply");
                if (reply) seen.add(reply.textContent.length);
                await new Promise(done => setTimeout(done, 20));
            }
            return [...seen];
        }"""
    )
    assert len(lengths) >= 10
    await nb.wait(1)
    assert server.asked[-1].complete


async def test_a_click_on_stop_ends_the_request_keeps_the_partial_and_lets_the_notebook_go_on(notebook, server):
    server.answers(Reply(long_reply(20_000), 30))
    nb = await notebook(LOAD, ASK, "6 * 7")
    asked = await streaming(nb, server)
    await nb.start(2)
    button = nb.output(1).get_by_role("button", name="Stop")
    await button.hover()
    clicked = time.monotonic()
    await button.click()
    assert await closed(asked) - clicked < AT_ONCE
    await nb.wait(1)
    await nb.wait(2)
    assert (await nb.outputs(2))[0]["data"]["text/plain"] == "42"
    saved = await nb.save()
    [output] = saved.cells[1].outputs
    partial = output.data["text/plain"]
    assert len(partial) > 50
    assert asked.sent.startswith(partial)
    assert "stopped" in output.data["text/markdown"]


async def test_stop_works_while_the_server_is_silent(notebook, server):
    server.answers(Reply("never said", silence=60))
    nb = await notebook(LOAD, ASK, "6 * 7")
    await nb.run(0)
    await nb.start(1)
    button = nb.output(1).get_by_role("button", name="Stop")
    await button.hover()
    asked = await question(server)
    clicked = time.monotonic()
    await button.click()
    assert await closed(asked) - clicked < AT_ONCE
    await nb.wait(1)
    await nb.run(2)
    assert (await nb.outputs(2))[0]["data"]["text/plain"] == "42"


async def test_an_interrupt_ends_the_request_keeps_the_partial_and_aborts_queued_cells(notebook, server):
    server.answers(Reply(long_reply(20_000), 30))
    nb = await notebook(LOAD, ASK, "queued = True", "'queued' in globals()")
    asked = await streaming(nb, server)
    await nb.start(2)
    interrupted = time.monotonic()
    await nb.interrupt()
    assert await closed(asked) - interrupted < 1
    await nb.wait(1)
    await nb.wait(2)
    saved = await nb.save()
    assert [output.output_type for output in saved.cells[1].outputs] == ["display_data", "error"]
    assert asked.sent.startswith(saved.cells[1].outputs[0].data["text/plain"])
    assert len(saved.cells[1].outputs[1].traceback) == 1
    await nb.run(3)
    assert (await nb.outputs(3))[0]["data"]["text/plain"] == "False"


async def test_a_cut_reply_is_kept_and_the_cell_fails_in_few_lines(notebook, server):
    server.answers(Reply(long_reply(1000), 1, cut=True), Reply("Hello again."))
    nb = await notebook(LOAD, ASK, "%%berlin --once\nAnd now?")
    await nb.run(0, 1)
    saved = await nb.save()
    assert [output.output_type for output in saved.cells[1].outputs] == ["display_data", "error"]
    assert saved.cells[1].outputs[0].data["text/plain"] == long_reply(1000)
    assert len("\n".join(saved.cells[1].outputs[1].traceback).splitlines()) < 5
    await nb.run(2)
    assert (await nb.outputs(2))[0]["data"]["text/plain"] == "Hello again."


async def test_the_saved_notebook_holds_one_plain_output_that_nbconvert_and_a_reader_without_kernel_see(
    notebook, server, tmp_path
):
    server.answers(Reply(EVERYTHING, 1))
    nb = await notebook(LOAD, ASK)
    await streaming(nb, server)
    await nb.wait(1)
    saved = await nb.save()
    assert [output.output_type for output in saved.cells[1].outputs] == ["display_data"]
    assert saved.cells[1].outputs[0].data["text/plain"] == EVERYTHING
    text = nb.path.read_text()
    assert "widget-view" not in text
    assert "widgets" not in saved.metadata

    await nb.shut_down()
    await nb.open()
    await nb.output(1).locator("h2", has_text="binomial").wait_for()

    command = [sys.executable, "-m", "nbconvert", "--to", "html", f"--output-dir={tmp_path}", nb.path]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    page = (tmp_path / nb.path.with_suffix(".html").name).read_text()
    assert "The binomial theorem" in page
    assert "Choose which of the" in page


async def test_run_all_ends_however_many_cells_ask(notebook, server):
    """A widget's last word at the end of a cell had ipykernel 7.4 tell the next cell's end as that of the first."""
    server.answers(Reply(long_reply(300), 0.5))
    cells = 16
    nb = await notebook(LOAD, *[f"%%berlin\nQuestion {number}." for number in range(cells)], "'the end'")
    await nb.start(*range(cells + 2))
    await nb.wait(cells + 1)
    for cell in range(cells + 1):
        await nb.wait(cell)
        assert await nb.execution_count(cell) == cell + 1
