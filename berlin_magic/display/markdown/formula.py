r"""Find the formulas in a paragraph or in a table's row.

A formula is ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``, or an environment such as ``\begin{align*}…\end{align*}``. A
dollar is also a currency and the mark of a shell's variable, so a single one has to look like math:

- as in Pandoc, nothing but a space is forbidden right after the first and right before the last dollar, and no digit
  may follow the last (``$5 and $10``);
- no letter or digit may be right before the first dollar, unless TeX follows it at once: ``US$``, ``10$`` and
  ``PATH=$PATH`` are text, ``H$_2$O`` and ``10$^{-3}$`` are math;
- no letter follows the last dollar, unless what is between is TeX or one letter, or an ordinal ends there:
  ``$HOME:$PATH`` is text, ``$n$th`` and ``$k$NN`` are math;
- words and numbers alone are prose: ``$20 for a friend and 30$``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from berlin_magic.display.markdown.tex import ENVIRONMENTS, harmless

__all__ = ["BEGIN", "HIDDEN_PIPE", "Formula", "find", "hide_pipes"]

HIDDEN_PIPE = "\0"  # no text has this character: `tidy` replaces it

_NAMES = "|".join(re.escape(name) for name in sorted(ENVIRONMENTS, reverse=True))
BEGIN = rf"\\begin\{{(?P<name>{_NAMES})\}}"
"""The pattern of the beginning of an environment that is a formula by itself."""

_FORMULA = re.compile(
    rf"""
      \$\$ (?P<dollars> (?: [^$\\] | \\. )+ ) \$\$
    | \$ (?P<dollar> (?![\s$]) (?: [^$\\] | \\. )*? (?: [^\s$\\] | \\. ) ) \$ (?![0-9${{_^])
    | \\\( (?P<round> (?: [^\\] | \\[^()] )+ ) \\\)
    | \\\[ (?P<square> (?: [^\\] | \\[^\[\]] )+ ) \\\]
    | (?P<environment> {BEGIN} (?: [^\\] | \\(?! (?:begin|end)\{{(?P=name)\}} ). )* \\end\{{(?P=name)\}} )
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST = 2000  # characters
_TEX = re.compile(r"\\[A-Za-z]|\^")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)(?![A-Za-z0-9_$])")
_LETTER_OR_DIGIT = re.compile(r"\w", re.ASCII)
_SPACED_PIPE = re.compile(r"(?<=\s)\|(?=\s)")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_START = re.compile(r"\$|\\.")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula in a text: its TeX without the delimiters, the place where it ends, and whether it is displayed."""

    tex: str
    end: int
    display: bool


def find(text: str, at: int, most: int | None = None) -> Formula | None:
    """Return the formula that begins at `at` and ends before `most`; None if there is none that is safe."""
    found = _FORMULA.match(text, at, min(len(text) if most is None else most, at + _MOST))
    if found is None:
        return None
    kind = next(kind for kind in ("dollars", "dollar", "round", "square", "environment") if found[kind] is not None)
    tex = found[kind].strip()
    if "`" in tex or not re.search(r"\w", tex) or (kind == "dollar" and not _looks_like_math(text, found)):
        return None
    if harmless(tex) is None:
        return None
    return Formula(tex, found.end(), kind in {"dollars", "square", "environment"})


def _looks_like_math(text: str, found: re.Match[str]) -> bool:
    tex = found["dollar"]
    if _LETTER_OR_DIGIT.match(text[found.start() - 1 : found.start()]) and tex[0] not in "_^\\":
        return False
    follows = text[found.end() : found.end() + 3]
    if follows[:1].isascii() and follows[:1].isalpha():
        return bool(_TEX.search(tex)) or tex[0] == "_" or (len(tex) == 1 or bool(_ORDINAL.match(follows)))
    words = [word.strip(".,;:!?()'\"") for word in tex.split()]
    is_prose = all(map(str.isalnum, words)) and any(len(word) > 1 and word.isalpha() for word in words[1:])
    return not (is_prose and (len(words[0]) > 1 or words[0].isdigit()))


def hide_pipes(line: str) -> str:
    """Return a table's row with each pipe in its formulas as `HIDDEN_PIPE`, as that one does not separate cells."""
    if "|" not in line or not ("$" in line or "\\" in line):
        return line
    parts = []
    at = 0
    while found := _START.search(line, at):
        parts.append(line[at : found.start()])
        formula = None if found[0] != "$" and found[0][1] not in "([b" else find(line, found.start())
        at = formula.end if formula else found.end()
        piece = line[found.start() : at]
        inside = formula is not None and not _reaches_over_cells(piece)
        parts.append(piece.replace("\\|", "|").replace("|", HIDDEN_PIPE) if inside else piece)
    return "".join(parts) + line[at:]


def _reaches_over_cells(formula: str) -> bool:
    """Whether a pipe in it is between spaces and outside of all brackets: ``$5 | 6$`` is two cells."""
    depths = [0, 0, 0]
    for piece in _SPACED_PIPE.split(formula)[:-1]:
        depths = [
            depth + piece.count(left) - piece.count(right)
            for depth, (left, right) in zip(depths, _BRACKETS, strict=True)
        ]
        if not any(depths):
            return True
    return False
