"""Where a formula stands, and which text is none."""

from __future__ import annotations

import re

import pytest

from berlin_magic.display.markdown import to_html, to_markdown
from berlin_magic.display.markdown.formula import find
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.tree import parse


def body(whole: str) -> str:
    return Html().whole(*parse(whole)).replace(' dir="auto"', "")


@pytest.mark.parametrize(
    "formula",
    [
        r"$S = \{1, 2, 3\}$",
        r"$\|v\|$",
        r"$50\%$",
        r"$x\,$",
        r"$x\;$",
        r"$a\_$",
        r"$\text{US\$}$",
        r"$5\$$",
        "$n log n$",
        "$x, y$",
        "$2$",
        "$x and y$",
        "$speed = distance / time$",
        r"\(x\)",
        r"\[x\]",
        r"\begin{pmatrix} a \\ b \end{pmatrix}",
        r"$\ce{2H2 + O2 -> 2H2O}$",
        r"$\ket{\psi}\bra{\phi}$",
    ],
)
def test_math_is_found_whole(formula):
    found = find(formula, 0)
    assert found is not None
    assert found.end == len(formula)


@pytest.mark.parametrize(
    "text",
    [
        "10$, not 20$",
        "US$/CA$",
        "PATH=$PATH:$HOME/bin",
        "export PATH=$HOME/bin:$PATH",
        "$HOME:$PATH",
        "${A}/${B}",
        "$FOO,$BAR",
        "from $5 to $10",
        "$5-$10",
        "it is $20 for a friend and 30$",
        "100$ or 200$.",
        "A$, NZ$ and US$",
        "$1$2",
        r"$C:\Users$name" + "\n",
        "$$",
        "$ x $",
        r"\(a",
        r"\begin{itemize} x \end{itemize}",
        r"\begin{align} x \end{gather}",
    ],
)
def test_text_is_not_math(text):
    assert "berlin-math" not in body(text) or "Users" in text


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("the $n$th of $k$NN", ["n", "k"]),
        (r"H$_2$O at 10$^{-3}$ and 45$^\circ$C", ["_2", "^{-3}", r"^\circ"]),
        ("设$x$为整数", ["x"]),
        ("($x$), “$y$” and $z$.", ["x", "y", "z"]),
        (r"it costs \$5 and $x$", ["x"]),
        ("PATH=$PATH:$HOME/bin, H$_2$O", ["_2"]),
    ],
)
def test_math_is_found_beside_letters_and_marks(text, formulas):
    assert re.findall(r"\\\((.*?)\\\)", body(text)) == formulas


@pytest.mark.parametrize("mark", ["-", "+", "*", "#", ">", "1.", "2)", "=", "---", "|"])
@pytest.mark.parametrize(
    ("opening", "closing"),
    [("$$ f = a", "$$"), ("$$", "b $$"), (r"\[ f", r"\]"), (r"\begin{align*}", r"\end{align*}")],
)
@pytest.mark.parametrize("before", ["", "so\n", "- item\n\n  "])
def test_a_line_of_a_display_formula_begins_no_block(mark, opening, closing, before):
    indent = "  " if before.startswith("-") else ""
    html = body(f"{before}{opening}\n{indent}{mark} b\n{indent}{closing}\nafter")
    assert html.count('<div class="berlin-math">') == 1
    assert not re.search("<(h1|h2|hr|blockquote|ol|table)", html)
    assert "<p>after</p>" in html or "after" in html.split("</div>")[1]
    assert html.count("<li>") == before.count("-")


@pytest.mark.parametrize("closing", ["$$", "$$.", "x $$ ,", "  $$"])
def test_a_display_formula_may_end_with_a_punctuation_mark(closing):
    assert '<div class="berlin-math">' in body(f"$$\n- a\n{closing}")


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("$$ per month:\n- a\n- b\n\nnext", "per month:\n- a\n- b\n\nnext"),
        ("$$\n# head\n\nx", "# head\n\nx"),
        ("para\n\\[a\n> b", "para\na\n> b"),
        ("- \\[a\n  - b\n\n  c", "- a\n  - b\n\n  c"),
        ("\\begin{align}\n```\nx\n```", "\n```\nx\n```"),
        ("$$ a\n1. b\n", "a\n1. b\n"),
    ],
)
def test_the_lines_of_a_formula_that_never_ends_are_what_they_are_without_it(text, without):
    blocks = re.findall(r"</?(?:li|ul|ol|blockquote|pre|h\d)", body(text))
    assert blocks == re.findall(r"</?(?:li|ul|ol|blockquote|pre|h\d)", body(without))
    assert blocks


def test_a_formula_that_a_paragraph_began_ends_in_it():
    assert body("so $$a\n$$ and") == '<p>so <span class="berlin-math">\\[a\\]</span> and</p>\n'


ROWS = [
    ("| $|x|$ | b |", ["$|x|$", "b"]),
    (r"| $P(A\|B)$ | b |", ["$P(A|B)$", "b"]),
    ("| $P(A | B)$ | b |", ["$P(A | B)$", "b"]),
    (r"| $\{x | x > 0\}$ | b |", [r"$\{x | x > 0\}$", "b"]),
    (r"| \(|a|\) | b |", [r"\(|a|\)", "b"]),
    ("| $5 | 6$ |", ["$5", "6$"]),
    ("| $5 | $6 |", ["$5", "$6"]),
    ("| US$|CA$ |", ["US$", "CA$"]),
    ("|$a|$b|", ["$a", "$b"]),
    (r"| \$x|y\$ | b", [r"\$x", r"y\$", "b"]),
]


@pytest.mark.parametrize(("row", "cells"), ROWS)
def test_a_pipe_in_a_formula_parts_no_cells(row, cells):
    root, _ = parse(f"| a | b | c |\n|---|---|---|\n{row}\n")
    assert root.children[0].rows == [cells + [""] * (3 - len(cells))]


def test_a_pipe_in_a_formula_parts_no_cells_in_our_markdown_either():
    written = to_markdown("| a | b |\n|---|---|\n| $|x|$ | $\\|v\\|$ |\n")
    assert written.splitlines()[-1] == r"| $\vert x\vert$ | $\vert v\vert$ |"


@pytest.mark.parametrize("line", ["- b", "# b", "1. b", "* b", "+ b", "=== b", "> b", "| b"])
def test_no_line_of_a_formula_in_our_markdown_begins_a_block(line):
    written = to_markdown(f"$$\na\n{line}\n$$")
    assert written.startswith("$$\na")
    assert not re.search(r"^([-#*+=|>]|\d)", written, re.MULTILINE)
    assert not re.search(r"^([-#*+=|>]|\d)", to_markdown(f"$$\n{line}\n$$"), re.MULTILINE)


def test_a_comment_in_a_formula_hides_nothing_of_our_markdown():
    assert to_markdown("so $a % b\nc \\% d$") == "so $a c \\% d$\n"


def test_an_environment_is_a_formula_by_itself():
    html = to_html("\\begin{align*}\na &= b \\\\\n- c &= d\n\\end{align*}")
    assert "\\[\\begin{align*}\na &amp;= b" in html
    assert "<ul>" not in html
