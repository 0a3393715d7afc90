"""A secret in memory: a string that works as one, and shows itself nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["Secret", "unseen"]

_HARMLESS = {"url", "account", "provider", "retries", "context"}  # settings that hold no secret; any other may


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


def unseen(name: str, value: Any) -> Any:
    """Return the setting `name` as one whose `repr` says nothing, but for those that are known to be harmless."""
    if isinstance(value, str):
        return value if name in _HARMLESS or not value else Secret(value)
    if name == "headers" and isinstance(value, Mapping):
        return {key: Secret(text) for key, text in value.items()}
    return value
