"""Find an installed provider by its name."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from berlin_magic.errors import NotConfiguredError, clean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from berlin_magic.providers.base import Provider

__all__ = ["GROUP", "installed", "load", "named_provider", "refresh_installed"]

GROUP = "berlin_magic.providers"
"""The group of entry points, each ``NAME = "package.module:ProviderClass"``."""

# Written and loaded like the entry points of other packages: a provider is imported at its first use.
_OURS: Mapping[str, str] = {
    "berlin": "berlin_magic.providers.berlin.provider:Berlin",
    "local": "berlin_magic.providers.local.provider:Local",
    "openai": "berlin_magic.providers.openai.services:OpenAI",
    "openrouter": "berlin_magic.providers.openai.services:OpenRouter",
    "ollama": "berlin_magic.providers.openai.services:Ollama",
    "vllm": "berlin_magic.providers.openai.services:Vllm",
    "llamacpp": "berlin_magic.providers.openai.services:LlamaCpp",
    "lmstudio": "berlin_magic.providers.openai.services:LMStudio",
}


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Return the entry points of the installed providers by name, ours first, without importing them.

    Names are compared without regard to case. If two providers have the same name, the second one is left out with a
    warning: else a key could go to the wrong one.
    """
    from importlib.metadata import EntryPoint, entry_points  # noqa: PLC0415 - a slow import, not needed to load the extension

    known = {name: EntryPoint(name, value, GROUP) for name, value in _OURS.items()}
    try:
        others = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    except Exception as error:  # noqa: BLE001 - the metadata of any installed package can be broken in any way
        _warn(f"the providers of other packages can't be listed: {clean(str(error))}")
        others = []
    for entry in others:
        name = entry.name.strip().lower()
        if not name or ":" in name or any(char.isspace() for char in name):
            _warn(f"the provider {clean(entry.name, 40)!r} can't be named in `-m NAME:MODEL`, and is left out")
        elif name not in known:
            known[name] = entry
        elif known[name].value != entry.value:  # the same package can be on the path twice
            _warn(f"there are two providers {clean(name, 40)!r}: {clean(entry.value, 80)} is left out")
    return MappingProxyType(known)


def refresh_installed() -> Mapping[str, EntryPoint]:
    """Return `installed`, with the packages that were installed since its first call."""
    installed.cache_clear()
    return installed()


def named_provider(model: str) -> tuple[str, str]:
    """Split ``NAME:MODEL`` into provider and model; without a provider's name return ``""`` and `model`.

    A prefix counts only if it is a provider's name: ``qwen2.5:7b`` is a model, and ``ollama:qwen2.5:7b`` is that
    model of Ollama.
    """
    prefix, colon, rest = model.partition(":")
    name = prefix.strip().lower()
    return (name, rest.strip()) if colon and (name in _OURS or name in installed()) else ("", model)


def load(name: str) -> type[Provider]:
    """Return the provider with that name.

    Raises
    ------
    NotConfiguredError
        If there is none, it can't be imported, or it is not a provider; the message says which.
    """
    from berlin_magic.providers.base import Provider  # noqa: PLC0415 - `named_provider` does not need it

    entry = installed().get(name.strip().lower())
    if entry is None:
        entry = refresh_installed().get(name.strip().lower())
    if entry is None:
        raise NotConfiguredError(
            f"There is no provider {clean(name, 40)!r}.\nInstalled are {', '.join(installed())}: `%berlin providers`."
        )
    try:
        provider = entry.load()
    except (Exception, SystemExit) as error:  # a script that was not meant to be imported ends with `sys.exit()`
        what = f"{type(error).__name__}: {error}"
        raise NotConfiguredError(
            f"The provider {clean(name, 40)!r} can't be loaded from {clean(entry.value, 80)}: {clean(what, 200)}\n"
            "Repair or uninstall the package that brings it; the other providers work without it."
        ) from error
    if not (isinstance(provider, type) and issubclass(provider, Provider)) or inspect.isabstract(provider):
        raise NotConfiguredError(
            f"{clean(name, 40)!r} is not a provider: {clean(entry.value, 80)} must subclass berlin_magic.Provider and "
            "have a create_async_generator.\nTell its author; the other providers work without it."
        )
    if not all(isinstance(text, str) for text in (provider.name, provider.url, provider.needs)):
        raise NotConfiguredError(
            f"{clean(name, 40)!r} is not a provider: its name, url and needs must be strings.\n"
            "Tell its author; the other providers work without it."
        )
    return provider


def _warn(text: str) -> None:
    warnings.warn(f"berlin_magic: {text}", stacklevel=3)
