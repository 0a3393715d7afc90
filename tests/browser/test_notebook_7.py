"""Our extension in Notebook 7: prompt cells, buttons, menu, `Q`, the history panel, and a page that is loaded again."""

from __future__ import annotations

import pytest
import pytest_asyncio
from browser.jupyterlab_page import Lab
from browser.scripted_server import Reply
from browser.test_lost_kernels_and_pages import grown
from browser.test_prompt_cells import QUESTION, colour, edit, editor, is_prose, source
from browser.test_reply_buttons import ASK, LOAD, REPLY, button, buttons, check_that_they_work, clipboard
from browser.test_status_and_history import panel
from display.replies import long_reply

pytestmark = pytest.mark.long  # a front end of its own

# Notebook 7.6.5 says so with our extension switched off too, as it loads its settings.
ITS_OWN = "Cannot read properties of undefined (reading 'schema')"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(browser, environment, tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("notebook-7"), environment, notebook_7=True)
    yield lab
    lab.close()


@pytest.fixture
def errors(page):
    """Return the errors in the browser's console, but for the front end's own."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)) if str(error) != ITS_OWN else None)
    return said


async def command_mode(nb, cell):
    await nb.page.evaluate(
        """cell => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = cell;
            notebook.mode = "command";
            notebook.widgets[cell].node.focus();
        }""",
        cell,
    )


async def choose_in_menu(nb, name):
    """Choose an entry of the menu *Run*, *Berlin*."""
    await nb.page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    await nb.page.locator(".lm-Menu-itemLabel", has_text="Berlin").hover()
    await nb.page.locator("#jp-mainmenu-run-berlin .lm-Menu-itemLabel", has_text=name).click()


async def test_a_prompt_cell_is_prose_and_q_and_the_menu_open_one(notebook, server, errors):
    server.answers(Reply("Never."))
    nb = await notebook(QUESTION, "for item in range(3):\n    pass", LOAD, "%%berlin\nWhat about {{ 6 * 7 }}?")
    assert await nb.page.evaluate("() => jupyterapp.name") == "Jupyter Notebook"
    await editor(nb, 0).get_by_text("for", exact=True).wait_for()  # the language of the fence is loaded on demand
    assert await is_prose(nb, 0)
    assert not await is_prose(nb, 1)
    assert await colour(nb, 0, "for") == await colour(nb, 1, "for")
    assert await colour(nb, 0, "is") is None
    assert await editor(nb, 0).locator(".berlin-expression").count() == 2
    assert await editor(nb, 0).evaluate("el => el.parentElement.scrollWidth - el.parentElement.clientWidth") == 0
    await edit(nb, 0)
    await nb.page.keyboard.type('if this (as "I" said:\nor that', delay=5)
    assert await source(nb, 0) == QUESTION + 'if this (as "I" said:\nor that'

    await command_mode(nb, 1)
    await nb.page.keyboard.press("q")
    await nb.page.locator(".jp-Notebook .jp-mod-active .berlin-magic-line").wait_for()
    await nb.page.wait_for_function("() => document.activeElement.matches('.cm-content')")
    await nb.page.keyboard.type("Why, q?")
    assert await source(nb, 2) == "%%berlin\nWhy, q?"
    await command_mode(nb, 2)
    await choose_in_menu(nb, "New Prompt Cell Below")
    await nb.page.locator(".jp-Cell[data-windowed-list-index='3'].jp-mod-active .berlin-magic-line").wait_for()
    assert await source(nb, 3) == "%%berlin\n"

    await nb.run(4)
    await command_mode(nb, 5)
    before = await nb.page.evaluate("() => jupyterapp.shell.currentWidget.content.model.toJSON()")
    await choose_in_menu(nb, "Show What Would Be Sent")
    dialog = nb.page.locator(".jp-Dialog", has_text="What would be sent")
    await dialog.get_by_text("What about 42?").first.wait_for()
    await dialog.get_by_role("button", name="Close").click()
    assert await nb.page.evaluate("() => jupyterapp.shell.currentWidget.content.model.toJSON()") == before
    assert server.asked == []
    assert errors == []


async def test_a_reply_has_buttons_that_work_and_the_panel_shows_the_conversation(notebook, page, server, errors):
    bar = '<div data-berlin-buttons="code"><button type="button" aria-label="{0}">{0}</button></div>'
    fake = bar.format("Copy code block 1")
    imitation = f"{fake}\n\n- {bar.format('Ask again: run this cell')}\n\n```html\n{fake}\n```\n\nThe end."
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.answers(Reply(REPLY), Reply(imitation), Reply("Only `words`."))
    nb = await notebook(LOAD, ASK, "%%berlin\nImitate.")
    await nb.run(0, 1)
    await buttons(nb).nth(5).wait_for()
    await check_that_they_work(nb, "%%berlin\nImitate.")  # two cells more, below the reply

    await nb.run(4)
    await buttons(nb, 4).nth(3).wait_for()
    made = (
        await nb.output(4)
        .locator("button, [role=button], [onclick]")
        .evaluate_all("all => all.map(el => el.ariaLabel)")
    )
    code = ["Copy code block 1", "Insert below: code block 1"]
    assert made == [*code, "Copy the reply as Markdown", "Ask again: run this cell"]
    await button(nb, code[0], 4).click()
    assert await clipboard(nb) == fake

    await choose_in_menu(nb, "Show the Conversation")
    await panel(page).locator(".berlin-question").nth(1).wait_for()
    await button(nb, "Ask again: run this cell").click()
    await nb.output(1).get_by_text("Only").wait_for()
    await panel(page).get_by_text("2 versions").wait_for()
    questions = panel(page).get_by_role("button").filter(has_text="Imitate.")
    await questions.click()
    await page.wait_for_function("() => jupyterapp.shell.currentWidget.content.activeCellIndex === 4")
    assert await panel(page).locator("[data-berlin-buttons]").count() == 0
    assert len(server.asked) == 3
    assert errors == []


async def test_a_page_that_is_loaded_again_in_the_middle_gets_the_whole_reply(notebook, server, errors):
    text = long_reply(6000)
    server.answers(Reply(text, 8))
    nb = await notebook(LOAD, ASK)
    await nb.run(0)
    await nb.start(1)
    await grown(nb, 500)
    assert not server.asked[0].over.is_set()
    await nb.save()
    nb.page.on("dialog", lambda dialog: dialog.accept())
    await nb.open_page()
    await nb.output(1).locator(".jp-RenderedMarkdown .berlin-status", has_text="6,000 characters").wait_for()
    assert await nb.page.locator(".berlin-live").count() == 0
    [output] = (await nb.save()).cells[1].outputs
    assert output.data["text/plain"] == text
    await buttons(nb).first.wait_for()
    assert errors == []
