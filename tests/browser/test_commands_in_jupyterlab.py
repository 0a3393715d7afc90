"""Cells and commands typed in JupyterLab: what is sent, and how what they show is laid out."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.scripted_server import Reply

pytestmark = pytest.mark.long  # typed in many ways: a minute

LOAD = "%load_ext berlin_magic"

# Words that stand on two lines although they would fit on one.
BROKEN_WORDS = """root => {
    const broken = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
        if (node.parentElement.closest("style, script")) continue;
        for (const match of node.data.matchAll(/[^\\s]+/g)) {
            const range = document.createRange();
            range.setStart(node, match.index);
            range.setEnd(node, match.index + match[0].length);
            const tops = new Set([...range.getClientRects()].filter(r => r.width > 1).map(r => Math.round(r.top)));
            if (tops.size > 1 && match[0].length < 40 && !/[-–/]/.test(match[0])) broken.push(match[0]);
        }
    }
    return broken;
}"""


async def type_and_run(nb, cell: int, text: str) -> None:
    """Type a cell as a person does, and run it with the keys."""
    editor = nb.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .cm-content")
    await editor.click()
    for number, line in enumerate(text.split("\n")):
        if number:
            await nb.page.keyboard.press("Enter")
            await nb.page.keyboard.press("Home")
        await nb.page.keyboard.type(line, delay=5)
    await nb.page.keyboard.press("Escape")
    await nb.page.keyboard.press("Control+Enter")
    await nb.page.wait_for_function(
        "cell => jupyterapp.shell.currentWidget.content.widgets[cell].model.executionCount > 0", arg=cell
    )


@pytest.mark.parametrize(
    "text",
    [
        "# to the teacher\n%%berlin\nWhat is a list?",
        "  %%berlin\nWhat is a list?",
        "%%Berlin\nWhat is a list?",
        "%%berlin What is a list?",
    ],
)
async def test_a_question_is_sent_however_its_cell_is_typed(notebook, server, text):
    server.answers(Reply("A **sequence**."))
    nb = await notebook(LOAD, "")
    await nb.run(0)
    await type_and_run(nb, 1, text)
    await nb.output(1).locator("strong", has_text="sequence").wait_for()
    assert [asked.body["prompt"] for asked in server.asked] == ["What is a list?"]


@pytest.mark.parametrize("text", ["%berlin What is a list?", "%berlin what is a list", "%Berlin What is a list?"])
async def test_a_line_that_is_not_a_command_sends_nothing_and_shows_the_cell(notebook, server, text):
    server.answers(Reply("Never."))
    nb = await notebook(LOAD, "")
    await nb.run(0)
    await type_and_run(nb, 1, text)
    output = nb.output(1)
    await output.get_by_text("nothing was sent").wait_for()
    assert f"%%berlin\n{text.partition(' ')[2]}" in await output.inner_text()
    assert not server.asked


async def test_a_record_of_a_cell_with_its_question_on_the_first_line_is_found_again(notebook, server):
    server.answers(Reply("One."), Reply("Two."), Reply("Three."))
    nb = await notebook(LOAD, "%%berlin What is one?", "# then\n%%Berlin\nWhat is two?")
    await nb.run(0, 1, 2)
    await nb.save()
    await nb.shut_down()
    nb.lab.database.unlink()
    await nb.open()
    await nb.run(0, 2)
    lines = str(server.asked[-1].body["prompt"])
    assert lines.count("What is one?") == 1 and lines.count("What is two?") == 1


LONG = (
    """Two ways:

| way | how |
|---|---|
| loop | `for item in items:` |

```python
for item in items:
    print(item)
```

And some words about it that go on """
    + "for a while, " * 100
)


async def test_help_history_and_show_are_laid_out_and_no_word_is_broken(notebook, server):
    server.answers(Reply("It is **bold** <img src=x onerror=alert(1)>."), Reply(LONG))
    commands = [f"%berlin {name}" for name in ("help", "history", "show 2", "providers", "versions", "", "undo")]
    nb = await notebook(LOAD, "%%berlin\nWhat is *this*?", "%%berlin\nHow do I write a loop?", *commands)
    await nb.page.set_viewport_size({"width": 1280, "height": 1800})
    await nb.run(0, 1, 2, *range(3, 3 + len(commands)))
    SCREENSHOTS.mkdir(exist_ok=True)
    for cell, command in enumerate(commands, 3):
        output = nb.output(cell)
        await output.scroll_into_view_if_needed()
        await output.screenshot(path=SCREENSHOTS / f"{command.replace(' ', '_').strip('%') or 'berlin'}.png")
        assert await output.evaluate(BROKEN_WORDS) == [], command
        assert await output.evaluate("root => root.scrollWidth <= root.clientWidth + 1"), command
    history = nb.output(4)
    assert await history.locator("strong", has_text="bold").count() == 1
    assert await history.locator("img").count() == 0
    assert await history.locator("pre code").count() == 1
    assert await history.get_by_text("%berlin show 2").count() == 1
    shown = nb.output(5)
    assert await shown.locator("table td", has_text="loop").count() >= 1
    assert await nb.output(3).locator("td").first.evaluate("cell => getComputedStyle(cell).textAlign") == "left"
    saved = await nb.save()
    assert "berlin" not in saved.cells[5].outputs[0].metadata
