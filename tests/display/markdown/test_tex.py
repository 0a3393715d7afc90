"""Which TeX may reach a typesetter."""

from __future__ import annotations

import pytest

from berlin_magic.display.markdown.tex import harmless, inert


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{a}{b} \sum_{i=1}^{n} x_i \le \infty",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\left( \mathbb{R}^n \right) \quad \text{for all } x",
        r"\operatorname{softmax}(z)\; \hat{y} \, \overset{!}{=} 0",
    ],
)
def test_notation_is_left_alone(tex):
    assert harmless(tex) == tex


@pytest.mark.parametrize(
    "name", ["href", "url", "style", "class", "cssId", "require", "def", "unicode", "mmlToken", "rule", "hreff"]
)
def test_another_command_is_shown_by_its_name(name):
    safe = harmless(rf"\{name}{{x}}")
    assert rf"\{name}" not in safe
    assert name in safe


@pytest.mark.parametrize("tex", ["{", "}", "a}{b", "{" * 100 + "}" * 100, r"\begin{html}x\end{html}", r"\begin {x"])
def test_what_cannot_be_typeset_is_none(tex):
    assert harmless(tex) is None


@pytest.mark.parametrize("tex", [r"a \) b", r"a \] b", "x\\"])
def test_nothing_ends_the_delimiters_early(tex):
    safe = harmless(tex)
    assert r"\)" not in safe
    assert r"\]" not in safe
    assert not safe.endswith("\\")


@pytest.mark.parametrize("tex", ["a < b", "`", "[a](javascript:x)", "~~~", "$", "a\n\nb", "![a]", "https://x", "WWW.x"])
def test_to_a_parser_that_knows_no_math_it_is_inert(tex):
    safe = inert(tex)
    for mark in ("<", ">", "`", "](", "~", "$", "\n\n", "![", "://", "WWW."):
        assert mark not in safe


@pytest.mark.parametrize(
    "tex",
    [
        r"\ce{2H2 + O2 -> 2H2O}",
        r"\ce{SO4^2- + Ba^2+ -> BaSO4 v}",
        r"\ce{A ->[\Delta] B}",
        r"\pu{123 kJ//mol}",
        r"\ket{\psi} \bra{\phi} \braket{a|b} \ketbra{0}{1}",
        r"\Set{x | x > 0} \centernot\implies \xleftrightarrow{f}",
        r"25\celsius \coloneq \upmu \subsetneqq",
    ],
)
def test_what_the_mathjax_of_jupyterlab_has_is_typeset(tex):
    assert harmless(tex) == tex


@pytest.mark.parametrize(
    "tex",
    [
        r"\ce{\\href{javascript:alert(1)}{x}}",
        r"\ce{\\\href{x}{y}}",
        r"\ce{$\href{x}{y}$}",
        r"\ce{\{}",
        r"\ce{a % b}",
        r"\ce\ce",
        r"\ce x",
        r"\pu{\;\\style{x}{y}}",
        r"\ce{" + "H" * 600 + "}",
    ],
)
def test_no_command_is_put_together_in_chemistry(tex):
    assert harmless(tex) is None


def test_arrows_of_chemistry_are_written_as_signs_in_our_markdown():
    assert inert(r"\ce{A -> B} < \ce{C <=> D}") == "\\ce{A \u27f6 B} \\lt  \\ce{C \u21cc D}"
    assert inert(r"\ce{A <-> B}") is None


def test_a_label_and_a_colour_are_dropped():
    assert harmless(r"x \label{main} \color{red} y") == r"x   y"
