"""Suggest known models for an unknown one."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Sequence

from berlin_magic.errors import ModelUnknownError, clean
from berlin_magic.providers.registry import installed

__all__ = ["nearest", "with_nearest"]

_TIMEOUT = 3.0  # seconds for the list of models, while the user waits for the error
_SHOWN = 3
_MODEL_CUTOFF = 0.5
_PROVIDER_CUTOFF = 0.8
_NAMES_LIMIT, _NAME_LIMIT = 1000, 100  # comparing more would block the event loop


async def with_nearest(
    error: ModelUnknownError, model: str, known: Callable[[], Awaitable[Sequence[str]]]
) -> ModelUnknownError:
    """Return `error` itself, with similar models that exist added to its message.

    Parameters
    ----------
    error : ModelUnknownError
        The server's error.
    model : str
        The model that the user asked for.
    known : callable
        Asks the server for its models. It is called once; if it fails or takes too long, `error` stays as it is.
    """
    names: Sequence[str] = ()
    try:
        async with asyncio.timeout(_TIMEOUT):
            names = await known()
    except Exception:  # noqa: BLE001 - the user needs the first error, not this one
        names = ()
    if similar := [*_with_known_provider(model), *nearest(model, names)][:_SHOWN]:
        error.args = (f"{error}\nDid you mean {' or '.join(clean(name, 60) for name in similar)}?",)
    return error


def _with_known_provider(model: str) -> list[str]:
    """Return `model` with its misspelt provider corrected: ``ollama:llama3.2`` for ``olama:llama3.2``."""
    prefix, colon, rest = model.partition(":")
    names = (
        difflib.get_close_matches(prefix.strip().lower()[:_NAME_LIMIT], installed(), n=1, cutoff=_PROVIDER_CUTOFF)
        if colon
        else []
    )
    return [f"{name}:{rest}" for name in names]


def nearest(model: str, names: Sequence[str]) -> list[str]:
    """Return at most three of `names` that are similar to `model`, the most similar first, without `model` itself.

    Case, punctuation and a prefix before a slash make no difference.
    """
    wanted = _normalized(model[:_NAME_LIMIT])
    spelled: dict[str, str] = {}
    for name in names[:_NAMES_LIMIT]:
        if name != model and len(name) <= _NAME_LIMIT:
            for spelling in (_normalized(name), _normalized(name.rpartition("/")[2])):
                spelled.setdefault(spelling, name)
    similar = difflib.get_close_matches(wanted, spelled, n=2 * _SHOWN, cutoff=_MODEL_CUTOFF) if wanted else []
    return list(dict.fromkeys(spelled[spelling] for spelling in similar))[:_SHOWN]


def _normalized(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
