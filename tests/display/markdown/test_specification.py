"""The examples of the CommonMark specification come out as the parser alone gives them.

All 652 do: none of them has in it what is read here beyond CommonMark (formulas and environments, the elements of
`elements`, emphasis and addresses beside Chinese, Japanese and Korean characters, pipes in formulas).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from display.markdown.normal_html import normal
from display.markdown.plain_parser import ALONE, permissive

EXAMPLES = json.loads((Path(__file__).parent / "commonmark-0.31.2.json").read_text("utf-8"))["examples"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["number"]))
def test_example_comes_out_as_the_parser_alone_gives_it(example, monkeypatch):
    text = example["markdown"]
    assert normal(permissive(text, monkeypatch)) == normal(ALONE.render(text))


@pytest.mark.parametrize(
    "example",
    [e for e in EXAMPLES if e["section"] not in {"HTML blocks", "Raw HTML"}],
    ids=lambda example: str(example["number"]),
)
def test_example_without_raw_html_comes_out_as_the_specification_says(example, monkeypatch):
    alone = normal(ALONE.render(example["markdown"]))
    if alone != normal(example["html"]):
        pytest.skip("raw HTML, or a link that the parser itself refuses")
    assert normal(permissive(example["markdown"], monkeypatch)) == alone
