"""The search for secrets: what a test prints, logs, shows or leaves in a file holds none where it does not belong.

Every token, password, key and user record of these tests has the word `canary` in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

CANARY = b"canary"

KEPT_SECRETS = {"tokens.json", "logins.json", "secrets.json"}
"""What is kept for the user, who alone can read it; `secrets.json` is that of the tests of such files."""

GIVEN = {"netrc", "litellm.yaml"}
"""What a test wrote there itself."""


def told(texts: Iterable[str]) -> list[str]:
    """Return the lines that hold a canary."""
    word = CANARY.decode()
    return [line.strip() for text in texts for line in text.splitlines() if word in line]


def betrayed(folder: Path) -> list[str]:
    """Return what is wrong with the files under `folder`: those that hold a canary and should not, or not like this."""
    found = []
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            try:
                data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            except OSError:
                continue  # gone, or not for reading
            if CANARY not in data or path.name in GIVEN:
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            if path.name not in KEPT_SECRETS:
                found.append(f"a secret in {path}")
            elif os.name == "posix" and mode & 0o077:
                found.append(f"others can read {path}: {mode:o}")
    return found
