"""The Markdown of a whole reply, written anew."""

from __future__ import annotations

import pytest
from pygments.lexers import get_lexer_by_name

from berlin_magic.display.markdown import to_markdown
from berlin_magic.display.markdown.languages import GRAMMARS


@pytest.mark.parametrize(
    "plain",
    [
        "# Title\n\nA *fine* and **plain** reply with `code`, ~~no~~ and [a link](https://e.example/x).\n",
        "- a\n- b\n\n1. x\n2. y\n",
        "> said\n> so\n",
        "```python\nprint('<b>', \"$x$\", a[0], `x`)\n```\n",
        "| a | b |\n| :-- | :-: |\n| 1 | **2** |\n",
        "Inline $x^2$ and\n\n$$\n\\frac{a}{b}\n$$\n",
        "- [ ] to do\n- [x] done\n",
    ],
)
def test_plain_markdown_comes_out_as_it_went_in(plain):
    assert to_markdown(plain) == plain


def test_what_is_written_is_stable():
    once = to_markdown("1) a\n2) b\n\n* x\n\n  y\n\n<b> & [z] _u_ snake_case ***w***\n\n    code\n")
    assert to_markdown(once) == once


def test_raw_html_is_text():
    assert to_markdown("<script>alert(1)</script>") == "&#60;script&#62;alert(1)&#60;/script&#62;\n"


def test_images_are_links_that_show_their_address():
    assert to_markdown("![a](https://e.example/i.png)") == (
        "[a (https&#58;&#47;/e.example/i.png)](https://e.example/i.png)\n"
    )


def test_reference_definitions_are_gone_and_their_links_carry_their_addresses():
    assert to_markdown("[a][r] [b]\n\n[r]: https://e.example\n") == "[a](https://e.example) &#91;b&#93;\n"


@pytest.mark.parametrize("code", ["$$", "\\\\[x\\\\]", "\\begin{x}", "@@0@@"])
def test_code_that_a_search_for_math_would_look_into_is_text(code):
    assert "`" not in to_markdown(f"`{code}`")


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_fence_names_a_language_as_pygments_does(name: str) -> None:
    """Else nbconvert shows the name as a line of the code."""
    written = to_markdown(f"```{name}\nx\n```").splitlines()[0].strip("`")
    assert not written or get_lexer_by_name(written)


def test_a_fence_names_only_languages_and_none_that_a_front_end_draws():
    assert to_markdown("```mermaid\nx\n```") == "```\nx\n```\n"
    assert to_markdown('```py"><b>\nx\n```') == "```\nx\n```\n"


def test_two_lists_in_a_row_stay_two():
    assert to_markdown("- a\n\n+ b") == "- a\n\n* b\n"


def test_an_empty_reply_is_empty():
    assert to_markdown("") == ""


@pytest.mark.parametrize(
    "nested", ["- a\n  - b\n    1. c\n    2. d\n  - e\n- f\n", "1. a\n   b\n2. c\n   - d\n", "- a\n  - b\n"]
)
def test_a_tight_list_in_a_tight_list_stays_tight(nested):
    assert to_markdown(nested) == nested


def test_a_list_that_could_not_follow_a_paragraph_has_an_empty_line_before_it():
    assert to_markdown("- a\n\n  3. b\n- c\n") == "- a\n\n  3. b\n\n- c\n"
