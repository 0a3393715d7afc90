"""Values in prompts, in JupyterLab: a figure reaches a server as itself, the slip can be read, the Tab key helps."""

from __future__ import annotations

import base64
import io
import re

import pytest
from browser.conftest import SCREENSHOTS
from browser.test_prompt_cells import edit
from completions import streamed
from scripted import HEAD, scripted_server

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

FIGURE = """\
import os, matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import pandas as pd
%load_ext berlin_magic
os.environ["OPENAI_API_KEY"] = "not-a-secret"
%config BerlinMagics.provider = "openai"
%config BerlinMagics.url = "{url}"
%config BerlinMagics.model = "m"
figure, axes = plt.subplots(figsize=(4, 3), facecolor=(1, 0, 0))
axes.plot([1, 3, 2])
axes.set(title="Sales", xlabel="week")
plt.close(figure)
frame_of_sales = pd.DataFrame({{"city": ["Berlin", "Paris", None], "sold": [3, 4, 5]}})
frame_of_costs = frame_of_sales * 2"""


async def test_a_figure_is_sent_as_itself_and_the_slip_shows_it(notebook):
    async with scripted_server() as engine:
        engine.on("/v1/chat/completions", [HEAD + streamed("It rises, then falls.")])
        nb = await notebook(
            FIGURE.format(url=engine.url),
            "%%berlin --dry-run -t 0.5\nWhat does {{ figure }} show of {{ frame_of_sales }}?",
            "%%berlin\nWhat does {{ figure }} show of {{ frame_of_sales }}?",
            "%%berlin\nOf {{ frame_",
            "%%berlin\nOf {{ frame_of_sales.ci",
            "%%berlin\nOf {{ frame_of_sales | s",
        )
        await nb.run(0, 1)
        assert not engine.requests, "a dry run sends nothing"
        slip = nb.output(1)
        picture = slip.locator("img")
        await picture.wait_for()
        measure = "async img => { await img.decode(); return [img.naturalWidth, img.naturalHeight]; }"
        size = await picture.evaluate(measure)
        text = await slip.inner_text()
        for word in (
            engine.url,
            "frame_of_sales: DataFrame",
            "figure: figure (matplotlib)",
            "tokens (an estimate)",
            "0.5",
        ):
            assert word in text, (word, text)
        await nb.hide_source(1)
        SCREENSHOTS.mkdir(exist_ok=True)
        await slip.screenshot(path=SCREENSHOTS / "slip-light.png")
        await nb.theme("JupyterLab Dark")
        await slip.screenshot(path=SCREENSHOTS / "slip-dark.png")
        await nb.theme("JupyterLab Light")

        await nb.run(2)
        told = nb.output(2).locator("details.berlin-slip")
        assert not await told.evaluate("one => one.open")
        await told.locator("summary").click()
        said = await told.inner_text()
        for word in (engine.url, "what was sent", "frame_of_sales: DataFrame", "sample", "1 message (1 user)"):
            assert word in said, (word, said)
        assert await told.locator("img").count() == 0 and "Paris" not in said
        await nb.output(2).screenshot(path=SCREENSHOTS / "folded-slip-light.png")
        await nb.theme("JupyterLab Dark")
        await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
        await nb.output(2).screenshot(path=SCREENSHOTS / "folded-slip-dark.png")
        await nb.theme("JupyterLab Light")
        [request] = engine.to("/v1/chat/completions")
        [message] = request.json["messages"]
        [url] = [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
        assert url == await picture.get_attribute("src"), "the slip shows what is sent"
        sent = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        assert list(sent.size) == size and 300 < sent.width < 420
        assert sent.convert("RGB").getpixel((1, 1)) == (255, 0, 0)
        assert len(set(sent.convert("L").tobytes())) > 10, "there is something on it"
        words = "".join(part.get("text", "") for part in message["content"])
        assert "'Sales' (x is 'week')" in words and "| Berlin | 3 |" in re.sub(r" +", " ", words)
        saved = (await nb.save()).cells[2]
        assert url.partition(",")[2][:60] not in str(saved) and "Berlin" not in str(saved.outputs[0].metadata)

        for cell, offered in (
            (3, {"frame_of_costs", "frame_of_sales"}),
            (4, {"frame_of_sales.city"}),
            (5, {"sample", "schema", "source"}),
        ):
            await edit(nb, cell)
            await nb.page.keyboard.press("Tab")
            shown = nb.page.locator(".jp-Completer .jp-Completer-match")
            await shown.first.wait_for()
            found = {await one.inner_text() for one in await shown.all()}
            assert offered <= found and "json" not in found, found
            if cell == 3:
                await nb.page.screenshot(path=SCREENSHOTS / "completion.png")
            await nb.page.keyboard.press("Escape")
