"""The attack corpus: nothing of any reply in it runs, loads or navigates by itself, in anything we write."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from display.markdown.differential import through_markdown_it, through_mistune
from display.markdown.patched import Patched
from display.markdown.safe_html import dangers

from berlin_magic.display.markdown import Document, to_html, to_markdown, to_plain

CORPUS = Path(__file__).parents[2] / "corpus"
FIRST = json.loads((CORPUS / "attacks.json").read_text("utf-8"))["attacks"]
ATTACKS = FIRST + json.loads((CORPUS / "attacks-on-elements.json").read_text("utf-8"))["attacks"]
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["id"])


def test_the_corpus_is_large_and_varied():
    assert len(ATTACKS) >= 200
    assert len({attack["mechanism"] for attack in ATTACKS}) >= 60
    assert len({attack["id"] for attack in ATTACKS}) == len(ATTACKS)


@every_attack
def test_attack_is_harmless_in_the_final_html(attack):
    html = to_html(attack["text"])
    assert dangers(html) == []
    assert commands(html) == []


@every_attack
def test_attack_is_harmless_while_it_arrives(attack):
    text = attack["text"]
    cuts = attack.get("cuts") or list(range(7, len(text), max(7, len(text) // 40)))
    document, view = Document(), Patched()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        document.feed(text[start:end])
        patches = document.patches()
        view.apply(patches)
        assert dangers(view.html()) == []
        for patch in patches:  # each piece goes to innerHTML on its own
            if patch[0] in {"add", "fill", "open"}:
                assert dangers(str(patch[-1]), slots=True) == []
    view.apply(document.finish())
    assert dangers(view.html()) == []
    assert commands(view.html()) == []


@every_attack
def test_attack_is_harmless_in_our_markdown_whoever_reads_it(attack):
    written = to_markdown(attack["text"])
    assert through_markdown_it(written) == []
    assert through_mistune(written) == []


@every_attack
def test_attack_cannot_command_a_terminal(attack):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", to_plain(attack["text"]))


def test_what_the_corpus_says_is_seen_when_the_parser_alone_renders_it():
    """The control: the same check finds most of these texts dangerous where nobody guards them."""
    raw = [attack for attack in FIRST if through_markdown_it(attack["text"])]
    assert len(raw) > 250


_FORBIDDEN = re.compile(
    r"\\(?:href|url|style|class|cssId|html\w*|require|def|let|(?:re)?newcommand|newenvironment|mmlToken|unicode|char|data|"
    r"texttip|mathtip|toggle|includegraphics|img|rule|raise|bbox|mathchoice|label|Huge)\b"
)


def commands(html: str) -> list[str]:
    """Return the dangerous TeX commands that a typesetter would find: in one text, outside of code."""
    return _FORBIDDEN.findall(re.sub(r"<code[^>]*>.*?</code>", "", html, flags=re.DOTALL))
