"""Which double braces of a prompt are expressions, and where they end."""

from __future__ import annotations

import pytest

from berlin_magic.errors import PromptError
from berlin_magic.prompts.expressions import LEVELS, Expression, expressions_in, file_in, names_in


def only(prompt: str) -> Expression:
    (expression,) = [part for part in expressions_in(prompt) if isinstance(part, Expression)]
    return expression


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "print({'foo': 'bar'})",
        'f"{x}"',
        "fn main() { let v = vec![1]; }",
        '{"a": {"b": {"c": 1}}}',
        r"\frac{a}{b^{2}}",
        "$x and !x and {x}",
        "a } } b }} c",
        "```jinja\n{{ user.name }}\n```",
        "~~~\n{{ x }}\n~~~",
        "````\n```\n{{ x }}\n````",
        "```\n{{ never closed",
        "   ```\n{{ x }}\n   ```",
    ],
)
def test_what_holds_no_expression_goes_out_unchanged(text: str) -> None:
    assert expressions_in(text) == ([text] if text else [])


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("{{df}}", "df"),
        ("{{  df.a.mean()  }}", "df.a.mean()"),
        ("{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}"),
        ("{{{'a': {'b': 1}}}}", "{'a': {'b': 1}}"),
        ("{{{x}}}", "{x}"),
        ("{{ '}}' }}", "'}}'"),
        ("{{ f'{x}' }}", "f'{x}'"),
        ("{{ a | b }}", "a | b"),
        ("{{ a | repro }}", "a | repro"),
        ("{{ (a | full).b }}", "(a | full).b"),
        ("{{ await f() }}", "await f()"),
        ("{{ df\n.head(2) }}", "df\n.head(2)"),
        ("{{ x }} }}", "x"),
    ],
)
def test_an_expression_ends_at_the_first_braces_that_leave_valid_python(prompt: str, code: str) -> None:
    assert only(prompt).code == code and only(prompt).level is None


@pytest.mark.parametrize("level", LEVELS)
def test_a_final_word_behind_a_bar_is_a_level(level: str) -> None:
    assert only(f"{{{{ df | {level} }}}}") == Expression("df", level, 1)  # type: ignore[arg-type]
    assert only(f"{{{{df|{level}}}}}").level == level
    assert only(f"{{{{ a | b | {level} }}}}") == Expression("a | b", level, 1)  # type: ignore[arg-type]


def test_text_and_expressions_come_in_their_order_with_their_lines() -> None:
    prompt = "One {{ a }}\ntwo {{ b }}{{ c | json }}.\n```\n{{ d }}\n```\n{{ e }}"
    assert expressions_in(prompt) == [
        "One ",
        Expression("a", None, 1),
        "\ntwo ",
        Expression("b", None, 2),
        Expression("c", "json", 2),
        ".\n```\n{{ d }}\n```\n",
        Expression("e", None, 6),
    ]


def test_a_backslash_sends_the_braces_themselves() -> None:
    assert expressions_in(r"Jinja writes \{{ name }} here") == ["Jinja writes {{ name }} here"]
    assert expressions_in(r"\{{ a }} {{ b }}") == ["{{ a }} ", Expression("b", None, 1)]


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ("{{}}", 1),
        ('println!("{{}}");', 1),
        ("Look:\n\n{% for x in y %}{{ x | upper: 1 }}{% endfor %}", 3),
        ("{{ for x in y }}", 1),
        ("{{ never closed", 1),
        ('{{"a": 1}}', 1),
        ("{{ | full }}", 1),
        ("```\nok\n```\n{{ 1 + }}", 4),
    ],
)
def test_braces_that_hold_no_expression_are_an_error_that_names_the_line(prompt: str, line: int) -> None:
    with pytest.raises(PromptError) as caught:
        expressions_in(prompt)
    assert f"Line {line} " in str(caught.value)
    assert "--no-expand" in str(caught.value) and "\\{{" in str(caught.value) and "```" in str(caught.value)


def test_a_text_of_braces_costs_little() -> None:
    with pytest.raises(PromptError):
        expressions_in("{{ (" + "}}" * 50_000)
    assert len(expressions_in("{ } " * 100_000)) == 1


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("df", ["df"]),
        ("df.head(n)[a:b]", ["a", "b", "df", "n"]),
        ("[x + y for x in rows if len(x) > n]", ["n", "rows", "y"]),
        ("(lambda x: x + k)(3)", ["k"]),
        ("(y := df).a + y", ["df"]),
        ("await load(path)", ["load", "path"]),
        ("sum(row['n']\n for row in rows)", ["rows"]),
        ("f'{x:{width}}'", ["width", "x"]),
        ("3", []),
        ("df  # a comment", ["df"]),
        ("(yield df)", ["df"]),
    ],
)
def test_the_names_that_an_expression_looks_up(code: str, names: list[str]) -> None:
    assert names_in(code) == names


@pytest.mark.parametrize(
    ("code", "path"),
    [("file('a.md')", "a.md"), ("file(path)", ""), ("file('a', 1)", ""), ("file('a').upper()", ""), ("a[1:", "")],
)
def test_the_file_that_an_expression_reads(code: str, path: str) -> None:
    assert file_in(code) == path
