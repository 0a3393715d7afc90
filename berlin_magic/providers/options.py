"""Split keywords into connection settings and model options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from berlin_magic.credentials.secret import unseen
from berlin_magic.providers.registry import named_provider

__all__ = ["OF_AN_ENGINE", "OF_A_SERVER", "WAY", "joined", "unseen_way"]

OF_A_SERVER = frozenset({"url", "account", "password", "token", "key", "headers"})
"""What is for one server alone."""

OF_AN_ENGINE = frozenset({"local_threads", "local_context", "local_gpu_layers", "local_idle"})
"""How the engine of a local model is started."""

WAY = frozenset({"provider", "proxy", "silence", "retries", "reply_limit"}) | OF_A_SERVER | OF_AN_ENGINE
"""What says where and how to ask: no part of the question, never recorded, and some of it secret."""


def unseen_way(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` with what is secret among them unseen, for the frames that a verbose traceback shows."""
    return {name: unseen(name, value) if name in WAY else value for name, value in options.items()}


def joined(connection: Mapping[str, Any], way: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return `connection` with what is given for one question in its place.

    With another address, what lets into the conversation's own server stays away from it.
    """
    if not way.keys() & {"url", "provider"}:
        return {**connection, **way}
    kept = {name: value for name, value in connection.items() if name not in OF_A_SERVER}
    if name := named_provider(model)[0]:
        kept["provider"] = name
    return {**kept, **way}
