"""Checks in JupyterLab: a failed one and its correction, as they look; pictures are left in `screenshots`."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.scripted_server import Reply
from browser.test_looks import CONTRAST

pytestmark = pytest.mark.long  # half a minute

WRONG = "The square of a number:\n\n```python\ndef square(x):\n    return x + x\n```\n\nIt is quick."
RIGHT = "I had doubled it:\n\n```python\ndef square(x):\n    return x * x\n```\n"
ASK = '%%berlin --check "assert square(2) == 4 and square(-3) == 9"\nWrite square(x).'


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_failed_check_and_its_correction_are_read_below_their_replies(notebook, server, theme):
    server.answers(Reply(WRONG), Reply(RIGHT))
    nb = await notebook("%load_ext berlin_magic", ASK)
    await nb.theme(f"JupyterLab {theme.title()}")
    await nb.run(0)
    await nb.run(1)
    failed, passed = await nb.output(1).locator(".berlin-check").all()
    assert "✗ The check failed" in await failed.inner_text() and "square(-3) gave -6" in await failed.inner_text()
    assert "✓ The check passed" in await passed.inner_text() and "the network were not" in await passed.inner_text()
    assert await nb.output(1).locator(".berlin-reply").count() == 2
    for card in (failed, passed):
        for part in await card.locator("div, pre, summary").all():
            if await part.is_visible():
                assert await part.evaluate(CONTRAST) >= 4.5, await part.inner_text()
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.set_viewport_size({"width": 1100, "height": 1200})
    await nb.page.screenshot(path=SCREENSHOTS / f"checks-{theme}.png")
    if theme == "light":
        await passed.locator("summary", has_text="The code that was run").click()
        assert "return x * x" in await passed.locator("pre").last.inner_text()
        await nb.page.set_viewport_size({"width": 480, "height": 1400})
        await nb.page.screenshot(path=SCREENSHOTS / "checks-narrow.png")
        widths = "element => [element.scrollWidth, element.clientWidth]"
        scroll, client = await nb.output(1).first.evaluate(widths)
        assert scroll <= client + 1
    await nb.theme("JupyterLab Light")


async def test_the_stop_button_ends_code_that_does_not_end(notebook, server):
    server.answers(Reply("```python\nwhile True:\n    pass\n```"))
    nb = await notebook(
        "%load_ext berlin_magic\n%config BerlinMagics.check_seconds = 250",
        "%%berlin --check 'f(2) == 4'\nWrite f.",
    )
    await nb.run(0)
    await nb.start(1)
    await nb.output(1).get_by_text("running the code and its check").wait_for()
    await nb.output(1).get_by_role("button", name="Stop").click()
    await nb.wait(1)
    card = nb.output(1).locator(".berlin-check")
    assert "was ended" in await card.inner_text() and "It was stopped" in await card.inner_text()
    assert len(server.asked) == 1
