"""How a page of samples looks: like the pictures in `looks`, and laid out alike in nbconvert's page.

The page brings its fonts and colours along, so that it is drawn alike everywhere; what the rasterizers of two browsers
differ in is gone when four pixels become one. If a change is meant, run with ``BERLIN_TEST_LOOKS=write``, and look at
``screenshots/samples-*.png`` before you commit the new pictures.
"""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from browser.conftest import SCREENSHOTS
from browser.samples import EVERYTHING
from browser.test_looks import CONTRAST, WIDE, check_layout
from jupyterlab.commands import get_app_dir
from nbconvert import HTMLExporter
from PIL import Image, ImageChops, ImageStat

from berlin_magic.display.markdown import to_html
from berlin_magic.display.markdown.stylesheet import CODE, REPLY
from berlin_magic.display.static import Rendered, final_output
from berlin_magic.display.view import Status

LOOKS = Path(__file__).with_name("looks")
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
WRITES = os.environ.get("BERLIN_TEST_LOOKS") == "write"  # read before a fixture takes our variables away
REDUCED = 4
MOST_DIFFERENT = 1.5  # of 255, on average
SAMPLES = f"""\
{EVERYTHING}
- [ ] a task
- [x] a task that is done

1. outer

   > a quote in a list, with `code`
   >
   > > and one in it

   ```json
   {{"key": [1, 2.5, null, "text"]}}
   ```

Press <kbd>Ctrl</kbd>+<kbd>C</kbd>; H<sub>2</sub>O and x<sup>2</sup>. {"Donaudampfschiffahrtsgesellschaft" * 5}

```
{"a long line of code without a language, " * 4}
```

<details><summary>More</summary>

Folded.

</details>

---

#### A small heading

The last line.
"""
# JupyterLab's own values, of those variables that our style sheet and this page use.
THEMES = {
    "light": {
        "jp-layout-color0": "#fff",
        "jp-content-font-color1": "rgba(0, 0, 0, 0.87)",
        "jp-content-font-color2": "rgba(0, 0, 0, 0.54)",
        "jp-border-color2": "#e0e0e0",
        "jp-cell-editor-background": "#f5f5f5",
        "jp-mirror-editor-keyword-color": "#008000",
        "jp-mirror-editor-string-color": "#ba2121",
        "jp-mirror-editor-number-color": "#080",
        "jp-mirror-editor-comment-color": "#408080",
    },
    "dark": {
        "jp-layout-color0": "#111",
        "jp-content-font-color1": "#fff",
        "jp-content-font-color2": "rgba(255, 255, 255, 0.7)",
        "jp-border-color2": "#616161",
        "jp-cell-editor-background": "#212121",
        "jp-mirror-editor-keyword-color": "#4caf50",
        "jp-mirror-editor-string-color": "#ff7070",
        "jp-mirror-editor-number-color": "#66bb6a",
        "jp-mirror-editor-comment-color": "#408080",
    },
}


def font(name: str, file: str, **more: str) -> str:
    data = base64.b64encode((FONTS / file).read_bytes()).decode()
    rest = "".join(f"font-{key}:{value};" for key, value in more.items())
    return f"@font-face{{font-family:{name};src:url(data:font/ttf;base64,{data});{rest}}}"


def sample_page(theme: str, body: str) -> str:
    variables = "".join(f"--{name}:{value};" for name, value in THEMES[theme].items())
    fonts = [
        font("sample", "DejaVuSans.ttf"),
        font("sample", "DejaVuSans-Bold.ttf", weight="bold"),
        font("sample", "DejaVuSans-Oblique.ttf", style="italic"),
        font("sample-code", "DejaVuSansMono.ttf"),
        font("sample-code", "DejaVuSansMono-Bold.ttf", weight="bold"),
        font("sample-code", "DejaVuSansMono-Oblique.ttf", style="italic"),
    ]
    return f"""<!DOCTYPE html><meta charset="utf-8"><style>{"".join(fonts)}
        :root {{ {variables} }}
        body {{ margin: 16px; width: 640px; font: 14px/1.5 sample; overflow-wrap: anywhere;
                color: var(--jp-content-font-color1); background: var(--jp-layout-color0); }}
        code, pre, kbd {{ font-family: sample-code; font-size: 13px; }} a {{ color: #4183d6; }}
        table {{ border-collapse: collapse; }} th, td {{ padding: 4px 8px; }}
    </style><body>{body}</body>"""


def reduced(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("RGB").reduce(REDUCED)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return how much two pictures differ on average, in the worst quarter of their height; 255 if in size."""
    if abs(one.height - other.height) > 1 or one.width != other.width:
        return 255.0
    whole = ImageChops.difference(one, other.crop((0, 0, *one.size)))
    height = one.height // 4
    parts = [whole.crop((0, top, one.width, top + height)) for top in range(0, one.height - height + 1, height)]
    return max(sum(ImageStat.Stat(part).mean) / 3 for part in parts)


@pytest.mark.parametrize("theme", list(THEMES))
async def test_the_samples_look_as_in_the_pictures(browser, theme):
    data, _ = final_output(Rendered.of(SAMPLES), Status("stopped", "model", "p", 12.3, 1234), {})
    page = await browser.new_page(viewport={"width": 672, "height": 800})
    try:
        await page.set_content(sample_page(theme, data["text/html"]))
        await page.evaluate("() => document.fonts.ready")
        picture = await page.screenshot(full_page=True)
        SCREENSHOTS.mkdir(exist_ok=True)
        (SCREENSHOTS / f"samples-{theme}.png").write_bytes(picture)
        seen = reduced(picture)
        path = LOOKS / f"{theme}.png"
        if WRITES:
            LOOKS.mkdir(exist_ok=True)
            seen.save(path, optimize=True)
        expected = Image.open(path).convert("RGB")
        assert difference(expected, seen) < MOST_DIFFERENT
        for words in (".berlin-status", ".berlin-reply > p", "blockquote p", ".highlight code", "kbd"):
            assert await page.locator(words).first.evaluate(CONTRAST) >= 4.5, words
        assert await page.evaluate("() => document.documentElement.scrollWidth") == 672
        # The control: what the comparison is for, it sees.
        for change in (
            ".highlight { background: transparent !important }",
            ".berlin-reply { line-height: 1.6 }",
            ".highlight::before { display: none !important }",
        ):
            style = await page.add_style_tag(content=change)
            assert difference(expected, reduced(await page.screenshot(full_page=True))) > MOST_DIFFERENT, change
            await style.evaluate("el => el.remove()")
    finally:
        await page.close()


JUPYTERLABS_THEMES = Path(get_app_dir(), "themes", "@jupyterlab")
GROUNDS = {
    **{theme: (JUPYTERLABS_THEMES / f"theme-{theme}-extension" / "index.css") for theme in ("light", "dark")},
    "white": "body { background: white; color: black }",
    "black": "body { background: black; color: white }",
}


@pytest.mark.parametrize("ground", GROUNDS)
async def test_every_colour_of_code_can_be_read_in_jupyterlab_and_without_a_theme(browser, ground):
    classes = sorted(set(re.findall(r"\.highlight \.([a-z]{1,2})\b", CODE)))
    assert len(classes) > 10
    code = " ".join(f'<span class="{name}">{name}</span>' for name in classes)
    style = GROUNDS[ground]
    if isinstance(style, Path):
        style = style.read_text("utf-8")
        style += "body { background: var(--jp-layout-color0); color: var(--jp-content-font-color1) }"
    page = await browser.new_page()
    try:
        await page.route("**/*", lambda route: route.abort())
        await page.set_content(
            f"<style>{style}</style><body><style>{REPLY}</style>"
            f'<div class="berlin-reply"><div class="highlight"><pre><code>{code}</code></pre></div></div>'
        )
        ratios = {name: await page.locator(f".{name}").evaluate(CONTRAST) for name in classes}
        assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
        assert (
            len({await page.locator(f".{name}").evaluate("el => getComputedStyle(el).color") for name in classes}) > 5
        )
    finally:
        await page.close()


def page_of_nbconvert(output, theme):
    """Return the HTML page that nbconvert makes of a notebook with this output."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%%berlin\nShow.", outputs=[output])])
    exporter = HTMLExporter(theme=theme, mathjax_url="", require_js_url="", mermaid_js_url="")
    return exporter.from_notebook_node(notebook)[0]


@pytest.mark.parametrize("theme", list(THEMES))
async def test_in_the_page_that_nbconvert_makes_code_has_ground_label_and_scroll_bar(browser, theme):
    html = f'<div class="jp-RenderedHTML">{to_html(WIDE)}</div>'
    output = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "reply"})
    body = page_of_nbconvert(output, theme)
    page = await browser.new_page(viewport={"width": 900, "height": 700})
    try:
        await page.route("**/*", lambda route: route.abort())
        await page.set_content(body, wait_until="domcontentloaded")
        await check_layout(page.locator(".berlin-reply"))
        SCREENSHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"nbconvert-{theme}.png")
    finally:
        await page.close()


PLAIN = WIDE.partition("\u05e9")[0] + "The end.\n"


@pytest.mark.parametrize("theme", list(THEMES))
async def test_in_the_page_that_nbconvert_makes_code_of_markdown_alone_has_them_too(browser, theme):
    data, _ = final_output(Rendered.of(PLAIN), Status("complete", "model", "p", 12.3, 1234), {})
    assert set(data) == {"text/markdown", "text/plain"}
    output = nbformat.v4.new_output("display_data", data)
    body = page_of_nbconvert(output, theme)
    page = await browser.new_page(viewport={"width": 900, "height": 700})
    try:
        await page.route("**/*", lambda route: route.abort())
        await page.set_content(body, wait_until="domcontentloaded")
        reply = page.locator(".berlin-reply")
        assert await reply.locator("small").inner_text() == "python"
        for wide in (".berlin-code", "div:has(> table)"):
            room = await reply.locator(wide).evaluate(
                "el => [el.scrollWidth, el.clientWidth, getComputedStyle(el).overflowX]"
            )
            assert room[0] > room[1] > 200 and room[2] == "auto"
        code = reply.locator("pre")
        style = "(el, name) => getComputedStyle(el)[name]"
        grounds = [
            await page.locator(one).first.evaluate(style, "backgroundColor") for one in ("body", ".berlin-code pre")
        ]
        assert grounds[0] != grounds[1] and "rgba(0, 0, 0, 0)" not in grounds
        assert "monospace" in await code.evaluate(style, "fontFamily")
        assert await code.evaluate("el => el.clientHeight / parseFloat(getComputedStyle(el).lineHeight)") < 2
        assert await page.locator(".berlin-status").inner_text() == "model · 12.3 s · 1,234 characters"
        assert await page.evaluate("() => document.documentElement.scrollWidth") == 900
        SCREENSHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"nbconvert-markdown-alone-{theme}.png")
    finally:
        await page.close()
