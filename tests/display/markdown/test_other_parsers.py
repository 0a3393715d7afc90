"""Our Markdown is read alike, and found harmless, by the parsers of JupyterLab, nbconvert and others."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from display.markdown.differential import check, install_marked, through_marked
from display.markdown.plain_parser import ALONE
from display.markdown.texts import text

from berlin_magic.display.markdown import to_html, to_markdown

ATTACKS = json.loads((Path(__file__).parents[2] / "corpus" / "attacks.json").read_text("utf-8"))["attacks"]


@pytest.fixture(scope="session")
def marked() -> Path:
    module = install_marked()
    if isinstance(module, str):
        pytest.skip(f"marked cannot be run: {module}")
    return module


def test_generated_texts_hold_no_danger_for_the_parsers_of_jupyterlab_and_nbconvert(marked):
    results = check([text(seed) for seed in range(600)], marked)
    assert results == {"mistune": [], "markdown-it": [], "marked": []}


def test_the_attack_corpus_holds_no_danger_for_the_parser_of_jupyterlab(marked):
    found = through_marked([to_markdown(attack["text"]) for attack in ATTACKS], marked)
    assert [attack["id"] for attack, dangers in zip(ATTACKS, found, strict=True) if dangers] == []


def test_the_check_sees_dangers_where_the_text_is_not_rewritten(marked):
    results = check([text(seed) for seed in range(100)], marked, lambda one: one)
    assert all(len(bad) > 50 for bad in results.values())


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
        assert codes(ALONE.render(to_markdown(whole))) == codes(to_html(whole)), whole
