"""Load and unload the extension."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from typing import Any

from traitlets import TraitError
from traitlets.config import Config

from berlin_magic.errors import clean
from berlin_magic.kernel.completion import Matcher
from berlin_magic.kernel.input_transformer import AwaitMagics, normalize_cell
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.notebook import notebook_of

__all__ = ["load", "unload"]

_NAME = "berlin"


def load(shell: Any) -> None:
    """Register the magics and the input transformer with `shell`; loading twice leaves one of each."""
    _remove(shell)
    _drop_invalid_settings(shell)
    magics = BerlinMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(Matcher(magics.vocabulary))
    shell.input_transformers_cleanup.append(normalize_cell)
    shell.input_transformers_post.append(AwaitMagics(shell))
    shell.events.register("pre_run_cell", notebook_of(shell).before_cell)
    shell.events.register("post_run_cell", magics.last_failure.after_cell)


def unload(shell: Any) -> None:
    """Remove everything that `load` has added; the conversation stays, for the next load."""
    _remove(shell)
    # What was never imported has nothing to close.
    if "berlin_magic.providers.resolve" in sys.modules:
        from berlin_magic.providers.resolve import close_embedded  # noqa: PLC0415

        close_embedded()
    if "berlin_magic.providers.local.engine" in sys.modules:
        from berlin_magic.providers.local.engine import release_all  # noqa: PLC0415

        release_all()
    if "berlin_magic.display.widget" in sys.modules:
        from berlin_magic.display.widget import close_live_widget  # noqa: PLC0415

        close_live_widget()


def _remove(shell: Any) -> None:
    cleanup, post = shell.input_transformers_cleanup, shell.input_transformers_post
    cleanup[:] = [entry for entry in cleanup if entry is not normalize_cell]
    post[:] = [entry for entry in post if not isinstance(entry, AwaitMagics)]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [entry for entry in matchers if not isinstance(entry, Matcher)]
    for magics in [entry for entry in shell.configurables if isinstance(entry, BerlinMagics)]:
        magics.stop_all()
        with suppress(ValueError):
            shell.events.unregister("post_run_cell", magics.last_failure.after_cell)
        shell.configurables.remove(magics)  # two of them there would both answer %config
    manager = shell.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop(_NAME, None)
    manager.registry.pop(BerlinMagics.__name__, None)
    with suppress(ValueError):  # it was not loaded
        shell.events.unregister("pre_run_cell", notebook_of(shell).before_cell)


def _drop_invalid_settings(shell: Any) -> None:
    """Drop the settings that no trait accepts, with a warning.

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
