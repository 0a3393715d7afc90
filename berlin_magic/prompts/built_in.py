"""The describers of this package, in order."""

from __future__ import annotations

from typing import Any

from berlin_magic.prompts.arrays import describe_array
from berlin_magic.prompts.code import describe_code
from berlin_magic.prompts.description import Bounds, Description, Limit
from berlin_magic.prompts.documents import describe_document
from berlin_magic.prompts.figures import describe_figure
from berlin_magic.prompts.structures import describe_structure
from berlin_magic.prompts.tables import describe_table
from berlin_magic.prompts.tracebacks import describe_exception

__all__ = ["built_in", "kind_of_nested"]

_DESCRIBERS = (describe_table, describe_array, describe_figure, describe_code, describe_exception, describe_document)


def built_in(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value`, None if nothing here knows its type.

    No library is imported for it: a value's type is known by its name.
    """
    for describe in _DESCRIBERS:
        if found := describe(value, level, bounds):
            return found
    return describe_structure(value, level, bounds, kind_of_nested)


def kind_of_nested(value: Any) -> str | None:
    """Return in a few words what a value inside of a structure is, None if its repr may be shown."""
    for describe in _DESCRIBERS:
        if found := describe(value, "schema", Bounds(table_columns=0)):
            return found.kind
    return None
