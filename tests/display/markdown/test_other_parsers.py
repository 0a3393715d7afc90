"""Our Markdown is read alike, and found harmless, by the parsers of JupyterLab, nbconvert and others."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from display.markdown.differential import check, install_marked, through_node
from display.markdown.texts import text
from markdown_it import MarkdownIt

from berlin_magic.display.markdown import to_html, to_markdown

CORPUS = Path(__file__).parents[2] / "corpus"
ATTACKS = [
    attack
    for name in ("attacks.json", "attacks-on-elements.json")
    for attack in json.loads((CORPUS / name).read_text("utf-8"))["attacks"]
]


@pytest.fixture(scope="session")
def marked() -> Path:
    module = install_marked()
    if isinstance(module, str):
        pytest.skip(f"marked cannot be run: {module}")
    return module


def test_generated_texts_hold_no_danger_for_the_parsers_of_jupyterlab_and_nbconvert(marked):
    results = check([text(seed) for seed in range(600)], marked)
    assert results == {"mistune": [], "markdown-it": [], "node": []}


def test_the_attack_corpus_holds_no_danger_for_parsers_in_javascript(marked):
    found = through_node([to_markdown(attack["text"]) for attack in ATTACKS], marked)
    assert [attack["id"] for attack, dangers in zip(ATTACKS, found, strict=True) if dangers] == []


def test_the_check_sees_dangers_where_the_text_is_not_rewritten(marked):
    results = check([text(seed) for seed in range(100)], marked, lambda one: one)
    assert all(len(bad) > 50 for bad in results.values())


OTHER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class _Codes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.codes: list[str] = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        if tag == "pre":
            self._inside = True
            self.codes.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data):
        if self._inside:
            self.codes[-1] += data


def codes(html: str) -> list[str]:
    parser = _Codes()
    parser.feed(html)
    parser.close()
    return parser.codes


def test_code_blocks_in_our_markdown_hold_exactly_the_code_of_the_reply():
    for seed in range(600):
        whole = text(seed)
        assert codes(OTHER.render(to_markdown(whole))) == codes(to_html(whole)), whole


ACTIVE = [
    "<script>alert(1)</script>",
    "x <SCRIPT src=//stranger.example>",
    "<img src=x onerror=alert(1)>",
    "<x/onclick=alert(1)>",
    "<x\nstyle\n=\n'x'>",
    "<!--",
    "<![CDATA[",
    "<?php",
    "</textarea><b onclick=alert(1)>",
    "![x](https://stranger.example/i.png)",
    "![x][y]",
    "[x](javascript:alert(1))",
    "[x] (java&#10;script:alert(1))",
    "[x](//stranger.example)",
    "[x]: javascript:alert(1)",
]


@pytest.mark.parametrize("code", ACTIVE)
@pytest.mark.parametrize(
    "place", ["```python\n{}\n```", "    {}", "`{}`", "- a\n\n      {}", "> ~~~\n> {}", "<details>\n```\n{}"]
)
def test_code_that_would_do_something_elsewhere_is_written_in_references_and_reads_the_same(code, place):
    whole = place.replace("{}", code.replace("\n", " "))
    written = to_markdown(whole)
    assert not re.search(r"<(?!/?(?:pre|code|details)>)|\]\s*[(:\[]", written)
    shown = unescape(re.sub("<[^<>]*>", "", OTHER.render(written)))
    assert code.replace("\n", " ") in shown


@pytest.mark.parametrize(
    "code",
    [
        "#include <vector>\nvector<int> x;",
        "if (i<n) x[i](y) = 1;",
        "vec![1, 2]",
        "a < b and c > d",
        "Map<String, List<T>> m;",
    ],
)
def test_code_that_does_nothing_elsewhere_stays_in_its_fence(code):
    assert to_markdown(f"```cpp\n{code}\n```") == f"```cpp\n{code}\n```\n"


def test_two_slashes_are_no_address_to_a_parser_that_looks_for_some(marked):
    texts = [
        "//stranger.example",
        "x //stranger.example/y",
        "$//stranger.example$",
        "a//b",
        r"\([x](javascript:alert(1))\)",
    ]
    assert through_node([to_markdown(one) for one in texts], marked) == [[]] * len(texts)
