"""Emphasis in text that parts no words by spaces, in what we show and in what we write."""

from __future__ import annotations

import re

import pytest
from display.markdown.normal_html import normal
from display.markdown.texts import text
from markdown_it import MarkdownIt

from berlin_magic.display.markdown import to_html, to_markdown

OTHER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
WRITTEN = [
    ("**重要：**请", "<strong>重要：</strong>请"),
    ("含**「重点」**内容", "含<strong>「重点」</strong>内容"),
    ("**한국어(Korean)**은", "<strong>한국어(Korean)</strong>은"),
    ("見*《書》*を", "見<em>《書》</em>を"),
    ("~~（旧）~~新", "<s>（旧）</s>新"),
    ("他说**“好”**了", "他说<strong>“好”</strong>了"),
    ("中**`code`**文", "中<strong><code>code</code></strong>文"),
    ("***重要：***请", "<em><strong>重要：</strong></em>请"),
    ("これは**太字。**です", "これは<strong>太字。</strong>です"),
    ("**100%**的", "<strong>100%</strong>的"),
]


@pytest.mark.parametrize(("typed", "shown"), WRITTEN)
def test_emphasis_needs_no_space_beside_chinese_japanese_and_korean(typed, shown):
    assert f"<p>{shown}</p>" in re.sub(r' dir="\w+"', "", to_html(typed))


@pytest.mark.parametrize(("typed", "shown"), WRITTEN)
def test_other_parsers_see_the_same_emphasis_in_our_markdown(typed, shown):
    assert OTHER.render(to_markdown(typed)) == f"<p>{shown}</p>\n"


@pytest.mark.parametrize(
    "typed", ["** a**", "a** b **c", "snake_case_名_x", "2 * 3 * 4", "中 ** 文 ** 中", "😀**!**a", "**(a)**b"]
)
def test_where_a_space_or_no_such_character_is_beside_it_a_mark_is_what_it_is_in_commonmark(typed):
    assert normal(to_html(typed)) == normal(OTHER.render(typed))


def test_emphasis_that_ends_in_an_escaped_mark_is_seen_by_other_parsers():
    assert OTHER.render(to_markdown("*(a\\**)*b")) == OTHER.render("*(a\\**)*b")
    assert "<em>a*</em>" in OTHER.render(to_markdown("*a\\** b"))


def test_the_emphasis_of_any_text_is_the_same_in_our_markdown():
    different = 0
    for seed in range(400):
        ours, theirs = to_html(text(seed)), OTHER.render(to_markdown(text(seed)))
        for tag in ("<em>", "<strong>", "<s>"):
            different += ours.count(tag) != theirs.count(tag)
    assert different <= 4  # three marks that CommonMark does not pair, by its rule of three
