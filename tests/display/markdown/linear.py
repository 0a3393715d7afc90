"""Whether a regular expression reads each character a bounded number of times, seen from its compiled form."""

from __future__ import annotations

from re import _constants as code
from re import _parser as parser
from typing import Any

BOUNDED = 100  # repetitions up to which something counts as short
LONGEST = 400  # characters that may be read in vain at one place

Items = list[tuple[Any, Any]]


def complaints(pattern: str, flags: int) -> list[str]:
    """Return what may make a search with `pattern` slower than linear."""
    found: list[str] = []
    _sequence(list(parser.parse(pattern, flags)), found)
    return found


def _sequence(items: Items, found: list[str]) -> bool:
    """Return whether `items` read without bound; complain where something after such an item may fail."""
    unbounded = False
    for op, argument in items:
        if unbounded and not _always_matches(op, argument):
            found.append(f"{op} {argument} may fail after an unbounded repetition")
        unbounded |= _reads_without_bound(op, argument, found)
    return unbounded


def _reads_without_bound(op: Any, argument: Any, found: list[str]) -> bool:
    if op in {code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT}:
        _, most, inner = argument
        inside = _sequence(list(inner), found)
        if op is code.MIN_REPEAT:
            found.append("a lazy repetition ends at what follows, which may be missing")
        if most is not code.MAXREPEAT and most > BOUNDED:
            found.append(f"{most} repetitions")
        return inside or most is code.MAXREPEAT
    if op is code.SUBPATTERN:
        return _sequence(list(argument[-1]), found)
    if op is code.ATOMIC_GROUP:
        return _sequence(list(argument), found)
    if op is code.BRANCH:
        return max(_sequence(list(branch), found) for branch in argument[1])  # every one is looked at
    if op in {code.ASSERT, code.ASSERT_NOT}:
        if _sequence(list(argument[1]), found):
            found.append("it looks ahead or behind without bound")
        if argument[1].getwidth()[1] > LONGEST:
            found.append("it looks far ahead")
        return False
    if op is code.GROUPREF_EXISTS:
        found.append("a condition")
    return False


def _always_matches(op: Any, argument: Any) -> bool:
    if op in {code.MAX_REPEAT, code.POSSESSIVE_REPEAT}:
        return argument[0] == 0
    if op is code.SUBPATTERN:
        return all(_always_matches(*item) for item in argument[-1])
    if op is code.BRANCH:
        return any(all(_always_matches(*item) for item in branch) for branch in argument[1])
    return False
