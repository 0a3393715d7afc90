"""A secret in memory: a string that works as one, and shows itself nowhere."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret"]


class Secret(str):
    """A token or password whose `repr` says nothing; to send it, use it as the string that it is.

    Verbose tracebacks, debuggers and notebooks show values through `repr`. Pickling is refused, so that no secret
    lands in a cache or a saved session unseen.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>" if self else "<no secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
