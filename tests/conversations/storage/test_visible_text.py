"""What a reader sees of an output agrees with its plain text, or not; and finding out costs its length."""

from __future__ import annotations

import pytest
from cpu_time import measured
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.conversations.storage.visible_text import agrees, letters
from berlin_magic.display.static import Rendered, final_output
from berlin_magic.display.view import Status

REPLIES = [
    "Hello **bold** [a](http://x.org/p) ![img](http://y/z.png) <b>raw</b> `code` $\\alpha$",
    '```python\nx = 1  # "s"\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |',
    "1. one\n2. two\n   - sub\n   - [x] done\n\n> 1. quoted\n> ```js\n> let y = 2;\n> ```",
    "# H1 1\n## 2. second\n\n~~s~~ https://auto.link &amp; \\*",
    "<!-- c --> $$\\frac{1}{2}$$ \\(x\\) \\[y\\]",
    "Use `<div>` and ``a`b``\n\n    indented <x> 1. k",
    "naïve Ünïcode 漢字 ½ ²\n\nhard  \nbreak",
]


def shown(text: str) -> dict[str, str]:
    status = Status(
        "stopped", "m", "p", 1.2, len(text), ("3 earlier turns left out",), "a remark", "it thought", "value df"
    )
    return final_output(Rendered.of(text), status, {})[0]


@pytest.mark.parametrize("text", REPLIES)
def test_what_is_saved_of_a_reply_agrees(text: str) -> None:
    assert agrees(shown(text))


PLAIN = [
    "",
    "Hello **bold** [a](http://x.org/p) `code`, 1. and 2.",
    '```python\nx = 1  # "s"\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |',
    f"| {'wide ' * 30} | b |\n|---|---|\n| 1 | 2 |",
    "1. one\n2. two\n   - sub\n\n> 1. quoted\n> ```js\n> let y = 2;\n> ```\n\n- ```\n  code\n  ```",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_saved_as_markdown_alone_agrees_and_with_another_text_it_does_not(text: str) -> None:
    data = final_output(Rendered.of(text), Status("stopped", "m-1", "p", 1.2, len(text)), {})[0]
    assert set(data) == {"text/markdown", "text/plain"} and agrees(data)
    assert not agrees({**data, "text/plain": f"{text}\n\nmore"})
    assert not agrees({**data, "text/markdown": data["text/markdown"].replace("</div>", "more\n\n</div>", 1)})
    assert not agrees({**data, "text/markdown": data["text/markdown"].replace("<div ", '<div id="x" ', 1)})


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=60))
def test_another_text_never_agrees(text: str) -> None:
    data = shown("What is shown here.")
    if letters(text) != letters(data["text/plain"]):
        assert not agrees({**data, "text/plain": text})
        assert not agrees({"text/plain": text, "text/html": data["text/html"]})


@pytest.mark.parametrize("other", ["transparent", "#fff", "var(--jp-layout-color0)", "currentcolor 0%"])
def test_code_that_is_mixed_with_another_colour_than_the_texts_never_agrees(other: str) -> None:
    data = shown("```python\nx = 1\n```")
    assert ",currentcolor)" in data["text/html"]
    html = data["text/html"].replace(",currentcolor)", f",{other})")
    assert not agrees({**data, "text/html": html})


COSTLY = [
    "[",
    "`",
    "` `` ",
    "- ",
    "[a](",
    "<a",
    "\n",
    "[[a]",
    "> ",
    "```\n",
    "1. ",
    "&amp;",
    "*(",
    "\\[",
    "a](b",
    "<p>",
]


@pytest.mark.parametrize("piece", COSTLY)
def test_twice_the_text_costs_no_more_than_about_twice(piece: str) -> None:
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        with measured() as seconds:
            agrees({"text/plain": text, "text/markdown": text, "text/html": f"<p>{escaped}</p>"})
            agrees({"text/plain": "", "text/html": text})
            agrees({"text/plain": text, "text/markdown": f'<div class="berlin-reply">\n\n{text}\n\n</div>\n'})
        return seconds[0]

    assert min(cost(160_000) for _ in range(3)) < 4 * min(cost(80_000) for _ in range(3)) + 0.02
