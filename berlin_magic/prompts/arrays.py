"""Describe arrays and tensors: shape, type, summary, first and last numbers."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

from berlin_magic.messages import TextPart
from berlin_magic.prompts.cutting import cut_middle, without_addresses
from berlin_magic.prompts.description import Bounds, Description, Limit, families, type_name

__all__ = ["describe_array", "thinned"]

_LIBRARIES = {
    ("numpy", "ndarray"): "numpy",
    ("torch", "Tensor"): "torch",
    ("jax", "Array"): "jax",
    ("jaxlib", "Array"): "jax",
    ("jaxlib", "ArrayImpl"): "jax",
    ("tensorflow", "Tensor"): "tensorflow",
    ("cupy", "ndarray"): "cupy",
}
_NUMBERS = re.compile(r"(torch\.)?(bfloat|float|uint|int|bool)\d*\Z")
_SUMMARIZED = 1_000_000  # numbers; a larger array is thinned first


def describe_array(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value` if it is an array, or a number of numpy."""
    classes = families(value)
    if ("numpy", "generic") in classes and not isinstance(value, str | bytes):
        kind = type_name(value)
        return Description(kind, (TextPart(kind if level == "schema" else str(value)),), level)
    library = next((name for key, name in _LIBRARIES.items() if key in classes), "")
    if not library or (("numpy", "MaskedArray") in classes and level != "schema"):  # its own repr shows the mask
        return None
    sides = " × ".join(f"{int(side):,}" for side in value.shape) or "a single one"
    kind = f"{type_name(value)} ({library}), {sides} of {value.dtype}"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    limit = bounds.characters(level)
    shown, cut = _shown(value, library, limit if level == "full" else min(limit, 1000))
    text, too_long = cut_middle("\n".join(part for part in (kind, _summary(value), shown) if part), limit)
    return Description(kind, (TextPart(text),), level, cut or too_long)


def thinned(value: Any, most: int) -> Any:
    """Return a view of an array with about `most` numbers of it, evenly spaced along its longest sides."""
    steps = [1] * len(value.shape)
    sides = [int(side) for side in value.shape]
    while (size := math.prod(sides)) > most:
        longest = sides.index(max(sides))
        step = min(sides[longest], -(-size // most)) if len(sides) == 1 else 2
        steps[longest] *= step
        sides[longest] = -(-int(value.shape[longest]) // steps[longest])
    return value if set(steps) <= {1} else value[tuple(slice(None, None, step) for step in steps)]


def _summary(value: Any) -> str:
    """Return the least, the largest and the mean number, and how many are missing; "" if they are not numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not _NUMBERS.match(str(value.dtype)):
        return ""
    looked_at = thinned(value, _SUMMARIZED)
    numbers = numpy.asarray(looked_at.detach().cpu().float() if hasattr(looked_at, "detach") else looked_at)
    if hasattr(numbers, "get"):
        numbers = numbers.get()
    numbers = numbers.astype("float64")
    finite = numbers[numpy.isfinite(numbers)]
    missing = int(numpy.isnan(numbers).sum())
    of = f" of {numbers.size:,} looked at" if looked_at is not value else ""
    parts = [f"{missing:,} NaN"] if missing or of else []
    if finite.size:
        parts = [f"{finite.min():.6g} … {finite.max():.6g}", f"mean {finite.mean():.6g}", *parts]
    return ", ".join(parts) + of


def _shown(value: Any, library: str, limit: int) -> tuple[str, str]:
    """Return the numbers, with the middle of each side cut, and what was cut."""
    if library != "numpy":
        return without_addresses(repr(value)), ""
    most = limit // 8
    edges = max(1, int(most ** (1 / max(1, value.ndim))) // 2)
    numpy = sys.modules["numpy"]
    shown = numpy.array2string(value, threshold=most, edgeitems=min(edges, most), precision=5, separator=", ")
    whole = value.size <= most
    return shown, "" if whole else f"the middle of {value.size:,} numbers"
