"""Compose a question from what the user has written: evaluate its expressions, and describe their values."""

from __future__ import annotations

import ast
import inspect
from collections import ChainMap
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from berlin_magic.errors import PromptError, clean
from berlin_magic.messages import Part, TextPart
from berlin_magic.prompts.description import Description
from berlin_magic.prompts.expressions import Expression, Level, expressions_in, written

__all__ = ["Composed", "Describe", "Value", "compose"]

Describe = Callable[[Any, "Level | None"], Awaitable[Description]]
"""Describes a value at a level; None for the usual one."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a prompt.

    Attributes
    ----------
    code : str
        The expression.
    line : int
        The line of the prompt, from 1.
    description : Description
        The description that goes into the question.
    value : object
        The value itself; it is not sent.
    uses : mapping
        The user's variables that the expression looked up, each with its fingerprint; empty if they are not known.
    """

    code: str
    line: int
    description: Description
    value: Any = field(repr=False, compare=False)
    uses: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Composed:
    """A question, ready to be sent.

    Attributes
    ----------
    source : str
        The prompt as the user wrote it.
    parts : tuple of Part
        What is sent for it; no two texts in a row.
    values : tuple of Value
        What its expressions gave, in order.
    """

    source: str
    parts: tuple[Part, ...] = field(repr=False)
    values: tuple[Value, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether just the text of the prompt is sent."""
        return self.parts == (TextPart(self.source),)

    def followed_by(self, other: Composed) -> Composed:
        """Return both as one question, with a blank line between them."""
        parts = _joined([*self.parts, TextPart("\n\n"), *other.parts])
        return Composed(f"{self.source}\n\n{other.source}", tuple(parts), (*self.values, *other.values))


async def compose(
    prompt: str | Sequence[str | Expression],
    namespace: MutableMapping[str, Any],
    describe: Describe,
    *,
    more: Mapping[str, Any] | None = None,
    values: Sequence[str] = (),
) -> Composed:
    """Return the question that `prompt` makes in a namespace.

    A value of several lines gets lines of its own, with an empty one before and after it; but a text stays as it
    is, within its line.

    Parameters
    ----------
    prompt : str or sequence
        The body of a cell, or its pieces. Nothing but this text is looked through for expressions, and only once.
    namespace : mapping
        The user's. Expressions are evaluated in it, once each, from left to right; what can be awaited is awaited.
    describe : callable
        Gives the form in which a value goes into the question.
    more : mapping, optional
        Names that are there beside the user's, which win: ``cells``, ``last_error``, ``file``.
    values : sequence of str
        Further expressions whose values are put before the prompt (``--with``).

    Raises
    ------
    PromptError
        If an expression can't be read or evaluated; the message names the line.
    """
    given = [Expression(code, None, 0) for code in values]
    pieces: list[str | Expression] = [piece for one in given for piece in (f"{one.code}:\n", one, "\n\n")]
    parts: list[Part] = []
    found: list[Value] = []
    source, rest = (prompt, expressions_in(prompt)) if isinstance(prompt, str) else (written(prompt), prompt)
    after_block = False
    for piece in [*pieces, *rest]:
        if isinstance(piece, str):
            parts += [TextPart("\n\n")] * (after_block and not piece.startswith("\n"))
            parts.append(TextPart(piece))
            after_block = False
            continue
        value = await _value(piece, namespace, more or {})
        description = await describe(value, piece.level)
        found.append(Value(piece.code, piece.line, description, value))
        is_block = "\n" in description.text and not isinstance(value, str)
        before = parts[-1].text if parts and isinstance(parts[-1], TextPart) else "\n"
        parts += [TextPart("\n\n")] * (after_block or (is_block and not before.endswith("\n")))
        parts += description.parts
        after_block = is_block
    return Composed(source, tuple(_joined(parts)), tuple(found))


async def _value(expression: Expression, namespace: MutableMapping[str, Any], more: Mapping[str, Any]) -> Any:
    source = f"({expression.code}\n)" if "\n" in expression.code else expression.code
    try:
        code = compile(source, "<prompt>", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        globals_ = namespace if isinstance(namespace, dict) else dict(namespace)
        value = eval(code, globals_, ChainMap(namespace, dict(more)))  # noqa: S307 - what the user has written
        return await value if inspect.isawaitable(value) else value
    except NameError as error:
        known = [*namespace, *more]
        raise PromptError(f"{_where(expression)}: {_unknown(error, known)}") from None
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
        raise PromptError(
            f"{_where(expression)} can't be evaluated: {clean(raised, 200)}\nCorrect it; nothing was sent."
        ) from error


def _where(expression: Expression) -> str:
    place = f"Line {expression.line}: " if expression.line else ""
    return f"{place}{{{{ {clean(expression.code, 60)} }}}}"


def _unknown(error: NameError, known: Sequence[str]) -> str:
    name = error.name or ""
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "Run the cell that makes it first, or use --no-expand."
    return f"there is no `{clean(name, 40)}`.\n{hint}"


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield `parts` with texts that follow each other as one."""
    text = ""
    for part in parts:
        if isinstance(part, TextPart):
            text += part.text
            continue
        if text:
            yield TextPart(text)
            text = ""
        yield part
    if text:
        yield TextPart(text)
