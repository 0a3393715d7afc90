"""Grammars: nothing is read twice, nothing is lost."""

from __future__ import annotations

import re

import pytest
from display.markdown.linear import complaints
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.display.markdown.grammar import Grammar, until
from berlin_magic.display.markdown.languages import GRAMMARS


def with_inner(name: str, grammar: Grammar) -> dict[str, Grammar]:
    """Return a grammar, and those of what is in it."""
    found = {name: grammar}
    for at, (mark, _) in enumerate(grammar.rules):
        if isinstance(mark, Grammar):
            found |= with_inner(f"{name}-{at}", mark)
    return found


ALL = {name: grammar for first, outer in GRAMMARS.items() for name, grammar in with_inner(first, outer).items()}
NAMES = sorted({id(grammar): name for name, grammar in ALL.items()}.values())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_read_and_then_given_up(name):
    pattern = ALL[name].pattern
    assert complaints(pattern.pattern, pattern.flags) == []


@pytest.mark.parametrize(
    "pattern",
    [
        r'"[^"]*"',  # a string that is never closed, again from each quote
        r"\s*\n",
        r"(?:a+b)*c",
        r"<(?:[^>]+>)?\w*=",
        r"/\*.*?\*/",
        r"\w+(?=\()",
        r"(?=\w*:)a",
        r"(?:x|[a-z]*)y",
        r"(?>a*)b",
        r"a*+$",
        r"(a{0,1000})b",
    ],
)
def test_what_may_be_slow_is_noticed(pattern):
    assert complaints(pattern, 0)


@pytest.mark.parametrize(
    "pattern", [r'"[^"]*"?', r"a{0,40}b", r"(?:[^*]+|\*(?!/))*(?:\*/)?", r"\w+(?:\.\w+)?", r"ab|c*"]
)
def test_what_cannot_be_slow_is_not_complained_about(pattern):
    assert complaints(pattern, 0) == []


@given(st.text(alphabet="ab\\\n*/", max_size=30))
@settings(deadline=None)
def test_a_text_goes_up_to_its_end_or_to_the_end_of_the_code(code):
    found = re.match(until("*/", lines=True), code)
    assert found is not None
    assert found[0] == (code[: code.index("*/") + 2] if "*/" in code else code)


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ('a" b', 'a"'),
        (r'a\" b" c', r'a\" b"'),
        ("a\nb", "a"),
        ("a\\\nb", "a\\\nb"),  # a line that a backslash continues
        ("a\\", "a"),
    ],
)
def test_a_string_ends_with_its_quote_or_its_line(code, read):
    assert re.match(until('"', escape=True), code)[0] == read


ODD = st.text(alphabet="ab_ \n\t'\"`\\/*#<>{}()[]%$@!?.,:;=+-&|~^0e\r\x00é𝒜\ud800", max_size=60)
WORDS = st.sampled_from(
    ["def ", "class ", "<<A\n", 'R"x(', "<script>", "{{", "'''", "/*", "--[[", ">>> ", "$ ", "match "]
)


@given(st.lists(ODD | WORDS, max_size=8).map("".join), st.sampled_from(sorted(GRAMMARS)))
@settings(max_examples=500, deadline=None)
def test_the_pieces_are_the_code(code, name):
    pieces = list(GRAMMARS[name].pieces(code))
    assert "".join(text for _, text in pieces) == code
    assert all(text for _, text in pieces)


DEMO = Grammar(keywords="if def class", builtins="len", functions="def", classes="class", comments="#", keys=":")


def coloured(code: str, grammar: Grammar) -> list[tuple[str, str]]:
    return [(mark, text) for mark, text in grammar.pieces(code) if mark]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f", [("k", "def"), ("nf", "f")]),
        ("def\nf", [("k", "def"), ("nf", "f")]),
        ("def (f", [("k", "def")]),
        ("def # f", [("k", "def"), ("c", "# f")]),
        ("class if", [("k", "class"), ("nc", "if")]),
        ("a.if len a.len", [("nb", "len")]),
        ("0..if", [("m", "0"), ("k", "if")]),
        ("len : a: if:", [("nt", "len"), ("nt", "a"), ("k", "if")]),
        ("IF", []),
        ("ifs", []),
        ("1.5e-3+0x1F", [("m", "1.5e-3"), ("m", "0x1F")]),
    ],
)
def test_words_are_known_by_where_they_stand(code, expected):
    assert coloured(code, DEMO) == expected


def test_capital_letters_count_only_where_the_language_says_so():
    assert coloured("IF If", Grammar(keywords="if", fold=True)) == [("k", "IF"), ("k", "If")]
