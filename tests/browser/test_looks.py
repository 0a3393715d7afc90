"""How a reply looks in JupyterLab: light and dark, in the middle and at the end; pictures are left in `screenshots`."""

from __future__ import annotations

import pytest
from browser.conftest import SCREENSHOTS
from browser.samples import EVERYTHING

IMPORT = "from drive_view import drive"
CONTRAST = """element => {
    const parse = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map(value => value / 255)
        .map(value => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    let ground = [255, 255, 255];
    for (let el = element; el; el = el.parentElement) {
        const colour = parse(getComputedStyle(el).backgroundColor);
        if (colour.length === 3 || colour[3] > 0) { ground = colour; break; }
    }
    let opacity = 1;
    for (let el = element; el; el = el.parentElement) opacity *= Number(getComputedStyle(el).opacity);
    const ink = parse(getComputedStyle(element).color);
    const strength = opacity * (ink[3] ?? 1);
    const mixed = [0, 1, 2].map(i => ink[i] * strength + ground[i] * (1 - strength));
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
