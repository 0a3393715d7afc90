"""The attack corpus in a real browser: live, as the final output, reopened and trusted, and in nbconvert's page."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from browser.attack_watch import ATTACKS, Watch, numbered
from browser.conftest import SCREENSHOTS
from browser.jupyterlab_page import Notebook
from browser.scripted_server import Reply, ScriptedBerlin

pytestmark = pytest.mark.long  # the whole corpus, in several ways: two minutes

IMPORT = "from show_attacks import *"
SENTINEL = {
    "text": "$1 + 1$ is two.\n\nDone."
}  # the last one of each batch: when it has been typeset, so have all before it
SIZE = 46  # JupyterLab shows 50 outputs of a cell
# What takes the page away from under the others comes last, where nobody guards it.
ROUGH = ("base", "meta-refresh", "style-element", "clobbering", "frame", "custom-element")
ERRORS = range(0, len(ATTACKS), 60)
PAGE = "http://saved.example/"  # where nbconvert's page is opened
PATIENCE = 10.0  # seconds; a video that can't be loaded says so when it likes
LAST = len(ATTACKS)  # the sentinel's number
SLOW = ("very-long-3",)  # keeps JupyterLab's own Markdown renderer busy for half a minute (seen on 4.6.6)
BATCHES = [list(range(at, min(at + SIZE, len(ATTACKS)))) for at in range(0, len(ATTACKS), SIZE)]


@dataclass
class Found:
    """What was found wrong with each attack in one place, by its id; and the links that clicks would have followed."""

    wrong: dict[str, set[str]] = field(default_factory=dict)
    following: list[list[str]] = field(default_factory=list)

    def note(self, name: str, *what: str) -> None:
        if what:
            self.wrong.setdefault(name, set()).update(what)

    def kinds(self, name: str) -> set[str]:
        """Return what was found in the words of the corpus; ``page`` is all that Markdown alone does not write."""
        return {what if what in {"script", "request", "navigation"} else "page" for what in self.wrong.get(name, ())}

    def note_all(self, watch: Watch) -> None:
        """Take over what the watch has seen."""
        for name, kinds in watch.named().items():
            self.note(name, *kinds)
        watch.seen.clear()


@pytest.fixture(scope="module")
def mathjax(request) -> Path:
    """Install the MathJax that nbconvert's pages load from a stranger."""
    folder = Path(request.config.cache.mkdir("mathjax-2"))
    if not (folder / "node_modules" / "mathjax" / "MathJax.js").exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm on the path, to install MathJax")
        (folder / "package.json").write_text("{}\n", "utf-8")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "mathjax@2.7.9"]
        subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    return folder / "node_modules" / "mathjax"


@asynccontextmanager
async def watched(browser, lab, home=None):
    """Give a page that is watched from before its first load."""
    context = await browser.new_context(viewport={"width": 1100, "height": 900})
    watch = Watch(context, home or lab.url)
    await watch.begin()
    page = await context.new_page()
    page.set_default_timeout(90_000)
    watch.guard(page)
    try:
        yield page, watch
    except BaseException:
        SCREENSHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / "attacks.png")
        raise
    finally:
        await context.close()


def name_of(number: int) -> str:
    return ATTACKS[number]["id"] if number < LAST else "sentinel"


def outputs(cell: int) -> str:
    return f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .jp-OutputArea-child"


async def ready(page, selector: str, count: int) -> None:
    """Wait until as many outputs are there as there should be, and the last one's formula is typeset."""
    await page.wait_for_function(
        """([selector, count]) => {
            const found = [...document.querySelectorAll(selector)];
            return found.length === count && found.at(-1).querySelector("mjx-container");
        }""",
        arg=[selector, count],
    )


async def examine(page, watch, found: Found, selector: str, numbers: list[int]) -> None:
    """Look at what `selector` finds, one element for each attack and the sentinel, and provoke it."""
    inspected = await page.evaluate("selector => berlinDetector.inspect(selector)", selector)
    for number, what in zip([*numbers, LAST], inspected, strict=True):
        found.note(name_of(number), *what)
    provoked = await page.evaluate("selector => berlinDetector.provoke(selector)", selector)
    for at, command in provoked["ran"]:
        found.note(name_of([*numbers, LAST][at]), f"command {command}")
    found.following += provoked["following"]
    await watch.canary(page)


def texts(lab) -> None:
    marked = [numbered(number, attack) for number, attack in enumerate(ATTACKS)]
    (lab.notebooks / "attacks.json").write_text(json.dumps([*marked, SENTINEL]), "utf-8")


@dataclass
class Shown:
    notebook: Notebook
    live: Found
    final: Found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(browser, lab) -> AsyncIterator[Shown]:
    """Show all attacks live, then as final outputs, in one notebook; each batch of them is one cell."""
    texts(lab)
    cells = [f"await show_live({[*numbers, LAST]}, 'go-{number}')" for number, numbers in enumerate(BATCHES)]
    live, final = Found(), Found()
    async with watched(browser, lab) as (page, watch):
        nb = await Notebook.new(lab, page, IMPORT, *cells)
        watch.opened = True
        await nb.run(0)
        for number, numbers in enumerate(BATCHES):
            cell = number + 1
            await nb.start(cell)
            await page.wait_for_function(
                """([selector, count]) => {
                    const words = [...document.querySelectorAll(`${selector} .berlin-live-words`)];
                    return words.length === count && words.every(one => one.textContent.endsWith("all of it"));
                }""",
                arg=[outputs(cell), len(numbers) + 1],
            )
            await ready(page, f"{outputs(cell)} .berlin-live", len(numbers) + 1)
            await examine(page, watch, live, f"{outputs(cell)} .berlin-live .berlin-reply", numbers)
            assert await page.locator(f"{outputs(cell)} .berlin-live-words *").count() == 0
            live.note_all(watch)

            (lab.notebooks / f"go-{number}").touch()
            await nb.wait(cell)
            await ready(page, f"{outputs(cell)} .jp-RenderedHTMLCommon", len(numbers) + 1)
            await examine(page, watch, final, f"{outputs(cell)} .jp-RenderedHTMLCommon", numbers)
            final.note_all(watch)
        await nb.save()
        await nb.shut_down()
    yield Shown(nb, live, final)


async def show_all(browser, lab, name: str, batches: list[list[int]], kind: str = "Markdown", expected=None) -> Found:
    """Run a cell of ``show_attacks`` for each batch, and look at what it displays, for a while if more is expected."""
    texts(lab)
    found = Found()
    async with watched(browser, lab) as (page, watch):
        nb = await Notebook.new(lab, page, IMPORT, *[f"{name}({[*numbers, LAST]})" for numbers in batches])
        watch.opened = True
        await nb.run(0)
        for cell, numbers in enumerate(batches, 1):
            await nb.run(cell)
            await ready(page, f"{outputs(cell)} .jp-Rendered{kind}", len(numbers) + 1)
            await examine(page, watch, found, f"{outputs(cell)} .jp-Rendered{kind}", numbers)
        found.note_all(watch)
        until = time.monotonic() + PATIENCE
        while any(kinds - found.kinds(name) for name, kinds in (expected or {}).items()) and time.monotonic() < until:
            await page.wait_for_timeout(100)
            found.note_all(watch)
    return found


async def test_nothing_of_an_attack_runs_loads_or_navigates_while_it_arrives(shown):
    assert shown.live.wrong == {}


async def test_nothing_of_an_attack_runs_loads_or_navigates_in_the_final_output(shown):
    assert shown.final.wrong == {}


async def test_links_of_an_attack_lead_to_the_web_alone_in_a_window_of_its_own(shown):
    followed = shown.live.following + shown.final.following
    assert len(followed) > 100
    assert {target for _address, target, _rel in followed} == {"_blank"}
    assert all("noopener" in rel for _address, _target, rel in followed)
    assert all(address.startswith(("https://", "http://", "mailto:")) for address, _target, _rel in followed)


async def test_nothing_of_an_attack_runs_loads_or_navigates_in_the_reopened_and_trusted_notebook(shown, browser, lab):
    found = Found()
    async with watched(browser, lab) as (page, watch):
        nb = Notebook(lab, page, shown.notebook.path)
        await nb.open()
        watch.opened = True
        assert await page.evaluate("jupyterapp.shell.currentWidget.content.widgets.every(cell => cell.model.trusted)")
        for cell, numbers in enumerate(BATCHES, 1):
            await page.evaluate("cell => jupyterapp.shell.currentWidget.content.scrollToItem(cell, 'start')", cell)
            await ready(page, f"{outputs(cell)} .jp-RenderedHTMLCommon", len(numbers) + 1)
            await examine(page, watch, found, f"{outputs(cell)} .jp-RenderedHTMLCommon", numbers)
        found.note_all(watch)
        await nb.shut_down()
    assert found.wrong == {}


async def test_nothing_of_an_attack_runs_loads_or_navigates_in_the_page_that_nbconvert_makes(
    shown, browser, lab, mathjax, tmp_path
):
    numbers = [number for batch in BATCHES for number in [*batch, LAST]]
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output=page", f"--output-dir={tmp_path}"]
    # Every address of the page's own is a request to this name, which the test answers.
    command += [f"--HTMLExporter.{part}_url={PAGE}{part}.js" for part in ("require_js", "jquery", "mermaid_js")]
    command += [f"--HTMLExporter.mathjax_url={PAGE}mathjax/MathJax.js?config=TeX-AMS_CHTML-full,Safe"]
    await asyncio.to_thread(subprocess.run, [*command, shown.notebook.path], check=True, capture_output=True)
    html = (tmp_path / "page.html").read_text("utf-8")

    async def answer(route):
        path = urlsplit(route.request.url).path
        if path == "/":
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif path.startswith("/mathjax/") and (mathjax / path.removeprefix("/mathjax/")).is_file():
            await route.fulfill(path=mathjax / path.removeprefix("/mathjax/"))
        elif path.rstrip("js") in {"/require_js.", "/jquery.", "/mermaid_js."}:
            await route.fulfill(body="", content_type="text/javascript")
        else:
            asked.append(route.request.url)
            await route.fulfill(status=404)

    found, asked = Found(), []
    async with watched(browser, lab, PAGE) as (page, watch):
        await page.route(f"{PAGE}**", answer)
        await page.goto(PAGE)
        watch.opened = True
        selector = ".jp-OutputArea-output.jp-RenderedHTMLCommon"
        await page.wait_for_function("window.MathJax?.Hub?.queue")
        await page.evaluate("() => new Promise(done => MathJax.Hub.Queue(done))")
        assert await page.locator(selector).last.locator(".mjx-chtml").count() == 1
        await examine(page, watch, found, selector, numbers[:-1])
        found.note_all(watch)
    assert found.wrong == {}
    assert asked == []


async def test_our_markdown_is_as_harmless_where_a_front_end_prefers_it(browser, lab):
    found = await show_all(browser, lab, "show_ours", BATCHES)
    assert found.wrong == {}


@pytest.mark.parametrize("place", ["show_status_lines", "show_reasoning"])
async def test_words_around_a_reply_are_text(browser, lab, place):
    numbers = [n for n, attack in enumerate(ATTACKS) if re.search(r"\$|\\[(\[b]", attack["text"]) or n % 12 == 0]
    batches = [numbers[at : at + SIZE] for at in range(0, len(numbers), SIZE)]
    found = await show_all(browser, lab, place, batches, "HTMLCommon")
    assert found.wrong == {}


class HostileBerlin(ScriptedBerlin):
    """A server whose model names and error messages are attacks."""

    async def _config(self, _request):
        models = [{"label": "x", "value": hostile_word(n), "type": "chat", "app": True} for n in range(LAST)]
        return web.json_response({"code": 0, "data": {"chat_models": models}, "message": hostile_word(0)})


def hostile_word(number: int) -> str:
    return numbered(number, ATTACKS[number])["text"][:90]


async def test_listings_and_errors_show_the_words_of_a_server_as_text(browser, lab):
    server = HostileBerlin()
    await server.start()
    message = " ".join(hostile_word(number) for number in range(0, LAST, 9))
    server.answers(*[Reply(error={"code": -1, "data": [], "message": hostile_word(n)}, status=406) for n in ERRORS])
    sources = [
        f"import os\nos.environ['BERLIN_URL'] = {server.url!r}\n%load_ext berlin_magic",
        "%berlin models",
        f"%berlin use {message[:200]!r}",
        "%berlin",
        *["%%berlin\nHello."] * len(ERRORS),
        "%berlin history",
    ]
    try:
        async with watched(browser, lab) as (page, watch):
            nb = await Notebook.new(lab, page, *sources)
            watch.opened = True
            for cell in range(len(sources)):
                await nb.run(cell)
            wrong = await page.evaluate("() => berlinDetector.inspect('.jp-Notebook .jp-OutputArea-output')")
            shown = await page.locator(".jp-Notebook .jp-OutputArea").all_text_contents()
            provoked = await page.evaluate("() => berlinDetector.provoke('.jp-Notebook .jp-OutputArea-output')")
            await watch.canary(page)
            saved = await nb.save()
            await nb.shut_down()
    finally:
        await server.close()
    assert "<script>berlinAttacked(0)</script>" in "".join(shown)
    assert {cell.outputs[-1].output_type for cell in saved.cells[4:-1]} == {"error"}
    # JupyterLab itself makes links in whatever is printed, of any scheme; they open windows in which nothing runs.
    assert {one for what in wrong for one in what if not one.startswith("attribute a href=")} == set()
    assert watch.named() == {}
    assert provoked["ran"] == []
    assert {target for _address, target, _rel in provoked["following"]} == {"_blank"}
    said = "".join(str(output) for cell in saved.cells[:4] for output in cell.outputs)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)


async def test_the_check_sees_each_attack_where_nobody_guards_the_page(browser, lab):
    """The control: `IPython.display.Markdown`, in the same JupyterLab and under the same watch."""
    smooth = [n for n, attack in enumerate(ATTACKS) if attack["mechanism"] not in ROUGH and attack["id"] not in SLOW]
    rough = [number for number, attack in enumerate(ATTACKS) if attack["mechanism"] in ROUGH]
    batches = [smooth[at : at + SIZE] for at in range(0, len(smooth), SIZE)]
    expected = {attack["id"]: set(attack["fires_in_markdown"]) for attack in ATTACKS}
    found = await show_all(browser, lab, "show_unguarded", [*batches, rough], expected=expected)
    missed = {name: lacking for name, kinds in expected.items() if (lacking := kinds - found.kinds(name))}
    assert missed == {}
    assert sum(bool(kinds) for kinds in expected.values()) >= 300
    assert sum("script" in kinds for kinds in expected.values()) >= 100
    assert sum("request" in kinds for kinds in expected.values()) >= 30
