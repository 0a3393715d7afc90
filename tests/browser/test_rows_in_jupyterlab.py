"""A question for every row in JupyterLab: its progress, what is left of it, and a budget that stops it."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.scripted_server import Reply
from browser.test_looks import CONTRAST

pytestmark = pytest.mark.long  # half a minute

LOAD = """\
%load_ext berlin_magic
import pandas as pd
df = pd.DataFrame({"text": [f"The {word} was {mood}." for word in ("soup", "wine", "bread", "room", "view")
                            for mood in ("good", "cold", "fine", "late", "new", "old", "small", "red")]})
"""
ASK = "%%berlin --each df -o moods --concurrency 4\nIn one word, is this praise? {{ row.text }}"
STOPPED = "%%berlin --each df --again --concurrency 2\nOnce more: {{ row.text }}"


LOOKS = [("light", 1100), ("dark", 1100), ("light", 480)]


async def test_the_progress_of_each_row_is_shown_and_a_budget_stops_it(notebook, server):
    server.answers(Reply("Yes, **praise** | of a kind.", seconds=0.6, pieces=3))
    budget = "%config BerlinMagics.budget = '1200 tokens/notebook'"
    nb = await notebook(LOAD, ASK, "moods", budget, STOPPED, "%berlin cost")
    await nb.run(0)
    await nb.start(1)
    words = nb.output(1).locator(".berlin-live-words")
    await words.filter(has_text="left").wait_for()
    told = await words.inner_text()
    assert "of 40 rows" in told and "%" in told and "tokens" in told and "░" in told
    for theme, width in LOOKS:
        await look(nb, theme, width, "progress")
        assert await words.evaluate(CONTRAST) >= 4.5
    await nb.wait(1)
    await nb.run(2, 3, 4, 5)
    assert len(await nb.outputs(1)) == 1
    end = nb.output(1)
    assert "40 of 40 rows" in await end.inner_text()
    assert await end.locator("table strong", has_text="praise").count() == 5
    (output, error) = await nb.outputs(4)
    assert error["output_type"] == "error" and "of the budget of 1,200 tokens/notebook" in "".join(error["traceback"])
    assert 40 < len(server.asked) < 80 and "without a reply" in output["data"]["text/plain"]
    for theme, width in LOOKS:
        await end.evaluate("el => el.scrollIntoView({block: 'center'})")
        await look(nb, theme, width, "end")
        assert await end.evaluate("el => el.scrollWidth - el.clientWidth") <= 1
        await nb.output(5).scroll_into_view_if_needed()
        await look(nb, theme, width, "stopped")
    await nb.theme("JupyterLab Light")


async def test_the_stop_button_keeps_the_replies_that_have_arrived(notebook, server):
    server.answers(Reply("Yes.", seconds=0.5, pieces=2))
    nb = await notebook(LOAD, f"{ASK} # stopped", "sum(one is not None for one in moods), len(moods.errors)")
    await nb.run(0)
    await nb.start(1)
    await nb.output(1).locator(".berlin-live-words").filter(has_text="left").wait_for()
    await nb.output(1).get_by_role("button", name="Stop").click()
    await nb.wait(1)
    await nb.run(2)
    (counts,) = await nb.outputs(2)
    arrived, errors = eval(counts["data"]["text/plain"])
    assert 0 < arrived < 40 and arrived + errors == 40
    assert "stopped" in await nb.output(1).inner_text()


async def look(nb, theme, width, name):
    await nb.theme(f"JupyterLab {theme.title()}")
    await nb.page.set_viewport_size({"width": width, "height": 900})
    await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.screenshot(path=SCREENSHOTS / f"rows-{theme}-{width}-{name}.png")
