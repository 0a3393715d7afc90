"""What the JupyterLab extension costs: opening a notebook of 200 cells, and a key in a prompt of 10,000 characters.

Run ``python benchmarks/labextension.py [--rounds N] [--cells N]`` with the test extra and a Chromium. The same
notebook, in which every fourth cell is a prompt with a finished reply, is opened by turns in a JupyterLab with the
extension and in one without. Printed are medians of the page's CPU time: until the notebook is there and the page is
idle; the same and a scroll over all cells, so that each is drawn; and for one key.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.async_api import Browser, CDPSession, Page, async_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.conftest import _find_chromium  # noqa: E402  # the rig is not a package
from browser.jupyterlab_page import Lab, Notebook  # noqa: E402
from browser.samples import long_reply  # noqa: E402

from berlin_magic.display.static import Rendered, final_output  # noqa: E402
from berlin_magic.display.view import Status  # noqa: E402

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


async def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--cells", type=int, default=200)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        labs = {how: Lab(Path(folder) / how, extension=how == "with") for how in ("with", "without")}
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=_find_chromium(),
                    args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
                )
                opened: dict[str, list[tuple[float, float]]] = {how: [] for how in labs}
                typed: dict[str, list[float]] = {how: [] for how in labs}
                for lab in labs.values():
                    write_notebook(lab.notebooks / "big.ipynb", chosen.cells)
                for _ in range(chosen.rounds):
                    for how, lab in labs.items():
                        opened[how].append(await opening(lab, browser))
                        typed[how].append(await typing(lab, browser))
                await browser.close()
        finally:
            for lab in labs.values():
                lab.close()
    print(f"{chosen.cells} cells, median of {chosen.rounds}")
    for at, what in enumerate(("opened", "opened and drawn")):
        with_, without = (statistics.median(costs[at] for costs in opened[how]) for how in ("with", "without"))
        print(f"{what}: {with_:.2f} s with, {without:.2f} s without, ratio {with_ / without:.3f}")
    for how, costs in typed.items():
        print(f"a key in {len(PROMPT):,} characters, {how}: {1000 * statistics.median(costs):.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
