"""Comparison of the values that a prompt has quoted with their values now.

The record of a value has under ``uses`` the variables that its expression looked up, each with a fingerprint:
``KEY:PRECISION:DIGEST``. KEY names the key of the digest; PRECISION is ``unknown`` if the digest says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["changed", "uses_in"]


def uses_in(values: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the variables in the values of a prompt, with their fingerprints."""
    return {name: mark for value in values for name, mark in (value.get("uses") or {}).items()}


def changed(then: Mapping[str, str], now: Callable[[str], str | None]) -> list[str]:
    """Return the variables that have changed.

    Parameters
    ----------
    then : mapping
        Fingerprints by the variables' names.
    now : callable
        Gives the fingerprint of a variable as it is now; None or "" if it is not known, which is no change.
    """
    return sorted(name for name, mark in then.items() if _differ(mark, now(name) or ""))


def _differ(one: str, other: str) -> bool:
    if one == other:
        return False
    first, second = one.split(":"), other.split(":")
    comparable = len(first) == len(second) == _FIELDS and first[0] == second[0]
    return comparable and "unknown" not in {first[1], second[1]}


_FIELDS = 3
