"""Templates: prompts with keys, which are replaced when the template is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from berlin_magic.errors import PromptError, clean
from berlin_magic.prompts.expressions import Expression, expressions_in

__all__ = ["Filled", "filled", "given_in"]

Given = Mapping[str, str | Expression]
"""The values for the keys of a template: texts, and expressions of the user."""

_KEY = re.compile(r"""\s*([^\W\d]\w*)=("[^"]*"|'[^']*'|\{\{.*?\}\}|\S*)(?!\S)""")


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with what was given for its keys.

    Attributes
    ----------
    pieces : tuple of str or Expression
        Its text and its expressions, in order.
    is_foreign : bool
        Whether it is a file that somebody else may have written.
    """

    pieces: tuple[str | Expression, ...]
    is_foreign: bool


def given_in(line: str) -> tuple[dict[str, str | Expression], str]:
    """Return what ``key=value`` words at the beginning of `line` give, and the rest of it.

    A value is text, in quotes if there is white space in it; one that is ``{{ … }}`` is an expression.

    Raises
    ------
    PromptError
        For double braces, without quotes, that are no expression.
    """
    given: dict[str, str | Expression] = {}
    end = 0
    while match := _KEY.match(line, end):
        text = match[2]
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        value = text[1:-1] if quoted else text
        expression = _expression(value)
        if expression is None and not quoted and "{{" in value:
            raise PromptError(
                f"What is given for {match[1]} is neither a text nor an expression: {clean(text, 60)}\n"
                "Put a text with double braces in quotes."
            )
        given[match[1]] = expression or value
        end = match.end()
    return given, line[end:].strip()


def _expression(value: str) -> Expression | None:
    if not value.startswith("{{"):
        return None
    match expressions_in(value):
        case [Expression() as expression]:
            return expression
    return None


def filled(template: str, given: Given, *, is_foreign: bool = False) -> Filled:
    """Return a template in which each ``{{ key }}`` is what was given for that key.

    What is given takes the place of the braces: it is not looked through for expressions itself.

    Parameters
    ----------
    template : str
        A prompt. Its other expressions are the user's own, and stay.
    given : mapping
        Texts and expressions by their keys.
    is_foreign : bool
        Whether somebody else may have written it: then it may have no expression but its keys.

    Raises
    ------
    PromptError
        For a key that the template does not have, and for an expression that a foreign one may not have; nothing is
        evaluated.
    """
    pieces: list[str | Expression] = []
    used: set[str] = set()
    for piece in expressions_in(template):
        value = given.get(piece.code) if isinstance(piece, Expression) else None
        if isinstance(piece, str):
            pieces.append(piece)
        elif value is not None:
            used.add(piece.code)
            is_text = isinstance(value, str)
            pieces.append(value if is_text else Expression(value.code, piece.level or value.level, piece.line))  # type: ignore[union-attr]
        elif is_foreign:
            raise PromptError(
                f"Line {piece.line} of the template has {{{{ {clean(piece.code, 60)} }}}}, and a template that is "
                f"named by its path sees nothing of the notebook.\nGive it: {clean(_example(piece.code), 80)}"
            )
        else:
            pieces.append(piece)
    if missing := sorted(given.keys() - used):
        raise PromptError(
            f"The template has no {{{{ {clean(missing[0], 40)} }}}}.\nRead it: `%berlin template show NAME`."
        )
    return Filled(tuple(pieces), is_foreign)


def _example(code: str) -> str:
    return f"{code}=TEXT, or {code}={{{{ … }}}}" if code.isidentifier() else "a key, such as {{ text }}, in its place"
