"""A reply, live and finished, with keyboard, screen reader, large size, forced colours and reduced motion."""

from __future__ import annotations

from importlib.resources import files

import pytest
import pytest_asyncio
from browser.conftest import SCREENSHOTS
from browser.samples import EVERYTHING
from browser.scripted_server import Reply
from browser.test_palette import choose, sources

pytestmark = pytest.mark.long  # axe-core over every view: a minute

LOAD = "%load_ext berlin_magic"
ASK = "%%berlin\nTell me something."
TWO_BLOCKS = f"{EVERYTHING}\n\n```js\nlet x = 1;\n```\n\nThe end of it."
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
FINDINGS = """async selector => {
    const { violations } = await axe.run(selector, { resultTypes: ["violations"] });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 120)} ${node.any[0]?.message}`));
}"""
LIVE = ".berlin-live"
FINISHED = ".jp-Cell[data-windowed-list-index='1'] .jp-OutputArea-output"


async def findings(page, selector):
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(f"() => {{ {AXE} }}")
    return await page.evaluate(FINDINGS, selector)


@pytest_asyncio.fixture(loop_scope="session")
async def live(notebook, page, server):
    """Open a notebook whose cell 1 has all of its reply and waits for the end."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.answers(Reply(TWO_BLOCKS, pieces=9, hangs=True))
    nb = await notebook(LOAD, ASK, "'below'")
    await nb.run(0)
    await nb.start(1)
    await page.locator(LIVE).get_by_text("The end of it.").wait_for()
    return nb


async def stop(nb):
    await nb.page.locator(LIVE).get_by_role("button", name="Stop").click()
    await nb.wait(1)
    await nb.output(1).locator(".berlin-status", has_text="stopped").wait_for()


async def reached(nb, last):
    """Return the names of our buttons that the Tab key reaches, from the cell to the one called `last`."""
    page = nb.page
    await page.evaluate(
        """() => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = 1;
            notebook.mode = "command";
            notebook.widgets[1].node.focus();
        }"""
    )
    names = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        name = await page.evaluate(
            """() => {
                const el = document.activeElement;
                return el.localName === "button" && el.closest(".jp-OutputArea") && (el.ariaLabel ?? el.textContent);
            }"""
        )
        if name:
            names.append(name)
            visible = "() => getComputedStyle(document.activeElement.parentElement).opacity === '1'"
            await page.wait_for_function(visible)
        if name == last:
            break
    return names


CODE = [f"{what} code block {n}" for n in (1, 2) for what in ("Copy", "Insert below:")]


THEMES = ("JupyterLab Light", "JupyterLab Dark")


async def test_axe_finds_nothing_serious_in_the_live_and_in_the_finished_view_light_and_dark(live):
    for theme in THEMES:
        await live.theme(theme)
        assert await findings(live.page, LIVE) == [], theme
    await stop(live)
    await live.page.locator("[data-berlin-buttons]").first.wait_for()
    await choose(live, "Show the Conversation")
    await live.page.locator("#berlin-history .berlin-question").wait_for()
    await live.page.locator("#berlin-history mjx-container").first.wait_for()
    await live.page.locator(".berlin-status-item button").wait_for()
    for theme in reversed(THEMES):
        await live.theme(theme)
        for seen in (FINISHED, "#berlin-history", ".berlin-status-item"):
            assert await findings(live.page, seen) == [], (theme, seen)
    await live.theme(THEMES[0])


async def test_the_keyboard_reaches_the_buttons_of_a_growing_reply_and_they_do_what_their_names_say(live):
    assert await reached(live, "Stop") == [*CODE, "Stop"]
    first = live.page.locator(LIVE).get_by_role("button", name="Copy code block 1", exact=True)
    await first.focus()
    await live.page.keyboard.press("x")  # in command mode, this cuts the cell
    await live.page.keyboard.press("Enter")
    await live.page.locator(LIVE).get_by_role("status").filter(has_text="Copied").wait_for()
    copied = await live.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("from math import comb\n\n\ndef") and copied.endswith("print(expand(3))")
    await live.page.keyboard.press("Tab")
    await live.page.keyboard.press("Enter")
    await live.page.locator(LIVE).get_by_role("status").filter(has_text="Inserted").wait_for()
    assert await sources(live) == [LOAD, ASK, copied, "'below'"]
    assert await live.execution_count(2) is None
    # From another machine, without TLS, a page has no clipboard but that of a command.
    await live.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    await live.page.locator(LIVE).get_by_role("button", name="Copy code block 2", exact=True).focus()
    await live.page.keyboard.press("Enter")
    await live.page.locator(LIVE).get_by_role("status").filter(has_text="Copied").wait_for()
    assert await live.page.evaluate("() => navigator.clipboard.readText()") == "let x = 1;"
    await live.page.locator(LIVE).get_by_role("button", name="Stop").focus()
    await live.page.keyboard.press("x")
    assert len(await sources(live)) == 4
    await live.page.keyboard.press("Enter")
    await live.wait(1)
    await live.page.locator("[data-berlin-buttons=reply]").wait_for()
    whole = ["Copy the reply as Markdown", "Ask again: run this cell"]
    assert await reached(live, whole[1]) == [*CODE, *whole]


async def test_a_screen_reader_hears_how_the_reply_ended_and_no_word_of_it(live, server):
    page = live.page
    await page.evaluate(
        """() => {
            const voice = document.querySelector(".berlin-live-voice");
            window.heard = [];
            new MutationObserver(() => heard.push(voice.textContent)).observe(voice, { childList: true });
        }"""
    )
    assert await page.locator(".berlin-live-voice").get_attribute("aria-live") == "polite"
    await stop(live)
    server.answers(Reply("Just these five words.\n\n```\nand code\n```"))
    await live.run(1)
    await page.wait_for_function("() => heard.length > 1 && heard.at(-1).startsWith('Reply complete')")
    heard = await page.evaluate("() => heard")
    assert heard[0].startswith("Reply stopped, ")
    assert heard[-1] == "Reply complete, 6 words"
    assert not any("binomial" in remark or "five" in remark for remark in heard)
    assert await page.locator("[aria-live] .berlin-reply, .berlin-reply[aria-live]").count() == 0


async def test_forced_colours_reduced_motion_and_twice_the_size_hide_nothing(live):
    page = live.page
    await page.emulate_media(forced_colors="active", reduced_motion="reduce")
    await page.set_viewport_size({"width": 550, "height": 600})  # what 1100 x 1200 has room for at 200 %
    SCREENSHOTS.mkdir(exist_ok=True)
    for state, selector in (("live", LIVE), ("finished", FINISHED)):
        if state == "finished":
            await stop(live)
            await page.locator("[data-berlin-buttons=reply]").wait_for()
        seen = page.locator(selector).first
        await page.screenshot(path=SCREENSHOTS / f"forced-colours-{state}.png")
        for button in await seen.get_by_role("button").all():
            style = await button.evaluate(
                """el => {
                    const { borderTopStyle, borderTopWidth, transitionDuration } = getComputedStyle(el);
                    const { opacity, transitionDuration: group } = getComputedStyle(el.parentElement);
                    return [borderTopStyle, borderTopWidth, opacity, transitionDuration, group];
                }"""
            )
            assert style == ["solid", "1px", "1", "0s", "0s"], await button.inner_text()
        assert await seen.evaluate("el => el.scrollWidth - el.clientWidth") <= 1
        ground, ink = await seen.locator("pre").first.evaluate(
            "el => [getComputedStyle(el).backgroundColor, getComputedStyle(el).color]"
        )
        assert ground != ink
        await seen.get_by_role("button").first.focus()
        outline = "() => getComputedStyle(document.activeElement).outlineStyle"
        await page.keyboard.press("Tab")
        assert await page.evaluate(outline) == "solid"
    await page.emulate_media(forced_colors="none", reduced_motion="no-preference")
