"""Loading and unloading the extension: what it adds to a shell, and takes away again."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from typing import Any

from traitlets import TraitError
from traitlets.config import Config

from berlin_magic.errors import clean
from berlin_magic.kernel.completion import Tab
from berlin_magic.kernel.input_transformer import Awaiting
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.notebook import notebook_of

__all__ = ["load", "unload"]

_NAME = "berlin"


def load(shell: Any) -> None:
    """Register the magics and the input transformer with `shell`; loading twice leaves one of each."""
    _take_away(shell)
    _set_invalid_settings_aside(shell)
    magics = BerlinMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(Tab(magics.vocabulary))
    shell.input_transformers_post.append(Awaiting(shell))
    shell.events.register("pre_run_cell", notebook_of(shell).before_cell)


def unload(shell: Any) -> None:
    """Take everything away that `load` has brought; the conversation stays, for the next load."""
    _take_away(shell)
    if (connection := sys.modules.get("berlin_magic.providers.resolve")) is not None:
        connection.close_embedded()


def _take_away(shell: Any) -> None:
    transformers = shell.input_transformers_post
    transformers[:] = [entry for entry in transformers if not isinstance(entry, Awaiting)]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [entry for entry in matchers if not isinstance(entry, Tab)]
    for magics in [entry for entry in shell.configurables if isinstance(entry, BerlinMagics)]:
        magics.stop_all()
        shell.configurables.remove(magics)  # two of them there would both answer %config
    manager = shell.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop(_NAME, None)
    manager.registry.pop(BerlinMagics.__name__, None)
    with suppress(ValueError):  # where it was not loaded
        shell.events.unregister("pre_run_cell", notebook_of(shell).before_cell)


def _set_invalid_settings_aside(shell: Any) -> None:
    """Drop settings that no trait accepts, with a warning.

    A wrong value given to ``%config`` is refused, yet stays in the shell's configuration, where the next load would
    fail on it (IPython 9.18).
    """
    section = shell.config.get(BerlinMagics.__name__, {})
    for name, value in list(section.items()):
        try:
            BerlinMagics(config=Config({BerlinMagics.__name__: {name: value}}))
        except TraitError as error:
            del section[name]
            warnings.warn(f"berlin_magic: {name} is left at its default: {clean(str(error))}", stacklevel=2)
