"""The providers by name: those of this package, and those that other packages bring as entry points."""

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

__all__ = ["GROUP", "found", "found_anew", "load", "named_provider"]

GROUP = "berlin_magic.providers"
"""The group of entry points, each ``NAME = "package.module:ProviderClass"``."""

# In the form in which others say it, and loaded the same way: when they are first asked.
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


def found() -> Mapping[str, EntryPoint]:
    """Return the providers that are installed, by name, ours first; none of them is imported.

    Names are compared without regard to case. One that is taken already, by us or by another package, is left out with
    a warning: what is meant for one provider, a key for instance, would go to another.
    """
    return _listed()


@cache
def _listed() -> Mapping[str, EntryPoint]:
    from importlib.metadata import EntryPoint, entry_points  # noqa: PLC0415 - a slow import: loading names no provider

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
        elif known[name].value != entry.value:  # a package that is found twice on the path is one
            _warn(f"there are two providers {clean(name, 40)!r}: {clean(entry.value, 80)} is left out")
    return MappingProxyType(known)


def found_anew() -> Mapping[str, EntryPoint]:
    """Return what `found` does, with what has been installed since it was first asked."""
    _listed.cache_clear()
    return found()


def named_provider(model: str) -> tuple[str, str]:
    """Return the name of the provider that `model` begins with, "" for none, and the model without it.

    A prefix counts only if it is a provider's name: ``qwen2.5:7b`` is a model, and ``ollama:qwen2.5:7b`` is that
    model of Ollama.
    """
    prefix, colon, rest = model.partition(":")
    name = prefix.strip().lower()
    return (name, rest.strip()) if colon and (name in _OURS or name in found()) else ("", model)


def load(name: str) -> type[Provider]:
    """Return the provider of that name.

    Raises
    ------
    NotConfiguredError
        Where there is none, or it can't be imported, or is no provider; the message says which.
    """
    from berlin_magic.providers.base import Provider  # noqa: PLC0415 - a name can be told without it

    entry = found().get(name.strip().lower())
    if entry is None:
        entry = found_anew().get(name.strip().lower())
    if entry is None:
        raise NotConfiguredError(
            f"There is no provider {clean(name, 40)!r}.\nInstalled are {', '.join(found())}: `%berlin providers`."
        )
    try:
        provider = entry.load()
    except (Exception, SystemExit) as error:  # a script that was not meant to be imported ends with `sys.exit()`
        what = f"{type(error).__name__}: {error}"
        raise NotConfiguredError(
            f"The provider {clean(name, 40)!r} can't be loaded from {clean(entry.value, 80)}: {clean(what, 200)}\n"
            "Repair or uninstall the package that brings it; the others work without it."
        ) from error
    if not (isinstance(provider, type) and issubclass(provider, Provider)) or inspect.isabstract(provider):
        raise NotConfiguredError(
            f"The provider {clean(name, 40)!r} is none: {clean(entry.value, 80)} is no subclass of "
            "berlin_magic.Provider with a create_async_generator.\nTell whoever wrote it; the others work without it."
        )
    if not all(isinstance(text, str) for text in (provider.name, provider.url, provider.needs)):
        raise NotConfiguredError(
            f"The provider {clean(name, 40)!r} is none: its name, url and needs are not all texts.\n"
            "Tell whoever wrote it; the others work without it."
        )
    return provider


def _warn(text: str) -> None:
    warnings.warn(f"berlin_magic: {text}", stacklevel=3)
