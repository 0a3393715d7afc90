"""Our extension's commands in JupyterLab: in the palette, and one by a key."""

from __future__ import annotations

from browser.scripted_server import Reply

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin\nTell me something."


async def sources(nb):
    return await nb.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
    )


async def choose(nb, name):
    """Choose a command in the palette."""
    await nb.page.evaluate("() => jupyterapp.commands.execute('apputils:activate-command-palette')")
    await nb.page.locator(".lm-CommandPalette-input").fill(name)
    await nb.page.locator(".lm-CommandPalette-item").filter(has_text=name).first.click()


async def test_q_opens_a_prompt_cell_below_to_write_in(notebook):
    nb = await notebook("1", "2")
    await nb.page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = 0;
            notebook.mode = "command";
            notebook.widgets[0].node.focus();
        }"""
    )
    await nb.page.keyboard.press("q")
    await nb.page.locator(".jp-Notebook .jp-mod-active .berlin-magic-line").wait_for()
    await nb.page.wait_for_function(
        """() => document.activeElement.matches(".cm-content")
            && jupyterapp.shell.currentWidget.content.activeCell.editor.getCursorPosition().line === 1"""
    )
    await nb.page.keyboard.type("Why, q?")
    assert await sources(nb) == ["1", "%%berlin\nWhy, q?", "2"]


async def test_the_palette_has_commands_for_a_reply(notebook, server):
    server.answers(Reply("The beginning and", 20, hangs=True), Reply(" the end."))
    nb = await notebook(LOAD, ASK)
    await nb.run(0)
    await nb.start(1)
    await nb.output(1).get_by_text("The beginning").wait_for()
    await choose(nb, "Stop the Reply")
    await nb.wait(1)
    await choose(nb, "Continue the Reply")
    await nb.output(2).get_by_text("the end.").wait_for()
    await choose(nb, "Show the Conversation")
    await nb.page.locator("#berlin-history").get_by_text("Tell me something.").first.wait_for()
    assert await sources(nb) == [LOAD, ASK, "%berlin continue"]
    await choose(nb, "New Prompt Cell Below")
    await nb.page.locator(".jp-Notebook .jp-mod-active .berlin-magic-line").wait_for()
    assert (await sources(nb))[3] == "%%berlin\n"
