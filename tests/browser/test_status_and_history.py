"""The status bar's item, the history panel, the menu and the dry run of our extension, in one notebook."""

from __future__ import annotations

import json

import pytest
from browser.attack_watch import ATTACKS, Watch
from browser.conftest import SCREENSHOTS
from browser.jupyterlab_page import Notebook
from browser.scripted_server import Reply
from browser.test_looks import CONTRAST
from browser.test_palette import choose, sources

pytestmark = pytest.mark.long  # half a minute

LOAD = "%load_ext berlin_magic"
HOSTILE = "<img src=x onerror=berlinAttacked()>"
MODELS = ["scripted", "a_b-&-c", HOSTILE.replace(" ", "/")]


def status(page):
    return page.locator(".berlin-status-item button")


def panel(page):
    return page.locator("#berlin-history")


async def open_panel(nb):
    await choose(nb, "Show the Conversation")
    await panel(nb.page).locator("h2").wait_for()


async def test_the_status_bar_says_who_is_asked_and_a_click_chooses_another_model(notebook, server):
    server.answers(Reply("First."), Reply("Second."))
    server.models = MODELS
    try:
        nb = await notebook("1 + 1", LOAD, "%%berlin\nOne?", "%%berlin\nTwo?", "%berlin use 'by-hand'")
        item = status(nb.page)
        await nb.run(0)
        assert not await item.is_visible()
        await nb.run(1)
        await item.wait_for()  # nothing is asked yet, and nothing is connected
        await nb.run(2)
        await item.get_by_text("Berlin: scripted · 1 turn").wait_for()
        await item.focus()
        await nb.page.keyboard.press("Enter")
        entries = nb.page.locator("#berlin-models .lm-Menu-itemLabel")
        await entries.first.wait_for()
        assert await entries.all_inner_texts() == MODELS
        assert await nb.page.locator("#berlin-models img").count() == 0
        await entries.nth(1).click()
        await item.get_by_text("Berlin: a_b-&-c").wait_for()
        await nb.run(3)
        assert [asked.body["options"]["model"] for asked in server.asked] == ["scripted", "a_b-&-c"]
        await item.click()
        await nb.page.locator("#berlin-models .lm-mod-toggled", has_text="a_b-&-c").wait_for()
        await nb.page.locator("#berlin-models .lm-Menu-itemLabel").nth(2).click()
        await item.get_by_text(MODELS[2]).wait_for()
        assert await nb.page.locator(".berlin-status-item img").count() == 0
        await nb.run(4)
        await item.get_by_text("Berlin: by-hand").wait_for()
        assert await nb.page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets.length") == 5
        await nb.page.evaluate(
            """async () => {
                window.first = jupyterapp.shell.currentWidget;
                const other = await jupyterapp.commands.execute("notebook:create-new", {kernelName: "python3"});
                await other.sessionContext.ready;
                await other.sessionContext.shutdown();
            }"""
        )
        await item.wait_for(state="detached")
        await nb.page.evaluate("() => jupyterapp.shell.activateById(first.id)")
        await item.get_by_text("Berlin: by-hand").wait_for()
    finally:
        server.models = ["scripted"]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_panel_shows_the_conversation_and_a_click_goes_to_the_cell(notebook, server, theme):
    server.answers(Reply("It is **bold**.\n\n```python\nx = 1\n```"), Reply("Second."), Reply("A new first."))
    nb = await notebook(LOAD, "%%berlin\nWhat is *this*?", "%%berlin\nAnd this?", *["1"] * 30)
    await nb.theme(f"JupyterLab {theme.title()}")
    await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
    await nb.run(0)
    await open_panel(nb)
    await panel(nb.page).get_by_text("Nothing has been asked").wait_for()
    await nb.run(1)
    await panel(nb.page).locator("strong", has_text="bold").wait_for()
    await nb.run(2)
    await panel(nb.page).locator("ol > li .berlin-question").nth(1).wait_for()
    await nb.run(1)
    await panel(nb.page).get_by_text("2 versions").wait_for()
    stale = panel(nb.page).locator("li.berlin-is-stale")
    assert "answered on an older version" in await stale.inner_text()
    questions = panel(nb.page).get_by_role("button")
    assert await questions.all_inner_texts() == ["1  What is *this*?", "2  And this?"]
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.screenshot(path=SCREENSHOTS / f"history-{theme}.png")
    for mark in await panel(nb.page).locator(".berlin-marks, .berlin-question").all():
        assert await mark.evaluate(CONTRAST) >= 4.5
    await nb.page.evaluate(
        """async () => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = 32;
            await notebook.scrollToItem(32);
        }"""
    )
    await questions.nth(1).focus()
    await nb.page.keyboard.press("Enter")
    await nb.page.wait_for_function("() => jupyterapp.shell.currentWidget.content.activeCellIndex === 2")
    await nb.page.locator(".jp-Notebook .jp-Cell[data-windowed-list-index='2']").wait_for()
    assert "berlin-history" not in json.dumps(await nb.save())
    await nb.theme("JupyterLab Light")


async def test_the_menu_has_the_commands_and_the_dry_run_changes_nothing(notebook, server):
    server.answers(Reply("An answer."), Reply("Never."))
    nb = await notebook(LOAD, "%%berlin\nOne?", "\n%%berlin -t 0.5\nWhat about {{ 6 * 7 }}?", "1")
    await nb.run(0, 1)
    await nb.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 2; }")
    await nb.page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    await nb.page.locator(".lm-Menu-itemLabel", has_text="Berlin").hover()
    items = nb.page.locator("#jp-mainmenu-run-berlin .lm-Menu-itemLabel")
    await items.first.wait_for()
    assert await items.all_inner_texts() == [
        "New Prompt Cell Below",
        "Stop the Reply",
        "Continue the Reply",
        "Show the Conversation",
        "Show What Would Be Sent",
    ]
    before = await nb.page.evaluate("() => jupyterapp.shell.currentWidget.content.model.toJSON()")
    await items.nth(4).click()
    dialog = nb.page.locator(".jp-Dialog", has_text="What would be sent")
    await dialog.get_by_text("What about 42?").first.wait_for()
    await dialog.get_by_text("One?").first.wait_for()
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.screenshot(path=SCREENSHOTS / "dry-run.png")
    await dialog.get_by_role("button", name="Close").click()
    assert await nb.page.evaluate("() => jupyterapp.shell.currentWidget.content.model.toJSON()") == before
    assert len(server.asked) == 1
    await nb.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 3; }")
    assert not await nb.page.evaluate("() => jupyterapp.commands.isEnabled('berlin-magic:dry-run')")
    assert await sources(nb) == [LOAD, "%%berlin\nOne?", "\n%%berlin -t 0.5\nWhat about {{ 6 * 7 }}?", "1"]


OLDER = """import sys, types
sys.modules["berlin_magic.kernel.extension"] = types.ModuleType("an older one")
sys.modules["berlin_magic.kernel.front_end"] = None"""


async def test_a_kernel_without_the_package_or_with_an_older_one_is_left_in_peace(notebook):
    nb = await notebook("%%berlin\nAnybody?", OLDER, "# berlin\nlen(In)", "%autoawait off")
    said: list[str] = []
    nb.page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    nb.page.on("pageerror", lambda error: said.append(str(error)))
    await nb.run(0)
    assert "not found" in str(await nb.outputs(0))
    await open_panel(nb)
    await panel(nb.page).get_by_text("Nothing has been asked").wait_for()
    await nb.run(1, 2, 3, 2)
    assert (await nb.outputs(2))[0]["data"]["text/plain"] == "6"  # with the first, empty one: nothing of ours is in it
    assert not await status(nb.page).is_visible()
    assert said == []
    assert await nb.page.locator(".jp-Dialog, .jp-Notification-Toast").count() == 0


async def test_nothing_of_an_attack_runs_or_loads_in_the_panel(browser, lab, server):
    attacks = [one for at, one in enumerate(ATTACKS) if at % 12 == 0]
    texts = ["\n\n".join(one["text"][:300] for one in attacks[at : at + 6]) for at in range(0, len(attacks), 6)]
    server.answers(*[Reply(text) for text in texts])
    context = await browser.new_context(viewport={"width": 1100, "height": 900})
    watch = Watch(context, lab.url)
    await watch.begin()
    page = await context.new_page()
    watch.guard(page)
    page.set_default_timeout(30_000)
    try:
        questions = [f"%%berlin --no-expand\n{HOSTILE} {at}" for at in range(len(texts))]
        nb = await Notebook.new(lab, page, LOAD, *questions)
        watch.opened = True
        await nb.run(*range(len(questions) + 1))
        await open_panel(nb)
        await page.locator("#berlin-history .berlin-question").nth(len(texts) - 1).wait_for()
        assert await panel(page).locator(".berlin-question").first.inner_text() == f"1  {HOSTILE} 0"
        wrong = await page.evaluate("() => berlinDetector.inspect('#berlin-history .jp-RenderedHTMLCommon')")
        assert {one for found in wrong for one in found} == set()
        provoked = await page.evaluate("() => berlinDetector.provoke('#berlin-history .jp-RenderedHTMLCommon')")
        assert provoked["ran"] == []
        await watch.canary(page)
        assert watch.named() == {}
        await nb.shut_down()
    finally:
        await context.close()
