"""Templates: what is given for their keys, and what stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berlin_magic.errors import PromptError
from berlin_magic.prompts.expressions import Expression, expressions_in, written
from berlin_magic.prompts.templates import filled, given_in


@pytest.mark.parametrize(
    ("line", "keys", "rest"),
    [
        ("", {}, ""),
        ("Why?", {}, "Why?"),
        ("tone=dry Why a=b?", {"tone": "dry"}, "Why a=b?"),
        ("tone='very dry' n=3", {"tone": "very dry", "n": "3"}, ""),
        ('tone="it\'s" empty= x', {"tone": "it's", "empty": ""}, "x"),
        ("df={{ sales[sales.n > 1] | json }} Why?", {"df": Expression("sales[sales.n > 1]", "json", 1)}, "Why?"),
        ('df="{{ sales }}"', {"df": Expression("sales", None, 1)}, ""),
        ("a='{{x}}y'", {"a": "{{x}}y"}, ""),
    ],
)
def test_words_before_the_question_give_the_keys(line: str, keys: dict[str, object], rest: str) -> None:
    assert given_in(line) == (keys, rest)


@pytest.mark.parametrize("line", ["a=x{{ sales }}", "a={{x}}y"])
def test_braces_that_are_no_expression_want_quotes(line: str) -> None:
    with pytest.raises(PromptError, match="in quotes"):
        given_in(line)


def test_a_key_alone_in_its_braces_is_filled_and_nothing_else() -> None:
    found = filled("{{ a }} {{ a | json }} {{ a + b }} \\{{ a }}\n```\n{{ a }}\n```", {"a": Expression("n", "repr", 1)})
    assert found.pieces == (
        Expression("n", "repr", 1),
        " ",
        Expression("n", "json", 1),
        " ",
        Expression("a + b", None, 1),
        " {{ a }}\n```\n{{ a }}\n```",
    )


@settings(max_examples=200)
@given(st.text("{}ab `\n|'\\", max_size=30), st.text("{}ab `\n|'\\", max_size=30))
def test_what_is_given_is_never_an_expression(value: str, other: str) -> None:
    pieces = filled("x {{ key }} y {{ other }}", {"key": value, "other": other}).pieces
    assert "".join(map(str, pieces)) == f"x {value} y {other}" and all(isinstance(piece, str) for piece in pieces)


@pytest.mark.parametrize("evil", ["n", "__import__('os').environ", "key.upper()", "cells", "last_error", "file('/x')"])
def test_a_foreign_template_has_its_keys_alone(evil: str) -> None:
    with pytest.raises(PromptError, match=r"Line 2 of the template .* sees nothing of the notebook"):
        filled(f"{{{{ key }}}}\n{{{{ {evil} }}}}", {"key": "x"}, is_foreign=True)
    assert filled("{{ key }}", {"key": "x"}, is_foreign=True).pieces == ("x",)


def test_a_key_that_the_template_lacks_is_an_error() -> None:
    with pytest.raises(PromptError, match=r"no {{ tine }}"):
        filled("{{ tone }}", {"tone": "x", "tine": "y"})


def test_pieces_are_written_as_they_are_read() -> None:
    text = "a {{ x }} b {{ y | json }} c"
    assert written(expressions_in(text)) == text
