"""The live view in JupyterLab, driven without magic or server."""

from __future__ import annotations

import re

import pytest
from browser.samples import EVERYTHING
from display.replies import long_reply

IMPORT = "from drive_view import drive"
WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
LENGTHS = """async ([selector, seconds]) => {
    const seen = [];
    const until = performance.now() + 1000 * seconds;
    while (performance.now() < until) {
        const length = document.querySelector(selector)?.textContent.length ?? 0;
        if (length !== (seen.at(-1) ?? 0)) seen.push(length);
        await new Promise(done => setTimeout(done, 20));
    }
    return seen;
}"""


def driving(text, seconds, **options):
    """Return a cell that shows `text` over `seconds`; options of `drive` and `open_view` by name."""
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"await drive({text!r}, {seconds}{more})"


async def started(nb, cell=1):
    """Run the cell that imports, start the other one and wait for its widget."""
    await nb.run(0)
    await nb.start(cell)
    live = nb.output(cell).locator(".berlin-live")
    await live.wait_for()
    return live


async def test_the_text_grows_in_many_steps_in_a_widget(notebook):
    nb = await notebook(IMPORT, driving(long_reply(3000), 5))
    await started(nb)
    lengths = await nb.page.evaluate(LENGTHS, [".berlin-live .berlin-reply", 4])
    assert lengths == sorted(lengths)
    assert len(lengths) >= 10
    await nb.wait(1)


async def test_it_ends_as_one_static_output_without_a_widget(notebook):
    nb = await notebook(IMPORT, driving(EVERYTHING, 1))
    await started(nb)
    await nb.wait(1)
    await nb.output(1).locator(".jp-RenderedHTML h2").wait_for()
    assert await nb.output(1).locator(".berlin-live").count() == 0
    saved = await nb.save()
    displays = [output for output in saved.cells[1].outputs if output.output_type == "display_data"]
    assert len(displays) == 1
    assert set(displays[0].data) == {"text/html", "text/markdown", "text/plain"}
    assert displays[0].data["text/plain"] == EVERYTHING
    assert displays[0].metadata["berlin"] == {"reply": len(EVERYTHING)}
    assert "widgets" not in saved.metadata
    await nb.page.wait_for_function(
        """async () => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const { content } = await kernel.requestCommInfo({ target_name: "jupyter.widget" });
            return Object.keys(content.comms).length === 0;
        }"""
    )


async def test_a_reopened_notebook_shows_the_reply_without_a_kernel(notebook):
    nb = await notebook(IMPORT, driving(EVERYTHING, 0.5))
    await nb.run(0, 1)
    await nb.save()
    await nb.shut_down()
    await nb.open()
    await nb.output(1).locator("h2", has_text="binomial").wait_for()
    assert await nb.page.get_by_text("model not found").count() == 0


async def test_stop_ends_the_reply_and_the_next_cell_runs(notebook):
    nb = await notebook(IMPORT, driving(long_reply(5000), 20), "6 * 7")
    live = await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live .berlin-reply').textContent.length > 50")
    await live.get_by_role("button", name="Stop").click()
    await nb.wait(1)
    await nb.output(1).locator(".berlin-status", has_text="stopped").wait_for()
    await nb.run(2)
    assert (await nb.outputs(2))[0]["data"]["text/plain"] == "42"


async def test_stop_is_reached_and_pressed_with_the_keyboard(notebook):
    nb = await notebook(IMPORT, driving(long_reply(5000), 20))
    live = await started(nb)
    button = live.get_by_role("button", name="Stop")
    await button.focus()
    await nb.page.keyboard.press("Enter")
    await nb.wait(1)
    assert "stopped" in (await nb.outputs(1))[0]["data"]["text/markdown"]


async def test_stop_stays_in_sight_while_the_beginning_of_a_long_reply_is_read(notebook):
    nb = await notebook(IMPORT, driving(long_reply(8000), 4))
    live = await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live').offsetHeight > 1500")
    await nb.page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 50; }")
    in_sight = """button => {
        const { x, y, width, height } = button.getBoundingClientRect();
        return document.elementFromPoint(x + width / 2, y + height / 2) === button;
    }"""
    assert await live.get_by_role("button", name="Stop").evaluate(in_sight)
    assert await nb.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop") == 50
    await nb.wait(1)


async def test_the_status_line_tells_of_the_wait_and_of_the_notes(notebook):
    nb = await notebook(IMPORT, driving("Hello.", 0.2, silence=2))
    live = await started(nb)
    words = live.locator(".berlin-live-words")
    await words.get_by_text("waiting for the first word").wait_for()
    assert re.fullmatch(r"test-model · waiting for the first word · \d+ s · a note", await words.text_content() or "")
    await nb.wait(1)


async def test_without_a_widget_the_text_grows_in_plain_displays_and_ends_as_one_output(notebook):
    text = long_reply(9000)
    nb = await notebook(IMPORT, driving(text, 5, awaited=False, background=False))
    await nb.run(0)
    await nb.start(1)
    lengths = await nb.page.evaluate(LENGTHS, [".jp-Cell[data-windowed-list-index='1'] .jp-Cell-outputArea", 4.5])
    assert len(lengths) >= 10
    assert await nb.page.locator(".berlin-live").count() == 0
    await nb.wait(1)
    assert [output["output_type"] for output in await nb.outputs(1)] == ["display_data", "execute_result"]


async def test_a_selection_in_the_growing_text_stays(notebook):
    nb = await notebook(IMPORT, driving("First words of it. " + "and more words " * 60, 4))
    await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live .berlin-reply').textContent.length > 80")
    await nb.page.evaluate(
        """() => {
            const walker = document.createTreeWalker(
                document.querySelector(".berlin-live .berlin-reply"), NodeFilter.SHOW_TEXT);
            const range = document.createRange();
            const text = walker.nextNode();
            range.setStart(text, 0);
            range.setEnd(text, 11);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    before = await nb.page.evaluate("document.querySelector('.berlin-live .berlin-reply').textContent.length")
    await nb.page.wait_for_function(
        "before => document.querySelector('.berlin-live .berlin-reply').textContent.length > before + 200", arg=before
    )
    assert await nb.page.evaluate("getSelection().toString()") == "First words"
    await nb.wait(1)


@pytest.mark.long  # long replies
async def test_the_page_does_not_jump_under_a_reader_when_the_reply_ends(notebook):
    nb = await notebook(IMPORT, driving(long_reply(6000), 2), *["1"] * 3)
    await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live .berlin-reply').textContent.length > 2000")
    positions = await nb.page.evaluate(
        """async () => {
            const scroller = document.querySelector(".jp-WindowedPanel-outer");
            scroller.scrollTop = 300;
            const seen = new Set();
            const until = performance.now() + 4000;
            while (performance.now() < until) {
                seen.add(Math.round(scroller.scrollTop));
                await new Promise(done => requestAnimationFrame(done));
            }
            return [...seen];
        }"""
    )
    assert max(positions) - min(positions) <= 2, positions
    await nb.wait(1)


SCROLLER = "document.querySelector('.jp-WindowedPanel-outer')"
BELOW = f"""() => {{
    const end = document.querySelector(".berlin-live").getBoundingClientRect().bottom;
    return end - {SCROLLER}.getBoundingClientRect().bottom;
}}"""


async def longer_by(nb, characters):
    before = await nb.page.evaluate("document.querySelector('.berlin-live .berlin-reply').textContent.length")
    await nb.page.wait_for_function(
        "length => document.querySelector('.berlin-live .berlin-reply').textContent.length > length",
        arg=before + characters,
    )


@pytest.mark.long  # long replies
async def test_the_page_follows_the_end_of_a_growing_reply_until_the_user_scrolls_up(notebook):
    nb = await notebook(IMPORT, driving(long_reply(9000), 20), *["1"] * 3)
    await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live').offsetHeight > 1200")
    assert await nb.page.evaluate(BELOW) <= 2
    await nb.page.mouse.move(500, 400)
    await nb.page.mouse.wheel(0, -300)
    await longer_by(nb, 100)
    top = await nb.page.evaluate(f"{SCROLLER}.scrollTop")
    await longer_by(nb, 800)
    assert abs(await nb.page.evaluate(f"{SCROLLER}.scrollTop") - top) <= 2
    for _ in range(10):
        if await nb.page.evaluate(BELOW) <= 0:
            break
        await nb.page.mouse.wheel(0, 400)
        await nb.page.wait_for_timeout(100)
    await longer_by(nb, 1500)
    assert await nb.page.evaluate(BELOW) <= 2
    await nb.output(1).get_by_role("button", name="Stop").click()
    await nb.wait(1)
    end = "document.querySelector(\"[data-windowed-list-index='1'] .berlin-status\").getBoundingClientRect().bottom"
    await nb.page.wait_for_function(f"{end} <= {SCROLLER}.getBoundingClientRect().bottom + 2")


@pytest.mark.long  # long replies
async def test_who_reads_below_a_growing_reply_is_not_pushed_down(notebook):
    lines = "print('\\n'.join(map(str, range(60))))"
    nb = await notebook(IMPORT, driving(long_reply(9000), 20), lines)
    await nb.run(0)
    await nb.run(2)
    await started(nb)
    await nb.page.wait_for_function("document.querySelector('.berlin-live').offsetHeight > 900")
    await nb.page.evaluate(f"() => {{ {SCROLLER}.scrollTop = {SCROLLER}.scrollHeight; }}")
    line = "document.querySelector(\"[data-windowed-list-index='2'] pre\").getBoundingClientRect().top"
    await nb.page.wait_for_timeout(300)
    before = await nb.page.evaluate(line)
    await longer_by(nb, 800)
    assert abs(await nb.page.evaluate(line) - before) <= 5


async def test_moving_the_output_to_a_view_of_its_own_keeps_it_growing(notebook):
    nb = await notebook(IMPORT, driving(long_reply(6000), 6))
    await started(nb)
    await nb.page.evaluate("() => { jupyterapp.commands.execute('notebook:create-output-view'); }")
    grown = ".jp-LinkedOutputView .berlin-live .berlin-reply"
    await nb.page.locator(grown).wait_for()
    lengths = await nb.page.evaluate(LENGTHS, [grown, 2])
    assert len(lengths) >= 5
    await nb.page.evaluate("() => { document.querySelectorAll('.jp-LinkedOutputView').length; }")
