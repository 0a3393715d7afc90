"""What comes of a reply, in JupyterLab: code in the next cell, a value of a type, a reply that does not fit."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.scripted_server import Reply

pytestmark = pytest.mark.browser

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin -f code\nHow do I make squares?"
TYPES = """\
import dataclasses
@dataclasses.dataclass
class Invoice:
    number: str
    total: float
    lines: list[str]
"""
TYPED = "%%berlin --as Invoice -o invoice\nRead: tea and cake, 7.50, no. A-1."
FITS = '{"number": "A-1", "total": 7.5, "lines": ["tea", "cake"]}'
MISFIT = '{"number": "A-1", "total": "seven fifty", "lines": ["tea", "cake"]}'


async def sources(nb):
    return await nb.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
    )


def code(text: str) -> Reply:
    return Reply(f"Like this:\n\n```python\n{text}\n```\n")


async def test_code_goes_into_one_cell_below_and_is_replaced_there(notebook, server):
    server.answers(code("squares = [n * n for n in range(9)]"), code("squares = {n: n * n for n in range(9)}"))
    nb = await notebook(LOAD, ASK, "'below'")
    await nb.run(0, 1)
    await nb.page.wait_for_function("() => jupyterapp.shell.currentWidget.content.widgets.length === 4")
    assert await sources(nb) == [LOAD, ASK, "squares = [n * n for n in range(9)]", "'below'"]
    assert await nb.execution_count(2) is None
    await nb.output(1).get_by_text("code in the next cell").wait_for()
    for theme in ("light", "dark"):
        await nb.theme(f"JupyterLab {theme.title()}")
        await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
        await nb.page.screenshot(path=SCREENSHOTS / f"code-in-the-next-cell-{theme}.png")

    await nb.run(1)
    await nb.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.getSource().includes('{')"
    )
    assert await sources(nb) == [LOAD, ASK, "squares = {n: n * n for n in range(9)}", "'below'"]
    await nb.output(1).get_by_text("code in the next cell").wait_for()
    assert await nb.execution_count(2) is None


async def test_a_typed_reply_is_readable_and_one_that_does_not_fit_says_where(notebook, server):
    server.answers(Reply(FITS), Reply(MISFIT), Reply(MISFIT), Reply(MISFIT), Reply(FITS))
    again = TYPED.replace("A-1", "A-2")
    nb = await notebook(f"{LOAD}\n{TYPES}", TYPED, "invoice", again, TYPED.replace("A-1", "A-3"))
    await nb.run(0, 1, 2)
    [shown] = await nb.outputs(1)
    assert shown["data"]["text/plain"] == FITS
    assert shown["data"]["text/markdown"].splitlines()[4:7] == ["```json", "{", '  "number": "A-1",']
    assert (await nb.outputs(2))[0]["data"]["text/plain"].startswith("Invoice(number='A-1', total=7.5")
    await nb.start(3)
    await nb.wait(3)
    *replies, error = await nb.outputs(3)
    assert len(replies) == 2
    assert error["output_type"] == "error"
    assert error["ename"] == "ReplyFormatError"
    await nb.run(4)
    assert len(await nb.outputs(4)) == 2
    for theme in ("light", "dark"):
        await nb.theme(f"JupyterLab {theme.title()}")
        await nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
        for cell, name in ((1, "typed-reply"), (3, "reply-that-does-not-fit"), (4, "repaired-reply")):
            await nb.output(cell).scroll_into_view_if_needed()
            await nb.page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png")
