"""Split keywords into connection settings and model options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from berlin_magic.credentials.secret import unseen
from berlin_magic.providers.registry import named_provider

__all__ = ["CONNECTION_SETTINGS", "ENGINE_SETTINGS", "SERVER_SETTINGS", "hide_secrets", "merge_settings"]

SERVER_SETTINGS = frozenset({"url", "account", "password", "token", "key", "headers"})
"""The settings that are valid for one server only."""

ENGINE_SETTINGS = frozenset({"local_threads", "local_context", "local_gpu_layers", "local_idle"})
"""The settings of the engine of a local model."""

_FOR_ANY_SERVER = frozenset({"provider", "proxy", "silence", "retries", "reply_limit"})
CONNECTION_SETTINGS = _FOR_ANY_SERVER | SERVER_SETTINGS | ENGINE_SETTINGS
"""The settings of the connection to a server. They are never stored with a question: some are secret."""


def hide_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` with the secret connection settings hidden, so that no verbose traceback shows them."""
    return {name: unseen(name, value) if name in CONNECTION_SETTINGS else value for name, value in options.items()}


def merge_settings(connection: Mapping[str, Any], given: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the settings of a conversation's `connection`, replaced by those `given` for one question.

    If `given` names another server or provider, the login and key of the conversation's own server are left out.
    """
    if not given.keys() & {"url", "provider"}:
        return {**connection, **given}
    kept = {name: value for name, value in connection.items() if name not in SERVER_SETTINGS}
    if name := named_provider(model)[0]:
        kept["provider"] = name
    return {**kept, **given}
