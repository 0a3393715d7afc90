"""What the JupyterLab extension costs: opening a notebook of 200 cells, and a key in a prompt of 10,000 characters.

The same notebook, in which every fourth cell is a prompt with a finished reply, is opened in a JupyterLab with the
extension and in one without. The figures are CPU times of the page: until the notebook is there and the page is idle;
the same and a scroll over all cells, so that each is drawn; and for one key.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks.measure import ROOT, Figure, Options, fresh
from berlin_magic.display.static import Rendered, final_output
from berlin_magic.display.view import Status

sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import _find_chromium  # the rig is not a package
from browser.jupyterlab_page import Lab, Notebook
from display.replies import long_reply

CELLS = 200
KEYS = 100
LINE = "Is *this* {{ name }} right, and with `which` input does it fail? "
PROMPT = "%%berlin\n" + (LINE * 3 + "\n\n") * 51
ALL_DRAWN = """async () => {
    const notebook = jupyterapp.shell.currentWidget.content;
    for (let at = 0; at < notebook.widgets.length; at += 10) await notebook.scrollToItem(at);
}"""
IDLE = "() => new Promise(done => requestIdleCallback(done, {timeout: 10000}))"


def write_notebook(path: Path, cells: int) -> None:
    """Write the notebook."""
    data, metadata = final_output(Rendered.of(long_reply(1500)), Status("complete", "m", "p", 1.0, 1500), {"format": 2})
    reply = nbformat.v4.new_output("display_data", data, metadata=metadata)
    made = [
        nbformat.v4.new_code_cell(f"%%berlin\nWhat about *{n}*?", outputs=[reply])
        if n % 4 == 0
        else nbformat.v4.new_code_cell(f"for i in range({n}):\n    print(i)")
        for n in range(cells)
    ]
    kernel = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)


async def busy(session: CDPSession) -> float:
    """Return the CPU seconds that the page's main thread has taken."""
    metrics = await session.send("Performance.getMetrics")
    return next(metric["value"] for metric in metrics["metrics"] if metric["name"] == "TaskDuration")


async def new_page(browser: Browser) -> tuple[Page, CDPSession]:
    """Return a page whose CPU time is counted."""
    page = await browser.new_page(viewport={"width": 1100, "height": 800})
    page.set_default_timeout(120_000)
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return page, session


async def opening(lab: Lab, browser: Browser) -> tuple[float, float]:
    """Return what opening the notebook costs, and what that and drawing all of its cells costs."""
    page, session = await new_page(browser)
    notebook = Notebook(lab, page, lab.notebooks / "big.ipynb")
    await notebook.open()
    await page.evaluate(IDLE)
    opened = await busy(session)
    await page.evaluate(ALL_DRAWN)
    await page.evaluate(IDLE)
    drawn = await busy(session)
    await notebook.shut_down()
    await page.close()
    return opened, drawn


async def typing(lab: Lab, browser: Browser) -> float:
    """Return what a key costs."""
    page, session = await new_page(browser)
    notebook = await Notebook.new(lab, page, PROMPT)
    await page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.mode = "edit";
            notebook.widgets[0].editor.setCursorPosition({line: 51, column: 30});
            notebook.widgets[0].editor.focus();
        }"""
    )
    await page.keyboard.type("warm ")
    before = await busy(session)
    await page.keyboard.type("word " * (KEYS // 5))
    cost = (await busy(session) - before) / KEYS
    await notebook.shut_down()
    await page.close()
    return cost


def costs() -> dict[str, dict[str, float]]:
    """Return each cost with and without the extension, in one browser."""

    async def run() -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {"opened": {}, "drawn": {}, "key": {}}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            async with async_playwright() as playwright:
                arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
                browser = await playwright.chromium.launch(executable_path=_find_chromium(), args=arguments)
                for how in ("with", "without"):
                    lab = Lab(Path(folder) / how, extension=how == "with")
                    try:
                        write_notebook(lab.notebooks / "big.ipynb", CELLS)
                        await opening(lab, browser)  # what is loaded for the first time
                        found["opened"][how], found["drawn"][how] = await opening(lab, browser)
                        found["key"][how] = await typing(lab, browser)
                    finally:
                        lab.close()
        return found

    return asyncio.run(run())


def figures(options: Options) -> Iterator[Figure]:
    if options.short or not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return  # nothing in it is exact
    runs = [fresh(costs) for _ in range(min(options.rounds, 3))]

    def each(key: str, how: str, factor: float = 1) -> list[float]:
        return [factor * run[key][how] for run in runs]

    for key, name, bound in (("opened", "opened", 1.1), ("drawn", "opened, and each cell drawn", None)):
        title = f"a notebook of {CELLS} cells is {name}"
        yield Figure(title, "s", each(key, "with"), "without the extension", each(key, "without"), bound)
    yield Figure(f"a key in a prompt of {len(PROMPT):,} characters", "ms", each("key", "with", 1000), bound=16)
