"""What showing a long reply costs the browser: our live view beside `update_display` and the finished output, once.

Each round streams a reply into a notebook in a real JupyterLab, drawn 20 times a second. The figures are the seconds
that the page's main thread was busy, its longest task, and how late after its arrival the last word was on screen.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from benchmarks.measure import ROOT, Figure, Options, fresh

sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import _find_chromium  # the rig is not a package
from browser.jupyterlab_page import Lab, Notebook

LAST_WORD = "Thelastwordofall"
PREPARE = f"""
import asyncio, time
from IPython.display import Markdown, display
from berlin_magic.display.view import Status
from berlin_magic.display.selection import open_view, prepare
from berlin_magic.display.static import Rendered, final_output
from display.replies import long_reply
prepare(get_ipython())
LAST_WORD = {LAST_WORD!r}

async def arriving(text, seconds):
    start = time.monotonic()
    at = 0
    while at < len(text):
        await asyncio.sleep(0.05)
        due = min(len(text), int(len(text) * (time.monotonic() - start) / seconds))
        yield text[at:due], time.monotonic() - start
        at = due

async def live_view(text, seconds):
    view = open_view(get_ipython(), stop=lambda: None)
    view.begin(Status("waiting", "m", "p"))
    length = 0
    async for piece, elapsed in arriving(text, seconds):
        view.feed(piece)
        length += len(piece)
        view.draw(Status("streaming", "m", "p", elapsed, length))
    print("arrived", time.time())
    view.finish(Status("complete", "m", "p", elapsed, length), {{}})

async def update_display(text, seconds):
    shown, handle = "", display(Markdown(""), display_id=True)
    async for piece, _ in arriving(text, seconds):
        shown += piece
        handle.update(Markdown(shown))
    print("arrived", time.time())

async def shown_once(text, seconds):
    print("arrived", time.time())
    data, metadata = final_output(Rendered.of(text), Status("complete", "m", "p", 1.0, len(text)), {{}})
    display(data, metadata=metadata, raw=True)
"""
WATCH = """() => {
    window.longest = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ entryTypes: ["longtask"] });
}"""
ON_SCREEN = """async lastWord => {
    const cell = document.querySelector("[data-windowed-list-index='1'] .jp-Cell-outputArea");
    const has = () => (cell.querySelector(".jp-OutputArea")?.textContent ?? cell.textContent).includes(lastWord);
    while (!has()) await new Promise(done => setTimeout(done, 50));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
    return Date.now() / 1000;
}"""


async def measure(lab: Lab, browser: Browser, way: str, characters: int, seconds: float) -> dict[str, float]:
    """Show one reply in one way, in a page and a kernel of their own."""
    context = await browser.new_context(viewport={"width": 1100, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(300_000)
    cell = f"await {way}(long_reply({characters}) + '\\n\\n' + LAST_WORD, {seconds})"
    notebook = await Notebook.new(lab, page, PREPARE, cell)
    await notebook.run(0)
    await page.evaluate(WATCH)
    session = await context.new_cdp_session(page)
    await session.send("Performance.enable")

    async def busy() -> float:
        metrics = await session.send("Performance.getMetrics")
        return next(metric["value"] for metric in metrics["metrics"] if metric["name"] == "TaskDuration")

    before = await busy()
    await notebook.start(1)
    on_screen = await page.evaluate(ON_SCREEN, LAST_WORD)
    await notebook.wait(1)
    await page.evaluate("() => new Promise(done => requestIdleCallback(done))")
    cost = await busy() - before
    texts = [output["text"] for output in await notebook.outputs(1) if output["output_type"] == "stream"]
    arrived = float("".join("".join(text) for text in texts).split()[1])
    longest = await page.evaluate("longest")
    await notebook.shut_down()
    await context.close()
    return {"busy": cost, "longest": longest / 1000, "late": on_screen - arrived}


def shown(ways: list[str], characters: int, seconds: float) -> dict[str, dict[str, float]]:
    """Show a reply in each way, in one JupyterLab and one browser."""

    async def run() -> dict[str, dict[str, float]]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            lab = Lab(Path(folder), {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])})
            try:
                async with async_playwright() as playwright:
                    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
                    browser = await playwright.chromium.launch(executable_path=_find_chromium(), args=arguments)
                    return {way: await measure(lab, browser, way, characters, seconds) for way in ways}
            finally:
                lab.close()

    return asyncio.run(run())


def figures(options: Options) -> Iterator[Figure]:
    if options.short or not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return  # nothing in it is exact
    characters, seconds = 100_000, 20.0
    ways = ["shown_once", "live_view", *(["update_display"] if options.peers else [])]
    runs = [fresh(shown, ways, characters, seconds) for _ in range(min(options.rounds, 3))]
    for key, name in (("busy", "main thread busy"), ("longest", "longest task"), ("late", "last word late by")):
        once = [run["shown_once"][key] for run in runs]
        for way in ways[1:]:
            found = [run[way][key] for run in runs]
            title = f"100 kB over 20 s, {way.replace('_', ' ')}, {name}"
            yield Figure(title, "s", found, "shown once", once, 1 if key == "longest" else None)
