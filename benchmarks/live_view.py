"""What showing a long reply costs the browser: our live view beside `update_display` of the whole text.

Run ``python benchmarks/live_view.py [--rounds N] [--characters N] [--seconds S]`` with the test extra and a Chromium.
Each round streams a reply into a notebook in a real JupyterLab at 20 updates a second, in both ways, and shows the
finished output once. Printed are medians: seconds that the page's main thread was busy, the longest task, and how long
after its arrival in the kernel the last word was on screen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import _find_chromium  # noqa: E402  # the rig is not a package
from browser.jupyterlab_page import Lab, Notebook  # noqa: E402

LAST_WORD = "Thelastwordofall"
PREPARE = f"""
import asyncio, time
from IPython.display import Markdown, display
from berlin_magic.display.view import Status
from berlin_magic.display.selection import open_view, prepare
from berlin_magic.display.static import Rendered, final_output
from browser.samples import long_reply
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


@dataclass
class Cost:
    """Seconds."""

    busy: float
    longest: float
    late: float


async def measure(lab: Lab, browser: Browser, way: str, characters: int, seconds: float) -> Cost:
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
    return Cost(cost, longest / 1000, on_screen - arrived)


async def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--characters", type=int, default=100_000)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--ways", nargs="*", default=["shown_once", "live_view", "update_display"])
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lab = Lab(Path(folder), {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])})
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=_find_chromium(),
                    args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
                )
                print(f"{chosen.characters:,} characters in {chosen.seconds:g} s, median of {chosen.rounds}")
                print(f"{'':16}{'busy':>10}{'longest':>10}{'late':>10}")
                for way in chosen.ways:
                    costs = [
                        await measure(lab, browser, way, chosen.characters, chosen.seconds)
                        for _ in range(chosen.rounds)
                    ]
                    figures = [
                        statistics.median(getattr(cost, name) for cost in costs) for name in ("busy", "longest", "late")
                    ]
                    print(f"{way:16}" + "".join(f"{figure:8.2f} s" for figure in figures), flush=True)
                await browser.close()
        finally:
            lab.close()


if __name__ == "__main__":
    asyncio.run(main())
