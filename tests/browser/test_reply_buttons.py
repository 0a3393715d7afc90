"""The buttons that our extension puts on finished replies in JupyterLab."""

from __future__ import annotations

import json

import nbformat
import pytest
import pytest_asyncio
from browser.conftest import SCREENSHOTS
from browser.jupyterlab_page import Notebook
from browser.scripted_server import Reply
from browser.test_looks import CONTRAST

from berlin_magic.display.markdown import to_html, to_markdown

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin\nTell me something."
FIRST = 'def half(x):\n    """Halve."""\n\n    return x / 2  # `…`'
SECOND = "<script>alert('&amp;')</script>"
REPLY = f"""\
Two blocks, and **some** $x^2$:

```python
{FIRST}
```

1. In a list, in a quote:

   > ```html
   > {SECOND}
   > ```

The end.
"""


@pytest_asyncio.fixture(loop_scope="session")
async def answered(notebook, page, server):
    """Open a notebook with a finished reply with two code blocks, in cell 1."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.answers(Reply(REPLY))
    nb = await notebook(LOAD, ASK, "'below'")
    await nb.run(0, 1)
    await buttons(nb).nth(5).wait_for()
    return nb


def buttons(nb, cell=1):
    return nb.output(cell).locator("[data-berlin-buttons] button")


def button(nb, name, cell=1):
    return nb.output(cell).get_by_role("button", name=name, exact=True)


async def sources(nb):
    return await nb.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
    )


async def clipboard(nb):
    return await nb.page.evaluate("() => navigator.clipboard.readText()")


async def check_that_they_work(nb, below="'below'"):
    await button(nb, "Copy code block 1").click()
    assert await clipboard(nb) == FIRST
    await button(nb, "Copy code block 2").click()
    assert await clipboard(nb) == SECOND
    await button(nb, "Copy the reply as Markdown").click()
    [output] = await nb.outputs(1)
    assert await clipboard(nb) == output["data"]["text/markdown"]
    await button(nb, "Insert below: code block 2").click()
    await button(nb, "Insert below: code block 1").click()
    assert await sources(nb) == [LOAD, ASK, FIRST, SECOND, below]
    assert await nb.execution_count(2) is None
    assert await nb.outputs(2) == []


async def test_a_click_copies_or_inserts_exactly_the_code_that_is_shown(answered):
    await check_that_they_work(answered)


async def test_they_are_on_a_reply_that_is_opened_again_too(answered):
    await answered.save()
    await answered.open()
    await buttons(answered).nth(5).wait_for()
    await check_that_they_work(answered)


PLAIN_SECOND = "ls -l  # what is here"
PLAIN = f"""\
Two blocks, and **some** `code`:

```python
{FIRST}
```

1. In a list, in a quote:

   > ```bash
   > {PLAIN_SECOND}
   > ```

| a | b |
|---|---|
| {"W" * 90} | {"W" * 90} |
"""


async def check_those_of_markdown(nb):
    """Check that buttons work on a reply that has no HTML, and that what they copy has no elements in it."""
    await buttons(nb).nth(5).wait_for()
    await button(nb, "Copy code block 1").click()
    assert await clipboard(nb) == FIRST
    await button(nb, "Copy code block 2").click()
    assert await clipboard(nb) == PLAIN_SECOND
    await button(nb, "Copy the reply as Markdown").click()
    assert await clipboard(nb) == to_markdown(PLAIN)
    frame = nb.output(1).locator(".berlin-code").first
    assert await frame.locator("small").inner_text() == "python"
    look = "el => [getComputedStyle(el).backgroundColor, getComputedStyle(el.querySelector('pre')).overflowX]"
    ground, overflow = await frame.evaluate(look)
    assert ground not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"} and overflow == "auto"
    for span in await frame.locator("code span").all():
        assert await span.evaluate(CONTRAST) >= 4.5
    wide = "el => [el.scrollWidth > el.clientWidth, el.tabIndex]"
    await nb.page.wait_for_function(
        "el => el.tabIndex === 0", arg=await nb.output(1).locator("div:has(> table)").element_handle()
    )
    assert await nb.output(1).locator("div:has(> table)").evaluate(wide) == [True, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_reply_without_html_has_them_too_live_and_opened_again(notebook, page, server, theme):
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.answers(Reply(PLAIN))
    nb = await notebook(LOAD, ASK, "'below'")
    await nb.theme(f"JupyterLab {theme.title()}")
    await nb.run(0, 1)
    [output] = await nb.outputs(1)
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    await check_those_of_markdown(nb)
    SCREENSHOTS.mkdir(exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"markdown-alone-{theme}.png")
    saved = await nb.save()
    await nb.open()
    await check_those_of_markdown(nb)
    # A copy that nobody here has signed is not trusted.
    copy = nb.lab.notebooks / f"copied-{theme}.ipynb"
    saved.cells[2].source = "'never run here'"
    nbformat.write(saved, copy)
    other = Notebook(nb.lab, page, copy)
    await other.open()
    assert not await page.evaluate("jupyterapp.shell.currentWidget.content.widgets[1].model.trusted")
    await check_those_of_markdown(other)
    await page.screenshot(path=SCREENSHOTS / f"markdown-alone-untrusted-{theme}.png")
    await other.theme("JupyterLab Light")
    await other.shut_down()


async def test_ask_again_runs_the_cell_and_its_new_reply_has_buttons(answered, server):
    server.answers(Reply("Only `words`."))
    await button(answered, "Ask again: run this cell").click()
    await answered.output(1).get_by_text("Only").wait_for()
    await buttons(answered).nth(1).wait_for()
    assert await buttons(answered).all_inner_texts() == ["Copy", "Ask again"]
    assert len(server.asked) == 1


async def test_ask_again_asks_only_from_a_prompt_cell(answered, server):
    asked = len(server.asked)
    await answered.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource('1 / 0')"
    )
    await button(answered, "Ask again: run this cell").click()
    await answered.output(1).get_by_role("status").filter(has_text="no %%berlin cell").wait_for()
    assert len(server.asked) == asked
    await answered.save()
    await answered.open()
    await buttons(answered).nth(4).wait_for()
    assert await button(answered, "Ask again: run this cell").count() == 0


async def test_nothing_of_them_is_in_the_file(answered):
    saved = json.dumps(await answered.save())
    assert "berlin-buttons" not in saved
    assert "Insert below" not in saved


async def test_the_keyboard_reaches_each_and_presses_it(answered):
    page = answered.page
    await page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = 1;
            notebook.mode = "command";
            notebook.widgets[1].node.focus();
        }"""
    )
    reached = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        name = await page.evaluate(
            "() => document.activeElement.closest('[data-berlin-buttons]') && document.activeElement.ariaLabel"
        )
        if name:
            reached.append(name)
            await page.wait_for_function("() => getComputedStyle(document.activeElement.parentElement).opacity === '1'")
        if name == "Insert below: code block 2":
            await page.keyboard.press("Enter")
            assert (await sources(answered))[2] == SECOND
            assert await page.evaluate("() => document.activeElement.ariaLabel") == name
            assert await answered.output(1).get_by_role("status").filter(has_text="Inserted").count() == 1
        if name == "Copy code block 1":
            await page.keyboard.press("x")  # in command mode, this cuts the cell
            assert ASK in await sources(answered)
        if name == "Copy the reply as Markdown":
            await page.keyboard.press("Space")
            assert "Two blocks" in await clipboard(answered)
        if len(reached) == 6:
            break
    assert reached == [
        "Copy code block 1",
        "Insert below: code block 1",
        "Copy code block 2",
        "Insert below: code block 2",
        "Copy the reply as Markdown",
        "Ask again: run this cell",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_they_are_readable_and_cover_no_code_until_the_pointer_is_there(answered, theme):
    await answered.theme(f"JupyterLab {theme.title()}")
    await answered.page.locator("#jupyterlab-splash").wait_for(state="detached")
    SCREENSHOTS.mkdir(exist_ok=True)
    first = button(answered, "Copy code block 1")
    bar = first.locator("..")
    await answered.page.mouse.move(5, 5)
    assert await bar.evaluate("el => getComputedStyle(el).opacity") == "0"
    await answered.page.screenshot(path=SCREENSHOTS / f"buttons-{theme}-resting.png")
    await answered.output(1).locator("pre").first.hover()
    await answered.page.wait_for_function("el => getComputedStyle(el).opacity === '1'", arg=await bar.element_handle())
    await answered.page.screenshot(path=SCREENSHOTS / f"buttons-{theme}-pointed-at.png")
    assert await first.evaluate(CONTRAST) >= 4.5
    assert await button(answered, "Ask again: run this cell").evaluate(CONTRAST) >= 4.5
    assert await bar.evaluate("el => getComputedStyle(el).transitionDuration") == "0.1s"
    await answered.page.emulate_media(reduced_motion="reduce")
    assert await bar.evaluate("el => getComputedStyle(el).transitionDuration") == "0s"
    assert await bar.evaluate("el => getComputedStyle(el).opacity") == "1"
    await answered.theme("JupyterLab Light")


def reply_output(html, markdown, **metadata):
    return nbformat.v4.new_output(
        "display_data", {"text/html": html, "text/markdown": markdown, "text/plain": "reply"}, metadata=metadata
    )


async def opened(lab, page, *cells):
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, outputs=[output]) for source, output in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}},
    )
    path = lab.notebooks / "made-by-hand.ipynb"
    nbformat.write(content, path)
    nb = Notebook(lab, page, path)
    await nb.open()
    return nb


async def test_buttons_are_on_our_replies_alone_and_only_if_the_markdown_is_what_is_drawn(lab, page):
    markdown = "```python\nprint(1)\n```\n"
    html = to_html(markdown)
    imitation = (
        '<div class="berlin-reply"><div class="highlight" data-berlin-buttons="code"><pre><code>x</code></pre>'
        '<button type="button" aria-label="Copy code block 1" data-berlin-buttons="code">Copy</button></div></div>'
    )
    ours = {"berlin": {"reply": 1}}
    nb = await opened(
        lab,
        page,
        (ASK, reply_output(html, markdown, **ours)),
        (ASK, reply_output(html, markdown)),
        ("print()", reply_output(imitation, "```\nx\n```\n")),
        (ASK, reply_output(html, markdown.replace("1", "2"), **ours)),
        (ASK, reply_output(html.replace("<pre", '<pre style="font-size:0"'), markdown, **ours)),
        (ASK, reply_output(html.replace("<code>", '<code><span class="lm-mod-hidden">'), markdown, **ours)),
        ("print()", reply_output(html, markdown, **ours)),
    )
    await buttons(nb, 6).nth(2).wait_for()
    found = [await buttons(nb, cell).evaluate_all("all => all.map(el => el.ariaLabel)") for cell in range(7)]
    code = ["Copy code block 1", "Insert below: code block 1"]
    reply, again = "Copy the reply as Markdown", "Ask again: run this cell"
    assert found == [[*code, reply, again], [], [], [again], [again], [again], [*code, reply]]
    await nb.shut_down()


async def test_a_reply_that_imitates_our_buttons_has_none_that_work(notebook, server):
    bar = '<div data-berlin-buttons="code" role="group"><button type="button" aria-label="{0}">{0}</button></div>'
    fake = bar.format("Copy code block 1")
    block = f'<div class="highlight"><pre><code>rm -rf</code></pre>{fake}</div>'
    reply = f"{block}\n\n- {bar.format('Ask again: run this cell')}\n\n```html\n{fake}\n```\n\n[Copy](javascript:1)"
    server.answers(Reply(reply, pieces=3, hangs=True))
    nb = await notebook(LOAD, ASK)
    await nb.run(0)
    await nb.start(1)
    live = nb.page.locator(".berlin-live")
    await live.get_by_text("javascript:1").wait_for()
    labels = "all => all.map(el => el.ariaLabel ?? el.textContent)"
    code = ["Copy code block 1", "Insert below: code block 1"]
    assert await live.locator("button, [role=button], [onclick]").evaluate_all(labels) == [*code, "Stop"]
    assert await live.locator("[data-berlin-buttons]").count() == 1
    await live.get_by_role("button", name="Stop").click()
    await nb.wait(1)
    await buttons(nb).nth(3).wait_for()
    assert await nb.output(1).locator("button, [role=button], [onclick]").evaluate_all(labels) == [
        *code,
        "Copy the reply as Markdown",
        "Ask again: run this cell",
    ]
    await button(nb, "Insert below: code block 1").click()
    assert await sources(nb) == [LOAD, ASK, fake]


CODES = [
    "x",
    "",
    "\n",
    "a\n\n\nb\n",
    "  indented\n\ttab",
    "> quote\n- item\n1. one",
    "```\n~~~",
    "<pre><code>\n</code></pre>",
    "</code></pre>\n<script>",
    "&#60;b&amp;",
    "$$x$$ \\(",
    "\\\n`",
    "[a](javascript:b)",
    "ⓔ𝔵",
]
AROUND = [
    "{}",
    "> {}",
    "- {}",
    "1. {}",
    "10. {}\n\n> - {}",
    "> > {}",
    "- - {}",
    "text\n\n{}\n\ntext ``` text",
    "- [x] a\n\n  {}",
]


async def test_the_code_of_every_markdown_of_ours_is_read_as_it_is_drawn(notebook):
    nb = await notebook("1")
    texts = []
    for around in AROUND:
        for code in CODES:
            text = ""
            for part in around.replace("{}", "\0{}").split("\0"):
                before, _, after = part.partition("{}")
                margin = (text + before).rsplit("\n", 1)[-1]
                inner = "".join(char if char in "> " else " " for char in margin)
                fence = f"````python\n{code}\n````" if "{}" in part else ""
                text += before + fence.replace("\n", f"\n{inner}") + after
            texts.append(text)
    texts.append("> " * 60 + "- " * 30 + "x\n\n```\ny\n```")  # reading it must not take for ever
    pairs = [[to_markdown(text), to_html(text)] for text in texts]
    wrong = await nb.page.evaluate(
        """async pairs => {
            const options = JSON.parse(document.getElementById("jupyter-config-data").textContent);
            const address = options.fullLabextensionsUrl + "/berlin-magic/static/reply_code.js";
            const {codeIn, codeShown} = await import(address);
            return pairs.filter(([markdown, html]) => {
                const drawn = new DOMParser().parseFromString(html, "text/html").querySelectorAll("pre");
                const shown = [...drawn].map(codeShown);
                return !shown.length || JSON.stringify(codeIn(markdown)) !== JSON.stringify(shown);
            }).map(([markdown]) => [markdown, codeIn(markdown)]);
        }""",
        pairs,
    )
    assert wrong == []
