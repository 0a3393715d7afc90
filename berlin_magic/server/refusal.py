"""A refusal: what an engine's error tells a client, and what whoever runs the server."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from berlin_magic.credentials.redaction import without_secrets
from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import clean
from berlin_magic.server.engine import EngineError

__all__ = ["Refusals"]

_log = logging.getLogger(__name__)

_KEYS_FAULT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
_SHORTEST = 4  # characters of a secret: shorter ones would be found in every second word
_DEEPEST = 8
_IDENTIFIER = re.compile(r"[A-Za-z][\w.-]{0,59}")


class Refusals:
    """Reads one engine's refusals.

    Parameters
    ----------
    secrets : sequence of str
        What an engine is sent and no client may see: engines quote the key that they refuse.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [Secret(secret) for secret in secrets if len(secret) >= _SHORTEST]
        self._key_is_told = False

    def accepted(self) -> None:
        """Say that the key works: the next trouble with it is told again."""
        self._key_is_told = False

    def shown(self, text: str) -> str:
        """Return `text`, which is no error object, for a client's eyes; a secret is out before anything is cut."""
        return clean(without_secrets(text, self._secrets))

    def read(self, status: int, error: Mapping[str, Any], retry_after: str = "") -> EngineError:
        """Return what a client is answered where the engine gave `status` and `error`."""
        # To a client, 401 and 402 would speak of its own login and balance: it would log in again, in vain.
        if status in _KEYS_FAULT or "insufficient_quota" in (error.get("code"), error.get("type")):
            self._tell_of_key(status)
            return EngineError(
                f"The engine does not accept this server's key or has nothing left for it (HTTP {status}): whoever "
                "runs the server has to see to it",
                code=-1,
                reason=f"the engine does not accept this server's key (HTTP {status})",
            )
        told = self._told(error)
        # Not its words: they may be what the user has said.
        names = [name for name in (told.get("code"), told.get("type")) if name and _IDENTIFIER.fullmatch(str(name))]
        reason = str(names[0]) if names else f"HTTP {status}"
        return EngineError("", status=status, code=-1, data={"error": told}, retry_after=retry_after, reason=reason)

    def _tell_of_key(self, status: int) -> None:
        if not self._key_is_told:
            self._key_is_told = True
            _log.error(
                "The engine does not accept the key, or has nothing left for it (HTTP %s): no question is answered. "
                "Look at the variable that --upstream-key-env names, and at the account with the engine.",
                status,
            )

    def _told(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return without_secrets(value, self._secrets)
        if isinstance(value, (Mapping, list)) and depth == _DEEPEST:
            return None
        if isinstance(value, Mapping):
            return {self._told(str(key)): self._told(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self._told(each, depth + 1) for each in value]
        return value
