"""A shell in this process, with nothing of the user's in it."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def new_shell(**settings: object) -> InteractiveShell:
    """Return a shell with no history on disk; `settings` are those of `BerlinMagics` in its configuration."""
    return InteractiveShell(config=Config({"HistoryManager": {"enabled": False}, "BerlinMagics": settings}))
