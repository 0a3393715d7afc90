"""The few HTML elements that are shown as elements, and all others, which are not."""

from __future__ import annotations

import re

import pytest
from display.markdown.patched import Patched
from display.markdown.safe_html import dangers
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document, to_html, to_markdown
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.tree import parse


def body(whole: str) -> str:
    return re.sub(r' dir="\w+"|\n', "", Html().whole(*parse(whole)))


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<br />", "<BR>"])
def test_a_line_break_is_one_wherever_it_stands(tag):
    assert body(f"a{tag}b") == "<p>a<br>b</p>"
    assert "<td>a<br>b</td>" in body(f"| x |\n|---|\n| a{tag}b |")
    assert body(f"# a{tag}b") == "<h1>a<br>b</h1>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("H<sub>2</sub>O", "H<sub>2</sub>O"),
        ("x<sup>*n*</sup>", "x<sup><em>n</em></sup>"),
        ("<kbd>Ctrl</kbd>+<KBD>C</KBD>", "<kbd>Ctrl</kbd>+<kbd>C</kbd>"),
        ("**<kbd>a</kbd>**", "<strong><kbd>a</kbd></strong>"),
        ("a<sub>b", "a<sub>b</sub>"),
        ("a</sub>b", "a&lt;/sub&gt;b"),
        ("*a <sub>b* c</sub>", "<em>a <sub>b</sub></em> c&lt;/sub&gt;"),
        ("<sub>*a</sub>*", "<sub><em>a&lt;/sub&gt;</em></sub>"),
        ("<kbd>a<sub>b</kbd>c", "<kbd>a<sub>b</sub></kbd>c"),
        ("<sub></sub>x", "x"),
        ("`<sub>x</sub>`", "<code>&lt;sub&gt;x&lt;/sub&gt;</code>"),
        (r"\<sub>x\</sub>", "&lt;sub&gt;x&lt;/sub&gt;"),
    ],
)
def test_an_element_ends_inside_what_it_began_in(text, html):
    assert body(text) == f"<p>{html}</p>"


@pytest.mark.parametrize(
    "tag",
    [
        "<sub onclick=alert(1)>",
        "<sub/onclick=alert(1)>",
        "<sub\nonclick=alert(1)>",
        "<sub\x0conclick=alert(1)>",
        "<sub >",
        "<sub\xa0x>",
        "<sub/>",
        "< sub>",
        "<sub",
        "<subx>",
        "<ſub>",
        "<ſup>",
        "<\u212abd>",
        "<br onload=alert(1)>",
        "<br/ onload=alert(1)>",
        "<br//>",
        "</br>",
        "<kbd class=x>",
        "<details open>",
        "<details ontoggle=alert(1)>",
        "<summary onclick=alert(1)>",
        "<script>",
        "<b>",
        "<div>",
        "<style>",
        "<sub&#32;onclick=alert(1)>",
        "<sub&#62;",
        "&lt;sub>",
    ],
)
@pytest.mark.parametrize("place", ["{}", "x{}y", "| {} |\n|---|\n| {} |", "<details>\n{}\n", "<details>\n<summary>{}"])
def test_a_tag_with_anything_more_in_it_is_text(tag, place):
    html = to_html(place.replace("{}", tag))
    assert dangers(html) == []
    assert not re.search(r"<(?:sub|sup|kbd|br|script|b|style)\b", html.split('<div class="berlin-reply">')[1])
    assert html.count("<details") == place.count("<details>")


def test_elements_do_not_nest_without_end():
    assert body("<sub>" * 100 + "x").count("<sub>") == 8
    assert body("<details>\n" * 500 + "x").count("<details>") < 40


PARTS = ["<details>\n", "<details><summary>s</summary>\n", "<summary>", "</summary>", "</details>", "x</details>\n"]
PARTS += [
    "\n",
    "- ",
    "  ",
    "> ",
    "```\n",
    "$$\n",
    "| a |\n|---|\n",
    "x",
    "# ",
    "<sub>",
    "</sub>",
    "*",
    "[x](https://e.example)",
]


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join), st.integers(1, 9))
@settings(max_examples=400, deadline=None)
def test_elements_are_always_balanced_live_and_at_the_end(whole, step):
    assert dangers(to_html(whole)) == []
    document, view = Document(), Patched()
    for at in range(0, len(whole), step):
        document.feed(whole[at : at + step])
        view.apply(document.patches())
        assert dangers(view.html()) == []
    view.apply(document.finish())
    assert dangers(view.html()) == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (
            "<details>\n<summary>More *here*</summary>\n\n- a\n\n</details>\nafter",
            "<details><summary>More <em>here</em></summary><ul><li>a</li></ul></details><p>after</p>",
        ),
        ("<details><summary>s</summary>x</details>", "<details><summary>s</summary><p>x</p></details>"),
        ("<details>\n<summary>\ns\n</summary>\nx", "<details><summary>s</summary><p>x</p></details>"),
        ("<details>\n<summary>s\n\nx", "<details><summary>s</summary><p>x</p></details>"),
        ("para\n<details>\nx\n</details>", "<p>para</p><details><p>x</p></details>"),
        ("- a\n  <details>\n  b\n  </details>\n- c", "<ul><li>a<details><p>b</p></details></li><li>c</li></ul>"),
        (
            "<details>\n<details>\nx\n</details>\ny\n</details>",
            "<details><details><p>x</p></details><p>y</p></details>",
        ),
        ("<details>\n1. a</details>\nb", "<details><ol><li>a</li></ol></details><p>b</p>"),
        ("x <details>", "<p>x &lt;details&gt;</p>"),
        ("<details> is an element", "<p>&lt;details&gt; is an element</p>"),
        ("<summary>s</summary>", "<p>&lt;summary&gt;s&lt;/summary&gt;</p>"),
        ("x\n</details>", "<p>x&lt;/details&gt;</p>"),
        ("> <details>\n\nx</details>", "<blockquote><details></details></blockquote><p>x&lt;/details&gt;</p>"),
    ],
)
def test_details_hold_blocks(text, html):
    assert body(text) == html


def test_code_in_details_may_name_the_tag():
    html = body("<details>\n```\n</details>\n```\n    </details>\n</details>\nafter")
    assert html.count("&lt;/details&gt;") == 2
    assert html.endswith("</details><p>after</p>")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("| a<br/>b |\n|---|\n| H<sub>2</sub>O |", "<br>"),
        ("a<br>b", "a<br>b\n"),
        ("<sub>x", "<sub>x</sub>\n"),
        ("<kbd>\nx</kbd>", "&#8203;<kbd>\nx</kbd>\n"),
        ("<details>\n<summary>*a* `b`</summary>\nx", "<details>\n<summary>a b</summary>\n\nx\n\n</details>\n"),
    ],
)
def test_our_markdown_has_the_same_elements(text, written):
    assert written in to_markdown(text)


@pytest.mark.parametrize(
    "typed", ["x <s", "x <sub", "x </su", "x <br", "x <kbd", "x </details", "<det", "<details", "</de"]
)
def test_half_a_tag_is_not_shown(typed):
    document, view = Document(), Patched()
    document.feed(typed)
    view.apply(document.patches())
    assert view.html() == ('<p dir="auto">x</p>\n' if typed.startswith("x") else "")
