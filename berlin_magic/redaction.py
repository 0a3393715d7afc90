"""Secrets taken out of an error: a server may repeat in its answer what it was sent."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import TypeVar
from urllib.parse import quote, quote_plus

from berlin_magic.errors import BerlinError, clean

__all__ = ["redacted", "without_secrets"]

_SHORTEST = 4
"""Shorter ones are not looked for: they would be found in every second word, and hide it."""

_HEAD = 6
"""A secret is found by its first characters, as a message may be cut in the middle of it."""

_Error = TypeVar("_Error", bound=BerlinError)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of `secrets` replaced, also where it is escaped (JSON, URL, HTML) or its end is cut."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    if not spellings:
        return text
    heads = re.compile("|".join(sorted({re.escape(spelling[:_HEAD]) for spelling in spellings}, key=len, reverse=True)))
    kept, start = "", 0
    while found := heads.search(text, start):
        rest = text[found.start() :]
        kept += text[start : found.start()] + "<secret>"
        start = found.start() + max(_shared(rest, spelling) for spelling in spellings)
    return kept + text[start:]


def _shared(text: str, spelling: str) -> int:
    """Return how many characters at the beginning the two have in common."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(text, spelling, strict=False))
    return sum(1 for _ in same)


def redacted(error: _Error, secrets: Iterable[str]) -> _Error:
    """Return `error` itself, fit to be shown: without `secrets`, and without the frames that hold what was received.

    Verbose tracebacks print the variables of each frame, and loggers follow ``__context__``: an account's record or
    a token in a request's headers is in reach of both.
    """
    wanted = [secret for secret in secrets if len(secret) >= _SHORTEST]
    error.args = tuple(without_secrets(str(arg), wanted) for arg in error.args)
    error.body = None if error.body is None else without_secrets(error.body, wanted)
    error.code = without_secrets(error.code, wanted) if isinstance(error.code, str) else error.code
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def _spellings(secret: str) -> set[str]:
    plain = str(secret)
    return {
        plain,
        clean(plain, len(plain)),
        json.dumps(plain)[1:-1],
        json.dumps(plain, ensure_ascii=False)[1:-1],
        quote(plain, safe=""),
        quote_plus(plain),
        html.escape(plain),
    } - {""}
