"""Write a value in the form that the user has named: its repr, its source, JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import uuid
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from pathlib import PurePath
from typing import Any

from berlin_magic.errors import PromptError
from berlin_magic.messages import TextPart
from berlin_magic.prompts.built_in import built_in
from berlin_magic.prompts.code import source_of
from berlin_magic.prompts.cutting import cut_middle, fenced
from berlin_magic.prompts.description import Bounds, Description, Limit, type_name
from berlin_magic.prompts.expressions import Level
from berlin_magic.prompts.table_libraries import Table, table_of

__all__ = ["in_form"]

_AS_TEXT = (PurePath, Decimal, uuid.UUID, dt.date, dt.time, dt.timedelta)
_UNBOUNDED = (list, tuple, dict, set, frozenset, deque, bytes, bytearray)


def in_form(value: Any, form: Level, limit: Limit, bounds: Bounds) -> Description:
    """Return `value` as its ``repr``, its ``source`` or as ``json``.

    Raises
    ------
    PromptError
        If it has no source, or can't be written as JSON.
    """
    known = built_in(value, "schema", bounds)
    kind = known.kind if known else type_name(value)
    most = bounds.characters(limit)
    if form == "json":
        text, cut = _json(value, most)
    elif form == "source":
        text, cut = cut_middle(source_of(value), most)
        if not text:
            raise PromptError(
                f"This has no source: it is a {kind}. Functions, classes and modules written in Python have."
            )
        text = fenced(text, "python")
    elif isinstance(value, str):
        text, cut = cut_middle(str.__str__(value), most)
        text = repr(text)
    elif type(value) in _UNBOUNDED:  # a repr of all of it could fill the memory
        written = built_in(value, "full", dataclasses.replace(bounds, full=most))
        text, cut = (written.text, written.cut) if written else ("", "")
    else:
        text, cut = cut_middle(repr(value), most)
    return Description(kind, (TextPart(text),), form, cut)


def _json(value: Any, limit: int) -> tuple[str, str]:
    """Return `value` as JSON of about `limit` characters, and what was left out.

    A table is a list of its rows, and loses its last ones; anything else is cut at its end.
    """
    if (table := table_of(value)) is not None:
        return _rows(table, limit)
    whole, cut = cut_middle(str.__str__(value), limit) if isinstance(value, str) else (value, "")
    plain = _Plain(limit)
    pieces: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False, default=plain).iterencode(whole):
            pieces.append(piece)
            size += len(piece)
            if size > limit and not cut:
                return f"{''.join(pieces)[:limit]} …", f"what follows the first {limit:,} characters"
    except (TypeError, ValueError, RecursionError):
        why = f"there is a {plain.unknown} in it" if plain.unknown else "it holds itself, or keys that are no texts"
        raise PromptError(f"This can't be written as JSON: {why}. Use `| repr`, or no level.") from None
    return "".join(pieces), cut or plain.cut


def _rows(table: Table, limit: int) -> tuple[str, str]:
    labels = [str(table.label(column)) for column in range(table.width)]
    rows: list[str] = []
    size = 0
    while len(rows) < table.rows:
        start, stop = len(rows), min(table.rows, len(rows) + 50)
        columns = [table.cells(column, start, stop) for column in range(table.width)]
        for cells in zip(*columns, strict=True) if columns else [()] * (stop - start):
            known = [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]  # as JSON has it
            row = json.dumps(dict(zip(labels, known, strict=True)), ensure_ascii=False, default=str)
            size += len(row) + 2
            if size > limit and rows:
                missing = table.rows - len(rows)
                return f"[{', '.join(rows)}]", f"{missing:,} of {table.rows:,} rows"
            rows.append(row)
    return f"[{', '.join(rows)}]", ""


class _Plain:
    """Convert values that JSON does not know into ones that it does; large ones are cut, and `cut` says so."""

    def __init__(self, limit: int) -> None:
        self.cut = ""
        self.unknown = ""
        self._limit = limit

    def __call__(self, value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, set | frozenset | deque):
            items = list(islice(value, self._limit))
            self.cut = self.cut or (f"{len(value) - len(items):,} items" if len(items) < len(value) else "")
            return items if isinstance(value, deque) else sorted(items, key=repr)
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, _AS_TEXT):
            return str(value)
        if (table := table_of(value)) is not None:
            text, cut = _rows(table, self._limit)
            self.cut = self.cut or cut
            return json.loads(text)
        if callable(listed := getattr(type(value), "tolist", None)):  # arrays
            corner, cut = _corner(value, self._limit)
            self.cut = self.cut or cut
            return listed(corner)
        self.unknown = type_name(value)
        raise TypeError


def _corner(array: Any, most: int) -> tuple[Any, str]:
    """Return the beginning of an array with at most about `most` numbers, and what was cut off."""
    sides = [int(side) for side in getattr(array, "shape", ())]
    whole = math.prod(sides)
    for axis, side in enumerate(sides):
        others = math.prod(sides) // max(1, side)
        sides[axis] = min(side, max(1, most // max(1, others)))
    if math.prod(sides) == whole:
        return array, ""
    return array[tuple(slice(side) for side in sides)], f"all but the first {' × '.join(map(str, sides))} numbers"
