"""The nearest known models to one that is unknown: what the user may have meant."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Sequence

from berlin_magic.errors import ModelUnknownError, clean
from berlin_magic.providers.registry import found

__all__ = ["nearest", "with_nearest"]

_PATIENCE = 3.0  # seconds for a list of models: the answer to the question is known already
_SHOWN = 3
_ALIKE = 0.5
_NEARLY = 0.8
_MOST_NAMES, _LONGEST = 1000, 100  # beyond that, comparing would hold up the loop


async def with_nearest(
    error: ModelUnknownError, model: str, known: Callable[[], Awaitable[Sequence[str]]]
) -> ModelUnknownError:
    """Return `error` itself, with the models in its message that the user may have meant, as far as they can be had.

    Parameters
    ----------
    error : ModelUnknownError
        What the server said.
    model : str
        The model that was asked for.
    known : callable
        Asks the server for its models. It is called once; what it raises, or that it takes long, changes nothing.
    """
    names: Sequence[str] = ()
    try:
        async with asyncio.timeout(_PATIENCE):
            names = await known()
    except Exception:  # noqa: BLE001 - whatever it is, it is not what the user has to hear of
        names = ()
    if meant := [*_with_provider(model), *nearest(model, names)][:_SHOWN]:
        error.args = (f"{error}\nDid you mean {' or '.join(clean(name, 60) for name in meant)}?",)
    return error


def _with_provider(model: str) -> list[str]:
    """Return `model` with the provider's name in front that its prefix is nearly: ``olama:llama3.2``."""
    prefix, colon, rest = model.partition(":")
    names = difflib.get_close_matches(prefix.strip().lower()[:_LONGEST], found(), n=1, cutoff=_NEARLY) if colon else []
    return [f"{name}:{rest}" for name in names]


def nearest(model: str, names: Sequence[str]) -> list[str]:
    """Return at most three of `names` that are like `model`, the most similar first, and not itself.

    Capitals, punctuation and what stands before a slash make no difference.
    """
    wanted = _bare(model[:_LONGEST])
    spelled: dict[str, str] = {}
    for name in names[:_MOST_NAMES]:
        if name != model and len(name) <= _LONGEST:
            for spelling in (_bare(name), _bare(name.rpartition("/")[2])):
                spelled.setdefault(spelling, name)
    alike = difflib.get_close_matches(wanted, spelled, n=2 * _SHOWN, cutoff=_ALIKE) if wanted else []
    return list(dict.fromkeys(spelled[spelling] for spelling in alike))[:_SHOWN]


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
