"""Which replies are saved as Markdown alone: those of which no parser makes more than plain formatting."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cpu_time import measured
from display.markdown.differential import check, install_marked, through_markdown_it, through_mistune, through_node
from display.markdown.test_other_parsers import OTHER, codes
from display.markdown.texts import text
from display.replies import long_reply
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown import needs_html, to_html, to_markdown

CORPUS = Path(__file__).parents[2] / "corpus"
ATTACKS = [
    attack
    for name in ("attacks.json", "attacks-on-elements.json")
    for attack in json.loads((CORPUS / name).read_text("utf-8"))["attacks"]
]
PLAIN = [attack for attack in ATTACKS if not needs_html(attack["text"])]


def framed(reply: str) -> str:
    return to_markdown(reply, framed=True)


SUFFICIENT = [
    "",
    "Hello.",
    "# Title\n\n**bold**, *emphasis*, ~~gone~~, `code`, 3 < 4 > 2, a && b, 100 % & more, naïve café – “quotes” → 😀",
    "A [link](https://example.org/a_b?c=d#e) and https://example.org/x. Write to mailto or someone@example.org.",
    "1. one\n2. two\n   - three\n\n> quote\n\n---",
    "| a | b |\n|---|--:|\n| 1 | 2 |",
    '```python\nif a < b and c <= d:  # x[1:2]\n    print("a\\tb\\n", a << 3, a // b)\n```',
    "~~~\nplain code // a comment\n~~~\n\n    indented",
    long_reply(5000),
]


@pytest.mark.parametrize("reply", SUFFICIENT)
def test_plain_formatting_needs_no_html(reply: str) -> None:
    assert not needs_html(reply)


NEEDED = {
    "an element": "a <b>c</b>",
    "an element in code": "`<b>`",
    "a generic type in a fence": "```java\nList<String> x;\n```",
    "a comment": "a <!-- b -->",
    "an end tag": "a </b",
    "a letter beyond ASCII": "<\u0130mg>",
    "an autolink": "<https://example.org>",
    "math": "$x$",
    "a price": "it costs $5",
    "math in brackets": "\\(x\\)",
    "an environment": "```\n\\begin{align}\n```",
    "an escape": "a \\* b",
    "a reference": "a &amp; b",
    "a numeric reference": "a &#60; b",
    "an image": "![a](https://example.org/a.png)",
    "an image without an address": "![a]",
    "a link that runs": "[a](javascript:alert)",
    "a link over two lines": "[a](\njavascript:alert)",
    "a link beside the page": "[a](b.html)",
    "a link in code": "```md\n[a](https://example.org)\n```",
    "a link with a title": '[a](https://example.org "b")',
    "a link with a user name": "[a](https://bank.example@stranger.example)",
    "an address with a user name": "https://bank.example%40stranger.example/",
    "an address without a scheme": "//stranger.example",
    "a definition": "[a]: https://example.org",
    "a definition in a quote": "> [a]: https://example.org",
    "a task": "- [ ] a",
    "a task that is done": "1. [x] a",
    "a task without text": "- [x]\n  a",
    "a task in a list in a list": "- - [ ] a",
    "a task in a list in a quote in a list": "- > 1. [x] a",
    "a table in a quote": "> | a | b |\n> |---|---|\n> | 1 | 2 |",
    "a table in a list": "- a | b\n  :-- | --\n  1 | 2",
    "a number sign after a no-break space": "\u00a0#",
    "an item after a wide space": "a\n\n> \u2003+ b",
    "a rule after a wide space": "- \u2003--",
    "an underline after a wide space": "a\n \u2003=",
    "a heading that ends after a no-break space": "# a\u00a0##",
    "an underlined heading that ends with a number sign": "I love C #\n===",
    "a second-level heading of that kind": "> C #\n> ---",
    "an underlined heading of two lines": "a  \nb\n---",
    "emphasis beside emphasis": "_a_*b*",
    "emphasis beside emphasis, the other way": "*a*_b_c",
    "strong text beside strong text": "**a****b**",
    "code in two marks": "`` ` ``*a*b`` ` ``",
    "a fence with attributes": '```py {onclick="a"}\nb\n```',
    "a fence in a line": "a ```b``` c",
    "Hebrew": "\u05e9\u05dc\u05d5\u05dd",
    "Arabic": "\u0633\u0644\u0627\u0645",
    "Chinese": "\u4f60\u597d",
    "Japanese": "\u3053\u3093",
    "Korean": "\uc548\ub155",
    "wide punctuation": "a\uff08b\uff09",
    "an override": "a\u202eb",
    "a zero-width space": "a\u200bb",
    "a tag character": "a\U000e0041",
    "an escape sequence": "a\x1b[31m",
    "a carriage return": "a\rb",
    "a line separator": "a\u2028b",
    "deep quotes": ">" * 10 + " a",
    "deep lists": "- " * 10 + "a",
    "a very long line": "a " * 20_000,
}


@pytest.mark.parametrize("reply", NEEDED.values(), ids=NEEDED.keys())
def test_what_may_be_more_needs_html(reply: str) -> None:
    assert needs_html(reply)
    assert needs_html(f"Before.\n\n{reply}\n\nAfter.") or reply.startswith("```")


def test_nearly_all_attacks_need_html() -> None:
    assert len(PLAIN) < len(ATTACKS) // 20


@pytest.mark.parametrize("attack", PLAIN, ids=lambda attack: attack["id"])
def test_an_attack_that_needs_none_is_harmless_as_markdown_whoever_reads_it(attack: dict[str, str]) -> None:
    written = framed(attack["text"])
    assert through_markdown_it(written) == []
    assert through_mistune(written) == []


def test_no_attack_that_needs_none_is_a_danger_for_parsers_in_javascript() -> None:
    module = install_marked()
    if isinstance(module, str):
        pytest.skip(f"marked cannot be run: {module}")
    found = through_node([framed(attack["text"]) for attack in PLAIN], module)
    assert [attack["id"] for attack, dangers in zip(PLAIN, found, strict=True) if dangers] == []


def test_generated_texts_that_need_none_hold_no_danger_with_frames_around_their_code() -> None:
    module = install_marked()
    if isinstance(module, str):
        pytest.skip(f"marked cannot be run: {module}")
    without = [reply for reply in map(text, range(4000)) if not needs_html(reply)]
    assert len(without) > 50
    results = check(without, module, framed)
    assert results == {"mistune": [], "markdown-it": [], "node": []}


def test_the_check_sees_dangers_where_the_raw_text_is_taken_for_plain() -> None:
    """The control: of the attacks that need HTML, most are a danger to a parser that reads them as they are."""
    needing = [attack for attack in ATTACKS if needs_html(attack["text"])]
    assert sum(bool(through_markdown_it(attack["text"])) for attack in needing) > 250


@pytest.mark.parametrize("frame", ["{}", "> {}", "- a\n\n  {}", "1. {}"])
def test_code_in_a_frame_holds_exactly_the_code_of_the_reply(frame: str) -> None:
    margin = re.split(r"\{\}", frame)[0].rpartition("\n")[2]
    inner = "".join(char if char in "> " else " " for char in margin)
    for code in ("x", "", "a\n\n\nb", "  indented\n\ttab", "> quote\n- item", "~~~", "| a |"):
        fence = f"````python\n{code}\n````".replace("\n", f"\n{inner}")
        reply = f"before\n\n{frame.replace('{}', fence)}\n\nafter"
        assert codes(OTHER.render(framed(reply))) == codes(to_html(reply)), reply


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("<>&$\\![](){}:/`~*_#|-+ \n\tabx1\u05d0\u4f60\u202e"), max_size=60))
def test_without_html_no_text_has_a_character_that_begins_markup_or_math(reply: str) -> None:
    if not needs_html(reply):
        assert not re.search(r"<[a-z/!?]|\$|!\[|\\[()\[\]]|[\u05d0\u4f60\u202e]", reply)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "](",
        "```\n",
        "- ",
        "> ",
        "&a",
        "\n",
        "~~~",
        "1. ",
        "a]\n(",
        "```a\n",
        " ",
        "https://",
        "a\n> ",
        "-",
        "#",
        "|-",
    ],
)
def test_looking_costs_no_more_than_the_length(piece: str) -> None:
    def cost(size: int) -> float:
        with measured() as seconds:
            needs_html(piece * (size // len(piece)))
        return seconds[0]

    assert min(cost(160_000) for _ in range(3)) < 4 * min(cost(80_000) for _ in range(3)) + 0.02
