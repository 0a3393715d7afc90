"""Secrets taken out of an error: a server may repeat in its answer what it was sent, or what it knows of an account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from berlin_magic.account_record import without_record
from berlin_magic.errors import BerlinError
from berlin_magic.spellings import without_secrets

__all__ = ["redacted", "untraced", "without_secrets"]

_SHORTEST = 4
"""Shorter ones are not looked for: they would be found in every second word, and hide it."""

_Error = TypeVar("_Error", bound=BerlinError)
_Raised = TypeVar("_Raised", bound=BaseException)


def redacted(error: _Error, secrets: Iterable[str]) -> _Error:
    """Return `error` itself, fit to be shown: without `secrets`, an account's record, and the frames that held them.

    Verbose tracebacks print the variables of each frame, and loggers follow ``__context__``: an account's record or
    a token in a request's headers is in reach of both. A provider of one's own raises its errors through it::

        raise redacted(error, [key]) from None

    Parameters
    ----------
    error : BerlinError
        Its message, notes and attributes are searched, in whatever spelling a server may have given a secret.
    secrets : iterable of str
        What was sent: keys, tokens, passwords. Of fewer than four characters they are not looked for.
    """
    wanted = [secret for secret in secrets if len(secret) >= _SHORTEST]

    def fit(value: object) -> object:
        return without_record(without_secrets(value, wanted)) if isinstance(value, str) else value

    error.args = tuple(fit(arg if isinstance(arg, int | None) else str(arg)) for arg in error.args)
    for name, value in vars(error).items():
        setattr(error, name, [fit(note) for note in value] if name == "__notes__" else fit(value))
    return untraced(error)


def untraced(error: _Raised) -> _Raised:
    """Return `error` itself without the frames that it came through, and the errors before it, with theirs."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
