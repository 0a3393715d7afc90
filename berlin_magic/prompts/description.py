"""The description of a value, with the bounds of its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from berlin_magic.messages import Part, TextPart
from berlin_magic.prompts.cutting import cut_middle
from berlin_magic.prompts.expressions import Level

__all__ = ["Bounds", "Description", "Limit", "families", "type_name"]

Limit = Literal["schema", "sample", "full"]
"""The levels that bound how much of a value may leave the machine."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a description may be; each is a setting.

    Attributes
    ----------
    text : int
        Most characters of a value; what is longer is cut in the middle.
    full : int
        Most characters of a value that was asked for in full, or in a form of its own (repr, JSON, source).
    table_rows, table_columns : int
        Most rows and columns of a table that are shown. In full: as many rows as fit, and ten times the columns.
    items : int
        Most items of a list or a dict that are shown, half as many at each further depth. In full: as many as fit.
    depth : int
        How deep a structure is shown.
    image_tokens : int
        About the most tokens that an image may cost.
    seconds : float
        Most seconds that a value may take to be described.
    """

    text: int = 4000
    full: int = 40_000
    table_rows: int = 8
    table_columns: int = 20
    items: int = 20
    depth: int = 4
    image_tokens: int = 1600
    seconds: float = 5.0

    def characters(self, level: Level) -> int:
        """Return the most characters of a value at `level`."""
        return self.text if level == "sample" else self.full


@dataclass(frozen=True, slots=True)
class Description:
    """A value in the form in which it goes into a prompt.

    Attributes
    ----------
    kind : str
        Type and size: ``"DataFrame, 10,000,000 × 5"``. It holds no data: it is shown at every level.
    parts : sequence of Part
        Texts and images, in order.
    level : Level
        How much of the value is in it; never more than what was asked for.
    cut : str
        A few words on what was left out; empty if nothing was.
    """

    kind: str
    parts: Sequence[Part] = field(repr=False)
    level: Level
    cut: str = ""

    @classmethod
    def of_text(cls, kind: str, text: str, level: Level, limit: int, *cut: str) -> Description:
        """Return a description of one text of about `limit` characters; `cut` names what it already lacks."""
        text, too_long = cut_middle(text, limit)
        return cls(kind, (TextPart(text),), level, "; ".join(filter(None, (*cut, too_long))))

    @property
    def text(self) -> str:
        """The texts alone."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def type_name(value: object) -> str:
    """Return the name of the type of `value`, without running any code of its class."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name


def families(value: object) -> set[tuple[str, str]]:
    """Return the library and the name of each class that `value` is an instance of: ``("pandas", "DataFrame")``.

    By these a library's values are known without importing the library, and `isinstance` is not asked: a mock lies.
    """
    classes: tuple[type, ...] = type.__dict__["__mro__"].__get__(type(value))
    module_of = type.__dict__["__module__"].__get__
    return {(module.partition(".")[0], cls.__name__) for cls in classes if isinstance(module := module_of(cls), str)}
