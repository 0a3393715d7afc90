"""Describe a value in the form in which it goes into a prompt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import cut_middle
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name
from berlin_magic.prompts.expressions import Level

__all__ = ["Describe", "Describer", "describe"]

Describer = Callable[[Any], Any]
"""Gets a value, and returns a text, a MIME bundle, a `Description` or None; it may be a coroutine function."""

_DEFAULT = Bounds()


class Describe:
    """Describe a value as it goes into a prompt: ``await berlin_magic.describe(df)``."""

    def __init__(self) -> None:
        self._registered = functools.singledispatch(_nothing)

    async def __call__(
        self, value: Any, level: Level | None = None, *, limit: Limit = "full", bounds: Bounds = _DEFAULT
    ) -> Description:
        """Return the description of `value`.

        Parameters
        ----------
        value : object
            Anything. It is not changed, awaited or consumed.
        level : Level, optional
            How much of it is wanted, or in which form; by default a sample.
        limit : {"full", "sample", "schema"}
            The most that may leave the machine.
        bounds : Bounds
            How large the description may be.

        Raises
        ------
        PromptError
            If the value does not have the form that was asked for (``source``, ``json``).
        """
        allowed: Limit = (
            "schema" if "schema" in (level, limit) else "sample" if "sample" in (level or "sample", limit) else "full"
        )
        kind = type_name(value)
        if allowed == "schema":
            return Description(kind, (TextPart(kind),), "schema")
        text, cut = cut_middle(str(value) if isinstance(value, str) else repr(value), bounds.text)
        return Description(kind, (TextPart(text),), allowed, cut)

    def register(self, type_: type, describer: Describer | None = None) -> Any:
        """Let `describer` describe the values of `type_` and of its subclasses; also a decorator.

        It is not asked at the level ``schema``.
        """
        return self._registered.register(type_, describer)


def _nothing(_value: Any) -> None:
    """Describe nothing: the value's type has no describer."""


describe = Describe()
