"""Keep secrets in memory as strings with a `repr` that does not show them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

__all__ = ["Secret", "hidden_headers", "secrets_among", "secrets_of_environment", "unseen"]

# Settings without a secret; any other may hold one.
_HARMLESS = {"url", "account", "provider", "retries", "reply_limit", "silence", "context", "parent"}
_HARMLESS_HEADERS = {
    "accept",
    "accept-encoding",
    "accept-language",
    "anthropic-beta",
    "anthropic-version",
    "cache-control",
    "content-type",
    "http-referer",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "origin",
    "referer",
    "user-agent",
    "x-title",
}


_TOKEN_LIKE = re.compile(r"\b(?:Bearer|Basic)\s|(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{16}", re.IGNORECASE)
_FEATURES = {"anthropic-beta", "openai-beta"}  # with values that look like a token: prompt-caching-2024-07-31

_SECRET_VARIABLES = ("KEY", "TOKEN", "PASSWORD", "SECRET")  # what their names end in
_PLACE = re.compile(r"\w+://|~?/.*/|[a-z]:[/\\]", re.IGNORECASE)  # the path of a key, for example
_LONG = 8  # characters; a shorter value is rather a word than a secret


class Secret(str):
    """A token or password whose `repr` does not show it; to send it, use it as a string.

    Verbose tracebacks, debuggers and notebooks show values through `repr`. It can't be pickled, so that no
    secret is written into a cache or a saved session.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>" if self else "<no secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Mapping[int, object]) -> Self:
        return self  # traitlets copies the settings, and copying would pickle it


def unseen(name: str, value: Any) -> Any:
    """Return the value of the setting `name` as a `Secret`, unless the setting is known to be harmless."""
    if isinstance(value, str):
        return value if name in _HARMLESS or not value else Secret(value)
    if name == "headers" and isinstance(value, Mapping):
        return hidden_headers(value)
    return value


def hidden_headers(headers: Mapping[str, str], key: str = "") -> dict[str, str]:
    """Return `headers` with their values as secrets, except for those that only name the client or the format.

    Hidden values are also removed from messages, where ``User-Agent`` or ``X-Title`` may be an ordinary word. A header
    with `key`, or with a value that looks like a token, is hidden too.
    """
    return {
        name: value if not isinstance(value, str) or _is_harmless(name.strip().lower(), value, key) else Secret(value)
        for name, value in headers.items()
    }


def _is_harmless(name: str, value: str, key: str) -> bool:
    holds_key = bool(key) and key in value
    return name in _HARMLESS_HEADERS and not holds_key and (name in _FEATURES or not _TOKEN_LIKE.search(value))


def secrets_among(values: Iterable[Any]) -> list[Secret]:
    """Return the secrets among `values` and in the mappings among them."""
    found: list[Secret] = []
    for value in values:
        if isinstance(value, Secret):
            found.append(value)
        elif isinstance(value, Mapping):
            found += secrets_among(value.values())
    return found


def secrets_of_environment() -> list[Secret]:
    """Return the environment's values under names such as ``SCHOOL_API_KEY``, which a provider may send."""
    named = (value for name, value in os.environ.items() if name.upper().endswith(_SECRET_VARIABLES))
    return [Secret(value) for value in named if len(value) >= _LONG and not _PLACE.match(value)]
