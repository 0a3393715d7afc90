"""A reply whose kernel ends, or whose page is closed or loaded again, before the reply has ended."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from browser.jupyterlab_page import Notebook
from display.replies import long_reply

pytestmark = pytest.mark.long  # kernels and pages end, and begin anew: four minutes

IMPORT = "from drive_view import drive"
PID = "import os; os.getpid()"
TEXT = long_reply(6000)
LIVE = ".berlin-live .berlin-reply"


def driving(seconds, text=TEXT):
    return f"await drive({text!r}, {seconds})"


async def in_the_middle(nb, cell=1, characters=1500):
    """Start the cell and wait until this much of its reply is on the page."""
    await nb.start(cell)
    await grown(nb, characters)


async def grown(nb, characters):
    await nb.page.wait_for_function(
        "([selector, length]) => document.querySelector(selector)?.textContent.length > length", arg=[LIVE, characters]
    )


async def kernel_process(nb, cell=2):
    await nb.run(cell)
    return int((await nb.outputs(cell))[0]["data"]["text/plain"])


def text_of(output, kind="text/plain"):
    """Return what the output of an unfinished reply holds of it, without the line that says so."""
    text, line = output["data"][kind].rsplit("(", 1)
    assert "%berlin show [N]" in line
    return text


async def restart(nb):
    await nb.page.evaluate("() => { jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart(); }")


async def kill(nb):
    os.kill(nb.kernel_process, signal.SIGKILL)


async def shut_down(nb):
    await nb.page.evaluate("() => { jupyterapp.shell.currentWidget.context.sessionContext.shutdown(); }")


@pytest.mark.parametrize("end", [restart, kill, shut_down])
async def test_a_view_whose_kernel_has_ended_says_so_and_is_plain(notebook, end):
    nb = await notebook(IMPORT, driving(30), PID)
    await nb.run(0)
    nb.kernel_process = await kernel_process(nb)
    await in_the_middle(nb)
    await end(nb)
    ended = nb.output(1).locator(".berlin-cut")
    await ended.wait_for(timeout=3000 if not os.environ.get("CI") else 10_000)
    assert await nb.output(1).get_by_role("button", name="Stop").count() == 0
    assert await nb.page.locator(".berlin-live").count() == 0
    said = await ended.locator(".berlin-live-words").text_content()
    assert "cut" in said
    await nb.page.wait_for_timeout(1500)
    assert await ended.locator(".berlin-live-words").text_content() == said
    shown = await ended.locator(".berlin-reply").text_content()
    saved = (await nb.save()).cells[1].outputs
    assert [set(output["data"]) for output in saved] == [{"text/markdown", "text/plain"}]
    for kind in ("text/markdown", "text/plain"):
        assert len(text_of(saved[0], kind)) > len(shown) / 2


async def test_a_view_whose_kernel_ends_after_a_click_on_stop_does_not_go_on_stopping(notebook):
    nb = await notebook(IMPORT, f"import time\nawait drive({TEXT!r}, 30)", PID)
    await nb.run(0)
    nb.kernel_process = await kernel_process(nb)
    await in_the_middle(nb)
    os.kill(nb.kernel_process, signal.SIGSTOP)
    await nb.output(1).get_by_role("button", name="Stop").click()
    await nb.output(1).get_by_text("stopping …").wait_for()
    await kill(nb)
    await nb.output(1).locator(".berlin-cut").wait_for()
    assert await nb.output(1).get_by_text("stopping …").count() == 0


async def test_a_cell_that_is_run_again_after_its_kernel_has_ended_is_live_again(notebook):
    nb = await notebook(IMPORT, driving(5))
    await nb.run(0)
    await in_the_middle(nb)
    await restart(nb)
    await nb.output(1).locator(".berlin-cut").wait_for()
    await nb.run(0)
    await in_the_middle(nb)
    await nb.wait(1)
    assert (await nb.outputs(1))[0]["data"]["text/plain"] == TEXT


async def test_a_file_saved_at_any_moment_holds_half_of_what_has_arrived(notebook):
    nb = await notebook(IMPORT, driving(8, long_reply(20_000)))
    await nb.run(0)
    await nb.start(1)
    looks = 0
    until = time.monotonic() + 7
    while time.monotonic() < until:
        words = await nb.output(1).locator(".berlin-live-words").all_text_contents()
        arrived = re.search(r"([\d,]+) characters", "".join(words))
        saved = (await nb.save()).cells[1].outputs
        if not arrived:
            continue
        looks += 1
        length = int(arrived[1].replace(",", ""))
        for kind in ("text/markdown", "text/plain"):
            assert len(text_of(saved[0], kind)) >= length / 2
    assert looks > 5
    await nb.wait(1)


async def test_a_file_saved_in_the_middle_is_read_without_a_kernel(notebook):
    nb = await notebook(IMPORT, driving(20))
    await nb.run(0)
    await in_the_middle(nb)
    await nb.save()
    await nb.shut_down()
    await nb.page.goto("about:blank")
    await nb.open()
    output = nb.output(1)
    await output.locator("h3", has_text="Section 3").wait_for()
    await output.get_by_text("%berlin show [N]").wait_for()
    assert await nb.page.get_by_text("model not found").count() == 0


@pytest.mark.parametrize("is_saved", [True, False])
async def test_a_page_that_is_loaded_again_goes_on_live_and_keeps_the_finished_output(notebook, is_saved):
    nb = await notebook(IMPORT, driving(20))
    await nb.run(0)
    await in_the_middle(nb, characters=1000)
    if is_saved:
        await nb.save()
    nb.page.on("dialog", lambda dialog: dialog.accept())
    await nb.open_page()
    await grown(nb, 1500)
    lengths = await nb.page.evaluate(
        """async selector => {
            const seen = new Set();
            for (let i = 0; i < 20; i++) {
                seen.add(document.querySelector(selector).textContent.length);
                await new Promise(done => setTimeout(done, 100));
            }
            return [...seen];
        }""",
        LIVE,
    )
    assert len(lengths) > 5
    assert await nb.output(1).get_by_role("button", name="Stop").is_visible()
    await nb.output(1).locator(".jp-RenderedMarkdown .berlin-status", has_text="characters").wait_for()
    assert await nb.page.locator(".berlin-live").count() == 0
    [output] = (await nb.save()).cells[1].outputs
    assert output.data["text/plain"] == TEXT
    assert output.metadata["berlin"] == {"reply": len(TEXT)}


async def test_a_second_page_that_is_opened_in_the_middle_is_live_and_both_keep_the_finished_output(notebook, browser):
    nb = await notebook(IMPORT, driving(12))
    await nb.run(0)
    await nb.save()
    await in_the_middle(nb, characters=800)
    page = await browser.new_page()
    page.set_default_timeout(30_000)
    other = Notebook(nb.lab, page, nb.path)
    try:
        await other.open_page()
        await grown(other, 1500)
        for one in (nb, other):
            await one.output(1).locator(".jp-RenderedMarkdown .berlin-status", has_text="6,000 characters").wait_for()
            [output] = [output for output in await one.outputs(1) if output["output_type"] == "display_data"]
            assert output["data"]["text/plain"] == TEXT
            assert output["metadata"]["berlin"] == {"reply": len(TEXT)}
    finally:
        await page.close()


async def test_stop_works_on_a_page_that_was_loaded_again(notebook):
    nb = await notebook(IMPORT, driving(60))
    await nb.run(0)
    await in_the_middle(nb, characters=200)
    await nb.save()
    await nb.open_page()
    await nb.output(1).get_by_role("button", name="Stop").click()
    await nb.output(1).locator(".berlin-status", has_text="stopped").wait_for()


@pytest.mark.parametrize("is_saved", [True, False])
async def test_a_notebook_that_is_opened_again_after_the_reply_has_ended_shows_it(notebook, is_saved):
    nb = await notebook(IMPORT, driving(6), PID)
    await nb.run(0)
    await in_the_middle(nb)
    if is_saved:
        await nb.save()
    nb.page.on("dialog", lambda dialog: dialog.accept())
    await nb.page.goto("about:blank")
    await nb.page.wait_for_timeout(8000)
    await nb.open()
    await nb.output(1).locator(".jp-RenderedMarkdown .berlin-status", has_text="6,000 characters").wait_for()
    [output] = (await nb.save()).cells[1].outputs
    assert output.data["text/plain"] == TEXT
    await nb.open()
    assert len(await nb.outputs(1)) == 1


async def test_quick_replies_leave_no_error_in_the_browsers_console(notebook):
    cells = [driving(0, f"Reply {n}.") for n in range(8)]
    nb = await notebook(IMPORT, *cells)
    errors = []
    nb.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    nb.page.on("pageerror", lambda error: errors.append(str(error)))
    await nb.run(0, *range(1, 9))
    for n in range(8):
        assert (await nb.outputs(n + 1))[0]["data"]["text/plain"] == f"Reply {n}."
    await nb.page.wait_for_timeout(3500)  # anywidget gives a model two seconds
    assert errors == []
