"""The front end's half of the live view, alone in a page: what it makes of the kernel's messages."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser.samples import EVERYTHING
from playwright.async_api import Browser, Page

from berlin_magic.display.markdown import Document
from berlin_magic.display.patches import ShortPatches

LIVE_JS = Path(__file__).parents[2] / "berlin_magic" / "display" / "live.js"
TROUBLESOME = """Text with \N{GRINNING FACE} and **bold
over** lines
- one
  - two `code`

  - three
- four
```python
x = '<b>' # \N{GRINNING FACE}

```
| a | b |
|---|--:|
| 1 | *2* |
| 3 | 4 |

> quoted
> - inside

1. $x$ and \\(y\\)
2. $$z$$
[link]: https://example.org
A [link], done."""
SETUP = """async source => {
    const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const listeners = { "msg:custom": [], comm_live_update: [] };
    window.sent = [];
    window.typeset = [];
    const latexTypesetter = { typeset: el => window.typeset.push(el.textContent) };
    window.model = {
        send: message => window.sent.push(message),
        on: (event, listener) => listeners[event].push(listener),
        widget_manager: { rendermime: { latexTypesetter } },
    };
    window.widget = module.default();
    await window.widget.initialize({ model: window.model });
    window.take = message => listeners["msg:custom"].forEach(listener => listener({ id: "it", ...message }));
    window.loseKernel = () => listeners.comm_live_update.forEach(listener => listener());
    // A front end's output with the slot; what is in it is what a file would hold.
    window.show = () => {
        const output = document.createElement("div");
        output.draw = () => (output.innerHTML = '<div class="berlin-slot-it"><p>saved</p></div>');
        output.draw();
        document.body.append(output);
        return output;
    };
    window.view = window.show();
    // What growing.py says that patches mean, word for word.
    window.expected = patches => {
        const root = document.createElement("div");
        const slots = new Map([[0, { el: root, tail: "", nodes: [] }]]);
        const parse = html => {
            const template = document.createElement("template");
            template.innerHTML = html;
            return template.content;
        };
        const tail = (s, html) => {
            for (const node of s.nodes) node.remove();
            const content = parse((s.tail = html));
            s.nodes = [...content.childNodes];
            s.el.append(content);
        };
        for (const [op, id, ...rest] of patches) {
            const s = slots.get(id);
            if (op === "tail") { tail(s, s.tail.slice(0, rest[0]) + rest[1]); continue; }
            tail(s, "");
            if (op === "add") s.el.append(parse(rest[0]));
            else if (op === "open") {
                const content = parse(rest[1]);
                const el = content.querySelector(`[data-slot="${rest[0]}"]`);
                slots.set(rest[0], { el, tail: "", nodes: [] });
                s.el.append(content);
            }
            else if (op === "fill") s.el.replaceChildren(parse(rest[0]));
            else if (op === "loose") s.el.classList.remove("berlin-tight");
            else if (op === "close") slots.delete(id);
        }
        return root.innerHTML.replaceAll(' class=""', "");
    };
    window.painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    window.shown = () => {
        const root = document.querySelector(".berlin-reply")?.cloneNode(true);
        root?.querySelectorAll("[data-berlin-buttons]").forEach(group => group.remove());
        root?.querySelectorAll("pre").forEach(pre => pre.removeAttribute("tabindex"));
        return root?.innerHTML.replaceAll(' class=""', "");
    };
}"""
STATUS = {"state": "streaming", "model": "m", "notes": [], "stop": True}


@pytest_asyncio.fixture(loop_scope="session")
async def front_end(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    await page.evaluate(SETUP, LIVE_JS.read_text(encoding="utf-8"))
    yield page
    await page.close()


async def take(page, *messages):
    await page.evaluate("async messages => { messages.forEach(take); await painted(); }", list(messages))


@pytest.mark.parametrize("seed", range(12))
async def test_the_page_shows_what_the_patches_say_however_the_text_was_cut(front_end, seed):
    chance = random.Random(seed)
    text = chance.choice([EVERYTHING, TROUBLESOME])
    document = Document()
    at, everything = 0, []
    while at < len(text):
        end = at + chance.choice([1, 2, 5, 20, 200])
        document.feed(text[at:end])
        at = end
        everything.append(document.patches())
    short = ShortPatches()
    messages = [
        {"n": n, "c": 1, "t": 0, "p": short.of(patches), **({"s": STATUS, "all": True} if n == 1 else {})}
        for n, patches in enumerate(everything, 1)
    ]
    size = chance.choice([1, 7, 1000])
    flat = []
    for at in range(0, len(messages), size):
        await take(front_end, *messages[at : at + size])
        flat += [patch for patches in everything[at : at + size] for patch in patches]
        assert await front_end.evaluate("shown()") == await front_end.evaluate("p => expected(p)", flat)


async def test_a_formula_is_typeset_once_and_as_soon_as_it_is_closed(front_end):
    document = Document()
    for n, piece in enumerate(["The sum \\(a", " + b", "\\) is", " a", " sum.\n\n", "Next"], 1):
        document.feed(piece)
        await take(front_end, {"n": n, "c": n, "t": 0, "p": document.patches(), "all": n == 1})
        typeset = await front_end.evaluate("typeset")
        assert typeset == (["\\(a + b\\)"] if n >= 3 else [])


async def test_it_calls_until_the_kernel_answers(front_end):
    await take(front_end, {"hello": True})
    calls = "sent.filter(message => message.ready).length"
    await front_end.wait_for_function(f"{calls} >= 2")
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0})
    before = await front_end.evaluate(calls)
    await front_end.evaluate("() => new Promise(done => setTimeout(done, 1500))")
    assert await front_end.evaluate(calls) == before
    names = await front_end.evaluate("sent.filter(message => message.ready).map(message => message.ready)")
    assert len(set(names)) == 1


async def test_a_missing_message_is_noticed_and_everything_asked_for_again(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p>"]]})
    await take(front_end, {"n": 3, "c": 1, "t": 0, "p": [["add", 0, "<p>3</p>"]]})
    assert {"id": "it", "again": True} in await front_end.evaluate("sent")
    assert await front_end.evaluate("shown()") == "<p>1</p>"
    await take(front_end, {"n": 4, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p><p>2</p><p>3</p>"]]})
    assert await front_end.evaluate("shown()") == "<p>1</p><p>2</p><p>3</p>"


async def test_it_calls_no_more_for_a_reply_that_has_ended_before_it_was_shown(front_end):
    await take(front_end, {"hello": True}, {"end": "complete", "words": 1})
    assert {"id": "it", "bye": True} in await front_end.evaluate("sent")
    calls = "sent.filter(message => message.ready).length"
    before = await front_end.evaluate(calls)
    await front_end.evaluate("() => new Promise(done => setTimeout(done, 1500))")
    assert await front_end.evaluate(calls) == before


async def test_what_was_painted_is_acknowledged_now_and_then(front_end):
    for n in range(1, 30):
        await take(front_end, {"n": n, "all": n == 1, "c": 1, "t": 0, "p": [["add", 0, f"<p>{n}</p>"]]})
    await front_end.wait_for_function("sent.some(message => message.painted === 29)")
    acks = [message for message in await front_end.evaluate("sent") if "painted" in message]
    assert len(acks) < 8


async def test_asked_where_it_is_it_says_so(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0}, {"where": 1})
    assert {"id": "it", "painted": 1} in await front_end.evaluate("sent")
    await take(front_end, {"where": 2})
    assert {"id": "it", "again": True} in await front_end.evaluate("sent")


async def test_an_output_drawn_late_shows_everything(front_end):
    await front_end.evaluate("view.remove()")
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p>"]]})
    assert await front_end.evaluate("shown()") is None
    await front_end.evaluate("async () => { show(); await painted(); }")
    await take(front_end, {"n": 2, "c": 1, "t": 0, "p": [["add", 0, "<p>2</p>"]]})
    assert await front_end.evaluate("shown()") == "<p>1</p><p>2</p>"


async def test_of_several_outputs_the_last_one_is_live_and_the_others_show_what_was_saved(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p>"]]})
    await front_end.evaluate("async () => { window.second = show(); await painted(); }")
    assert await front_end.evaluate("view.textContent") == "saved"
    assert await front_end.evaluate("second.contains(document.querySelector('.berlin-reply'))")
    await front_end.evaluate("async () => { second.remove(); await painted(); }")
    assert await front_end.evaluate("view.contains(document.querySelector('.berlin-reply'))")


async def test_a_selection_and_the_focus_outlast_an_output_that_is_drawn_again(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>Some words</p>"]], "s": STATUS})
    await front_end.evaluate(
        """async () => {
            document.querySelector("button").focus();
            const text = document.querySelector(".berlin-reply p").firstChild;
            getSelection().setBaseAndExtent(text, 0, text, 4);
            await painted();
            view.draw();
            await painted();
        }"""
    )
    assert await front_end.evaluate("getSelection().toString()") == "Some"
    assert await front_end.evaluate("document.activeElement.textContent") == "Stop"


async def test_without_its_kernel_a_view_is_plain_and_says_so(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p>"]], "s": STATUS})
    await take(front_end, {"n": 2, "c": 1, "t": 0, "p": [["add", 0, "<p>2</p>"]]})
    await front_end.get_by_role("button", name="Stop").click()
    await front_end.evaluate("loseKernel()")
    assert await front_end.locator("button").count() == 0
    assert await front_end.evaluate("shown()") == "<p>1</p><p>2</p>"
    said = await front_end.locator(".berlin-live-words").text_content()
    assert "cut" in said
    assert "%berlin show [N]" in said
    sent = await front_end.evaluate("sent.length")
    await front_end.evaluate("() => new Promise(done => setTimeout(done, 1200))")
    assert await front_end.locator(".berlin-live-words").text_content() == said
    assert await front_end.evaluate("sent.length") == sent


SCROLLING = """async ([before, after]) => {
    document.body.style.margin = 0;
    const scroller = document.createElement("div");
    scroller.style = "height: 400px; overflow-y: auto";
    document.body.append(scroller);
    const block = height => `<div style="height: ${height}px"></div>`;
    scroller.innerHTML = block(before) + '<div class="berlin-slot-it"></div>' + block(after);
    view.remove();
    window.scroller = scroller;
    window.n = 0;
    window.grow = async height => {
        n += 1;
        take({ n, all: n === 1, c: n, t: 0, p: [["add", 0, block(height)]] });
        await painted();
        await painted();
    };
    window.gap = () => {
        const end = document.querySelector(".berlin-live").getBoundingClientRect().bottom;
        return end - scroller.getBoundingClientRect().bottom;
    };
    await painted();
}"""


async def test_the_end_of_a_reply_is_followed_until_the_user_scrolls_up_and_again_when_they_are_back(front_end):
    await front_end.evaluate(SCROLLING, [100, 1000])
    for height in (50, 200, 200, 200):
        await front_end.evaluate("height => grow(height)", height)
    assert -100 < await front_end.evaluate("gap()") <= 0
    await front_end.evaluate("async () => { scroller.scrollTop -= 30; await painted(); }")
    top = await front_end.evaluate("scroller.scrollTop")
    for _ in range(3):
        await front_end.evaluate("grow(100)")
    assert await front_end.evaluate("scroller.scrollTop") == top
    await front_end.evaluate("async () => { scroller.scrollTop += gap() + 40; await painted(); }")
    for _ in range(3):
        await front_end.evaluate("grow(300)")
    assert -100 < await front_end.evaluate("gap()") <= 0


async def test_a_reply_that_begins_out_of_sight_does_not_move_the_page(front_end):
    await front_end.evaluate(SCROLLING, [1000, 1000])
    for height in (50, 200, 200, 200):
        await front_end.evaluate("height => grow(height)", height)
    assert await front_end.evaluate("scroller.scrollTop") == 0


async def test_a_hostile_model_name_is_shown_as_text(front_end):
    hostile = "<img src=x onerror=window.ran=1>"
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "s": {**STATUS, "model": hostile, "notes": [hostile]}})
    assert hostile in (await front_end.locator(".berlin-live-words").text_content() or "")
    assert await front_end.locator("img").count() == 0


async def test_a_screen_reader_hears_few_remarks_and_never_the_stream(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 0, "t": 0})
    await front_end.evaluate(
        """() => {
            const voice = document.querySelector("[aria-live]");
            window.heard = [voice.textContent];
            const note = () => heard.push(voice.textContent);
            new MutationObserver(note).observe(voice, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for n in range(2, 60):
        patches = [["add", 0, f"<p>word {n}</p>"]]
        await take(front_end, {"n": n, "c": 100 * n, "t": n, "p": patches, "s": STATUS})
    heard = await front_end.evaluate("heard")
    assert 1 <= len(heard) <= 3
    assert not any("word" in remark for remark in heard)
    assert await front_end.locator(".berlin-reply[aria-live], [aria-live] .berlin-reply").count() == 0
