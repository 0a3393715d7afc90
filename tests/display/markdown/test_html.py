"""The HTML of a whole reply."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from display.markdown.normal_html import normal
from display.markdown.safe_html import dangers
from display.markdown.texts import text
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import Document, to_html, to_markdown, to_plain
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.tree import parse


def body(whole: str, **options) -> str:
    return Html(**options).whole(*parse(whole)).strip().replace(' dir="auto"', "")


@given(st.one_of(st.integers(0, 10**9).map(text), st.text(max_size=60)))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_only_harmless_elements(whole):
    assert dangers(to_html(whole)) == []


def test_raw_html_is_shown_as_text():
    assert body("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"


def test_links_open_elsewhere_and_give_nothing_away():
    assert body("[a](https://e.example/x)") == (
        '<p><a href="https://e.example/x" target="_blank" rel="noopener noreferrer nofollow">a</a></p>'
    )


def test_an_image_is_a_link_that_shows_its_address():
    html = body("![a *cat*](https://e.example/i.png)")
    assert "<img" not in html
    assert ">a cat (https://e.example/i.png)</a>" in html


def test_a_dead_link_shows_its_text_and_its_address():
    assert body("[a](/lab/tree)") == "<p>a (/lab/tree)</p>"


def test_a_bare_address_is_a_link_without_the_full_stop():
    html = body("see https://e.example/a_(b). And")
    assert 'href="https://e.example/a_(b)"' in html
    assert "</a>. And" in html


def test_prices_are_no_math_and_no_typesetter_finds_any():
    assert body("from $5 to $10") == "<p>from <span>$</span>5 to <span>$</span>10</p>"


@pytest.mark.parametrize(
    ("typed", "typeset"),
    [
        ("$x_1$", r'<p><span class="berlin-math">\(x_1\)</span></p>'),
        (r"\(a<b\)", r'<p><span class="berlin-math">\(a&lt;b\)</span></p>'),
        ("$$\nx\n$$", r'<div class="berlin-math">\[x\]</div>'),
        ("\\[\nx\n\\]", r'<div class="berlin-math">\[x\]</div>'),
        ("$$x$$", r'<div class="berlin-math">\[x\]</div>'),
        ("so $$x$$ it is", r'<p>so <span class="berlin-math">\[x\]</span> it is</p>'),
    ],
)
def test_math_is_left_to_the_typesetter_between_its_delimiters(typed, typeset):
    assert body(typed) == typeset


def test_display_math_that_never_closes_is_text():
    assert "berlin-math" not in body("$$\nx\n\n# heading\n")
    assert "<h1>heading</h1>" in body("$$\nx\n\n# heading\n")


def test_tasks_are_shown_with_boxes_that_are_text():
    assert normal(body("- [ ] a\n- [x] b")) == normal("<ul><li>☐ a</li><li>☑ b</li></ul>")


def test_code_is_coloured_and_its_text_is_exact():
    class Text(HTMLParser):
        text = ""

        def handle_data(self, data):
            self.text += data

    code = 'def f(x):\n\n    return "<b>" + x  # why\n'
    html = body(f"```python\n{code}```")
    assert '<span class="k">' in html
    parser = Text()
    parser.feed(html)
    assert parser.text.strip("\n") + "\n" == code


def test_the_style_sheet_comes_once_and_only_with_what_it_is_for():
    assert "<style>" not in to_html("plain *text*\n\n- item")
    for whole in ("```\ncode\n```\n\n    more", "| a |\n|---|", "<kbd>x</kbd>"):
        assert to_html(whole).count("<style>") == 1


def test_a_definition_at_the_end_makes_links_at_the_beginning():
    assert 'href="https://e.example"' in body("see [r]\n\n[r]: https://e.example")


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ("python", "python"),
        ("C++ title=x", "C++"),
        ("mermaid", "mermaid"),
        ("{python}", None),
        ('x"onclick=alert(1)', None),
        ("x" * 30, None),
        ("", None),
    ],
)
def test_a_code_block_carries_the_name_of_its_language(info, label):
    html = to_html(f"~~~{info}\ncode\n~~~")
    assert (f'<div class="highlight" data-language="{label}">' in html) == (label is not None)
    assert "onclick" not in html


@pytest.mark.parametrize(
    ("whole", "directed"),
    [
        ("سلام", "p"),
        ("# سلام", "h1"),
        ("- سلام\n\n- x", "ul"),
        ("1. سلام\n   > x", "ol blockquote"),
        ("> سلام\n>\n> # x", "blockquote"),
        ("| سلام |\n|---|\n| x |", "table"),
        ("<details>\n<summary>سلام</summary>\nx", "summary p"),
        ("    x\n", "pre"),
        ("سلام `x`", "p code"),
    ],
)
def test_each_block_has_the_direction_of_its_text_and_code_has_its_own(whole, directed):
    for html in (to_html(whole), Html(live=True).whole(*parse(whole))):
        assert re.findall(r"<(\w+) dir=", html) == directed.split()
        assert (' dir="ltr"' in html) == ("code" in directed or "pre" in directed)


@pytest.mark.parametrize("control", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
@pytest.mark.parametrize(
    "place", ["a{}b", "`a{}b`", "```\na{}b\n```", "    a{}b", "# a{}b", "[a{}b](https://e.example)", "$a{}b$"]
)
def test_a_control_of_direction_is_shown_wherever_it_stands(control, place):
    whole = place.replace("{}", control)
    shown = f"\u27e8U+{ord(control):04X}\u27e9"
    document = Document()
    document.feed(whole)
    live = json.dumps(document.patches() + document.finish(), ensure_ascii=False)
    for written in (to_html(whole), to_markdown(whole), to_plain(whole), live):
        assert control not in written
        assert shown in written


@pytest.mark.parametrize("mark", "\u200e\u200f\u061c")
def test_a_mark_of_direction_is_shown_in_code_and_does_its_work_in_prose(mark):
    shown = f"\u27e8U+{ord(mark):04X}\u27e9"
    for render in (to_html, to_markdown):
        assert mark in render(f"a{mark}b")
        for code in (f"`a{mark}b`", f"```\na{mark}b\n```", f"    a{mark}b"):
            assert mark not in render(code)
            assert shown in render(code)
