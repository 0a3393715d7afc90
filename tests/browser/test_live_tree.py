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
    const listeners = [];
    window.sent = [];
    window.typeset = [];
    const latexTypesetter = { typeset: el => window.typeset.push(el.textContent) };
    window.model = {
        send: message => window.sent.push(message),
        on: (_, listener) => listeners.push(listener),
        widget_manager: { rendermime: { latexTypesetter } },
    };
    window.widget = module.default();
    await window.widget.initialize({ model: window.model });
    window.take = message => listeners.forEach(listener => listener(message));
    window.show = () => {
        const el = document.createElement("div");
        document.body.append(el);
        const controller = new AbortController();
        window.widget.render({ model: window.model, el, signal: controller.signal });
        return controller;
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
    window.shown = () => document.querySelector(".berlin-reply").innerHTML.replaceAll(' class=""', "");
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
    messages = [
        {"n": n, "c": 1, "t": 0, "p": patches, **({"s": STATUS, "all": True} if n == 1 else {})}
        for n, patches in enumerate(everything, 1)
    ]
    size = chance.choice([1, 7, 1000])
    flat = []
    for at in range(0, len(messages), size):
        await take(front_end, *messages[at : at + size])
        flat += [patch for message in messages[at : at + size] for patch in message["p"]]
        assert await front_end.evaluate("shown()") == await front_end.evaluate("p => expected(p)", flat)


async def test_a_formula_is_typeset_once_and_as_soon_as_it_is_closed(front_end):
    document = Document()
    for n, piece in enumerate(["The sum \\(a", " + b", "\\) is", " a", " sum.\n\n", "Next"], 1):
        document.feed(piece)
        await take(front_end, {"n": n, "c": n, "t": 0, "p": document.patches(), "all": n == 1})
        typeset = await front_end.evaluate("typeset")
        assert typeset == (["\\(a + b\\)"] if n >= 3 else [])


async def test_it_calls_until_the_kernel_answers(front_end):
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
    assert {"again": True} in await front_end.evaluate("sent")
    assert await front_end.evaluate("shown()") == "<p>1</p>"
    await take(front_end, {"n": 4, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p><p>2</p><p>3</p>"]]})
    assert await front_end.evaluate("shown()") == "<p>1</p><p>2</p><p>3</p>"


async def test_what_was_painted_is_acknowledged_now_and_then(front_end):
    for n in range(1, 30):
        await take(front_end, {"n": n, "all": n == 1, "c": 1, "t": 0, "p": [["add", 0, f"<p>{n}</p>"]]})
    await front_end.wait_for_function("sent.some(message => message.painted === 29)")
    acks = [message for message in await front_end.evaluate("sent") if "painted" in message]
    assert len(acks) < 15


async def test_asked_where_it_is_it_says_so(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0}, {"where": 1})
    assert {"painted": 1} in await front_end.evaluate("sent")
    await take(front_end, {"where": 2})
    assert {"again": True} in await front_end.evaluate("sent")


async def test_a_view_drawn_late_and_another_one_show_everything(front_end):
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "p": [["add", 0, "<p>1</p>"]]})
    await front_end.evaluate("window.second = show()")
    await take(front_end, {"n": 2, "c": 1, "t": 0, "p": [["add", 0, "<p>2</p>"]]})
    assert await front_end.evaluate("shown()") == "<p>1</p><p>2</p>"
    await front_end.evaluate("second.abort()")
    assert await front_end.evaluate("document.querySelector('.berlin-reply').isConnected")


async def test_a_hostile_model_name_is_shown_as_text(front_end):
    hostile = "<img src=x onerror=window.ran=1>"
    await take(front_end, {"n": 1, "all": True, "c": 1, "t": 0, "s": {**STATUS, "model": hostile, "notes": [hostile]}})
    assert hostile in (await front_end.locator(".berlin-live-words").text_content() or "")
    assert await front_end.locator("img").count() == 0


async def test_a_screen_reader_hears_few_remarks_and_never_the_stream(front_end):
    await front_end.evaluate(
        """() => {
            window.heard = [];
            const voice = document.querySelector("[aria-live]");
            const note = () => heard.push(voice.textContent);
            new MutationObserver(note).observe(voice, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for n in range(1, 60):
        patches = [["add", 0, f"<p>word {n}</p>"]]
        await take(front_end, {"n": n, "all": n == 1, "c": 100 * n, "t": n, "p": patches, "s": STATUS})
    heard = await front_end.evaluate("heard")
    assert 1 <= len(heard) <= 3
    assert not any("word" in remark for remark in heard)
    assert await front_end.locator(".berlin-reply[aria-live], [aria-live] .berlin-reply").count() == 0
