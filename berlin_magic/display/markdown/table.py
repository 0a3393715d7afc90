"""The lines of a GFM table."""

from __future__ import annotations

import re

from berlin_magic.display.markdown.formula import HIDDEN_PIPE, hide_pipes

__all__ = ["alignments", "cells"]

_DELIMITER = re.compile(r"[-:|][-:|\s]*\Z")
_COLUMN = re.compile(r":?-+:?\Z")
_PIPE = re.compile(r"(?<!\\)\|")
_COLUMNS = 128  # a wider table is text: each short row would grow to its full width


def cells(line: str) -> list[str]:
    r"""Return the cells of a row, with ``\|`` in them as ``|``; a pipe in a formula does not separate cells."""
    parts = _PIPE.split(hide_pipes(line.strip(" \t")))
    if parts and not parts[0]:
        parts.pop(0)
    if parts and not parts[-1]:
        parts.pop()
    return [part.replace("\\|", "|").replace(HIDDEN_PIPE, "|").strip(" \t") for part in parts]


def alignments(line: str) -> list[str]:
    """Return the alignment of each column, empty if `line` is not the line between a table's head and its rows."""
    if not _DELIMITER.match(line) or line[:2] in {"-", "|", ":", "- ", "-\t"}:
        return []
    parts = [part.strip(" \t") for part in line.split("|")]
    columns = []
    for number, part in enumerate(parts):
        if not part and number in {0, len(parts) - 1}:
            continue
        if not _COLUMN.match(part):
            return []
        left, right = part.startswith(":"), part.endswith(":")
        columns.append("center" if left and right else "right" if right else "left" if left else "")
    return columns if len(columns) <= _COLUMNS else []
