"""Prompt cells in JupyterLab with our extension: prose as long as the first line says so."""

from __future__ import annotations

import json

import pytest
from browser.conftest import SCREENSHOTS
from browser.jupyterlab_page import Lab, Notebook
from browser.test_looks import CONTRAST

QUESTION = """\
%%berlin -c draft --max-tokens 200
Is *this* loop right, and with which input in `data` does it fail? Explain it for somebody who has never seen a \
generator, and for whom `yield` is new; then {{ frame.head(3) | sample }} is what it is run on, in {{a * b * c}} steps.

```python
for item in range(3):
    print("no {{ expression }} here")
```

- one
"""

CELLS = (QUESTION, "for item in range(3):\n    pass")


def editor(nb, cell):
    return nb.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .cm-content")


async def source(nb, cell):
    return await nb.page.evaluate(
        "cell => jupyterapp.shell.currentWidget.content.widgets[cell].model.sharedModel.getSource()", cell
    )


async def edit(nb, cell):
    """Put the cursor at the end of a cell."""
    await nb.page.evaluate(
        """cell => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = cell;
            notebook.mode = "edit";
            const editor = notebook.widgets[cell].editor;
            editor.setCursorPosition(editor.getPositionAt(editor.model.sharedModel.getSource().length));
            editor.focus();
        }""",
        cell,
    )


async def colour(nb, cell, text):
    """Return the colour of the first piece of text in an editor that is `text` alone, None if there is none."""
    return await editor(nb, cell).evaluate(
        """(root, text) => {
            const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                if (walker.currentNode.data.trim() !== text) continue;
                return getComputedStyle(walker.currentNode.parentElement).color;
            }
            return null;
        }""",
        text,
    )


async def is_prose(nb, cell):
    return await editor(nb, cell).evaluate(
        "el => el.classList.contains('cm-lineWrapping') && el.spellcheck && !!el.querySelector('.berlin-magic-line')"
    )


async def wait_until_prose(nb, cell):
    await editor(nb, cell).locator(".berlin-magic-line").wait_for()


async def picture(nb, name):
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.screenshot(path=SCREENSHOTS / f"prompt-{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_body_is_markdown_with_coloured_code_and_the_expression_stands_out(notebook, theme):
    nb = await notebook(*CELLS)
    await nb.theme(f"JupyterLab {theme.title()}")
    await editor(nb, 0).get_by_text("for", exact=True).wait_for()  # the language of the fence is loaded on demand
    await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
    await picture(nb, theme)
    assert await is_prose(nb, 0)
    assert await colour(nb, 0, "for") == await colour(nb, 1, "for")
    assert await colour(nb, 0, "is") is None  # it is a part of a longer text, without a colour of its own
    assert await editor(nb, 0).locator(".berlin-expression").all_inner_texts() == [
        "{{ frame.head(3) | sample }}",
        "{{a * b * c}}",
    ]
    emphasised = await editor(nb, 0).evaluate(
        "el => [...el.querySelectorAll('span')].filter(s => getComputedStyle(s).fontStyle === 'italic')"
        ".map(s => s.textContent).join('')"
    )
    assert emphasised == "*this*"
    assert await editor(nb, 0).locator(".berlin-magic-line").evaluate(CONTRAST) >= 4.5
    assert await editor(nb, 0).locator(".berlin-expression").first.evaluate(CONTRAST) >= 4.5
    assert not await is_prose(nb, 1)
    await nb.theme("JupyterLab Light")


async def test_a_long_line_wraps(notebook):
    nb = await notebook(QUESTION)
    await wait_until_prose(nb, 0)
    scroller = nb.page.locator(".jp-Notebook .cm-scroller").first
    assert await scroller.evaluate("el => el.scrollWidth - el.clientWidth") == 0


async def test_a_cell_changes_as_its_first_line_does_and_back_and_by_undo(notebook):
    nb = await notebook("%%berli\nfor is in with", "%%berlin2\nfor", "%%timeit\nfor")
    assert not await is_prose(nb, 0)
    await nb.page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.mode = "edit";
            notebook.widgets[0].editor.setCursorPosition({line: 0, column: 7});
            notebook.widgets[0].editor.focus();
        }"""
    )
    await nb.page.keyboard.type("n")
    await wait_until_prose(nb, 0)
    assert await is_prose(nb, 0)
    await nb.page.keyboard.press("Backspace")
    assert not await is_prose(nb, 0)
    assert await colour(nb, 0, "for") is not None
    await nb.page.keyboard.type("n -c x")
    assert await is_prose(nb, 0)
    await nb.page.keyboard.press("Control+z")
    assert not await is_prose(nb, 0)
    assert not await is_prose(nb, 1)
    assert not await is_prose(nb, 2)


async def test_blank_lines_above_the_magic_are_as_nothing(notebook):
    nb = await notebook("\n \n%%berlin\nfor is in with")
    await wait_until_prose(nb, 0)
    assert await editor(nb, 0).locator(".berlin-magic-line").inner_text() == "%%berlin"


async def test_prose_is_neither_indented_nor_paired_as_code_is(notebook):
    nb = await notebook("%%berlin", "if True:", "  %%berlin")
    await wait_until_prose(nb, 0)
    await nb.page.evaluate(
        """() => {
            for (const cell of jupyterapp.shell.currentWidget.content.widgets) {
                cell.editor.setOption("autoClosingBrackets", true);
            }
        }"""
    )
    await edit(nb, 0)
    await nb.page.keyboard.type('\nThis (as "I" said:\n  - and [so\non', delay=5)
    assert await source(nb, 0) == '%%berlin\nThis (as "I" said:\n  - and [so\n  on'
    await edit(nb, 1)
    await nb.page.keyboard.type("\nprint(", delay=5)
    assert await source(nb, 1) == "if True:\n    print()"
    await edit(nb, 2)
    await nb.page.keyboard.type("\nAt the margin\n  and not", delay=5)
    assert await source(nb, 2) == "  %%berlin\nAt the margin\n  and not"


async def test_the_file_is_as_without_the_extension(notebook):
    nb = await notebook(QUESTION, "1")
    before = json.loads(nb.path.read_text())["cells"]
    await wait_until_prose(nb, 0)
    await edit(nb, 1)
    await nb.page.keyboard.type("1")
    await nb.save()
    after = json.loads(nb.path.read_text())["cells"]
    assert after[0] == before[0]
    assert "".join(after[1]["source"]) == "11"


async def test_a_key_in_a_prompt_of_ten_thousand_characters_costs_less_than_a_frame(notebook):
    line = "Is *this* {{ name }} right, and with `which` input does it fail? "
    nb = await notebook("%%berlin\n" + (line * 3 + "\n\n") * 51)
    await wait_until_prose(nb, 0)
    assert len(await source(nb, 0)) > 10_000
    await nb.page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.mode = "edit";
            notebook.widgets[0].editor.setCursorPosition({line: 51, column: 30});
            notebook.widgets[0].editor.focus();
        }"""
    )
    session = await nb.page.context.new_cdp_session(nb.page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time: other processes do not count

    async def busy():
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = await busy()
    await nb.page.keyboard.type("word " * 20)
    each = (await busy() - before) / 100
    assert each < 0.016, f"{each * 1000:.1f} ms a key"


@pytest.mark.long  # three servers
async def test_without_a_prompt_or_without_the_extension_nothing_is_different(browser, tmp_path_factory):
    lines = {}
    for extension in (True, False):
        lab = Lab(tmp_path_factory.mktemp("lab"), extension=extension)
        page = await browser.new_page(viewport={"width": 1100, "height": 800})
        said: list[str] = []
        page.on("console", lambda message, said=said: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error, said=said: said.append(f"error: {error}"))
        try:
            nb = await Notebook.new(lab, page, "for is in with:\n    pass", "x = '''\n%%berlin\n'''", name="same")
            await nb.run(1)
            switched_on = await nb.page.evaluate("() => jupyterapp.isPluginActivated('berlin-magic:prompt-cells')")
            assert switched_on is extension
            lines[extension] = await nb.page.evaluate(
                """() => [
                    [...document.querySelectorAll(".jp-Notebook .cm-content")].map(el => el.outerHTML),
                    document.querySelectorAll("[class*=berlin]").length,
                ]"""
            )
            # What JupyterLab says when a kernel is shut down is its own affair.
            assert not [line for line in said if line.startswith("error") or "berlin" in line]
            await nb.shut_down()
            if not extension:  # a prompt is then coloured as Python; for the documentation
                nb = await Notebook.new(lab, page, *CELLS)
                for theme in ("light", "dark"):
                    await nb.theme(f"JupyterLab {theme.title()}")
                    await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
                    await picture(nb, f"without-extension-{theme}")
                assert await colour(nb, 0, "is") is not None
                await nb.shut_down()
        finally:
            await page.close()
            lab.close()
    assert lines[True] == lines[False]
