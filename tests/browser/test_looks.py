"""How a reply looks in JupyterLab: light and dark, in the middle and at the end; pictures are left in `screenshots`."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.samples import EVERYTHING

pytestmark = pytest.mark.long  # screenshots in several sizes: a minute

IMPORT = "from drive_view import drive"
CONTRAST = """element => {
    const parse = colour => {
        const [r, g, b, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
        const most = colour.startsWith("color(") ? 1 : 255;  // color(srgb 1 0 0) is what a mixed colour is given as
        return [r, g, b].map(value => (value * 255) / most).concat(alpha);
    };
    const luminance = ([r, g, b]) => [r, g, b]
        .map(value => value / 255)
        .map(value => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const over = (colour, strength, below) => [0, 1, 2].map(i => colour[i] * strength + below[i] * (1 - strength));
    const grounds = [];
    for (let el = element; el; el = el.parentElement) grounds.push(parse(getComputedStyle(el).backgroundColor));
    const ground = grounds.reduceRight((below, colour) => over(colour, colour[3], below), [255, 255, 255]);
    let opacity = 1;
    for (let el = element; el; el = el.parentElement) opacity *= Number(getComputedStyle(el).opacity);
    const ink = parse(getComputedStyle(element).color);
    const mixed = over(ink, opacity * ink[3], ground);
    const [low, high] = [luminance(mixed), luminance(ground)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""


async def picture(nb, name):
    SCREENSHOTS.mkdir(exist_ok=True)
    await nb.page.screenshot(path=SCREENSHOTS / f"looks-{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_reply_is_readable_in_the_middle_and_at_the_end(notebook, theme):
    nb = await notebook(IMPORT, f"await drive({EVERYTHING!r}, 8)")
    await nb.theme(f"JupyterLab {theme.title()}")
    await nb.page.set_viewport_size({"width": 1100, "height": 1200})
    await nb.run(0)
    await nb.hide_source(1)
    await nb.start(1)
    live = nb.output(1).locator(".berlin-live")
    await live.locator("table, code").first.wait_for()
    await live.locator("mjx-container").first.wait_for()
    await picture(nb, f"{theme}-middle")
    assert await live.locator(".berlin-live-words").evaluate(CONTRAST) >= 4.5
    assert await live.locator(".berlin-reply p").first.evaluate(CONTRAST) >= 4.5
    assert await live.get_by_role("button").evaluate(CONTRAST) >= 4.5
    await nb.wait(1)
    end = nb.output(1).locator(".jp-RenderedHTML")
    await end.locator("mjx-container").first.wait_for()
    await picture(nb, f"{theme}-end")
    assert await end.locator(".berlin-status").evaluate(CONTRAST) >= 4.5
    await nb.theme("JupyterLab Light")


WIDE = """\
```python
print("first_argument", "second_argument", "third_argument", "fourth_argument", "fifth_argument", "sixth_argument", 1)
```

| WWWWWWWWWWWWWWWWWWWW | WWWWWWWWWWWWWWWWWWWWWWW | WWWWWWWWWWWWWWWWWWWWW | WWWWWWWWWWWWWWWWWWWW | WWWWWWWWWWWWWW |
|---|---|--:|---|---|
| a | b | c | d | e |

\u05e9\u05dc\u05d5\u05dd `code()` \u05e1\u05d5\u05e3

> \u05e6\u05d9\u05d8\u05d5\u05d8

The end.
"""


async def test_long_lines_and_wide_tables_scroll_and_text_is_laid_out_in_its_own_direction(notebook):
    nb = await notebook(IMPORT, f"await drive({WIDE + 'And more of it. ' * 60!r}, 8)")
    await nb.page.set_viewport_size({"width": 900, "height": 700})
    await nb.run(0)
    await nb.start(1)
    live = nb.output(1).locator(".berlin-live .berlin-reply")
    await live.locator("blockquote").wait_for()
    await check_layout(live)
    await nb.wait(1)
    await check_layout(nb.output(1).locator(".jp-RenderedHTML .berlin-reply"))


async def check_layout(reply):
    for wide in ("pre", ".berlin-table"):
        room = await reply.locator(wide).evaluate(
            "el => [el.scrollWidth, el.clientWidth, getComputedStyle(el).overflowX]"
        )
        assert room[0] > room[1] > 200
        assert room[2] == "auto"
    lines = "el => el.getBoundingClientRect().height / parseFloat(getComputedStyle(el).lineHeight)"
    assert await reply.locator("pre code").evaluate(lines) < 1.6
    label = "el => [getComputedStyle(el, '::before').content, getComputedStyle(el).backgroundColor]"
    content, ground = await reply.locator(".highlight").evaluate(label)
    assert content == '"python"'
    assert ground not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}
    aligned = "el => [getComputedStyle(el).direction, getComputedStyle(el).textAlign]"
    assert await reply.locator("td").first.evaluate(aligned) == ["ltr", "start"]
    assert await reply.locator("td").nth(2).evaluate(aligned) == ["ltr", "right"]
    assert await reply.locator(":scope > p").first.evaluate(aligned) == ["rtl", "start"]
    assert await reply.locator("blockquote p").evaluate(aligned) == ["rtl", "start"]
    assert await reply.locator("p code").evaluate("el => getComputedStyle(el).direction") == "ltr"


async def test_at_twice_the_size_nothing_is_cut_off(notebook):
    nb = await notebook(IMPORT, f"await drive({EVERYTHING!r}, 6)")
    await nb.page.set_viewport_size({"width": 550, "height": 600})  # what 1100 x 1200 has room for at 200%
    await nb.run(0)
    await nb.start(1)
    live = nb.output(1).locator(".berlin-live")
    await live.locator("blockquote").wait_for()
    button = live.get_by_role("button", name="Stop")
    await button.scroll_into_view_if_needed()
    await picture(nb, "twice-the-size")
    assert await button.is_visible()
    too_wide = await live.evaluate("el => el.scrollWidth - el.clientWidth")
    assert too_wide <= 1
    await nb.wait(1)
