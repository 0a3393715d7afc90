"""The folder for what this package keeps between sessions of a user and nobody has to read: tokens, stored logins."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["state_folder"]


def state_folder() -> Path:
    """Return ``BERLIN_STATE_DIR``, else the user's own folder for state; it need not exist yet.

    On Linux that is ``~/.local/state/berlin_magic``; on macOS and Windows it is in the user's application data, which
    Windows lets nobody else read.
    """
    if named := os.environ.get("BERLIN_STATE_DIR"):
        return Path(named).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415 - loading the extension needs no folder

    return user_state_path("berlin_magic", appauthor=False)
