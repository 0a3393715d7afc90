"""The user's own key of fingerprints: with it they can be compared in later sessions."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

from berlin_magic.credentials.private_file import PrivateFile, Records, state_folder
from berlin_magic.credentials.secret import Secret

__all__ = ["fingerprint_key", "name_of_key"]

_FILE = "fingerprints.json"
_RECORD = "fingerprints"
_BYTES = 32


def fingerprint_key() -> bytes:
    """Return the key; the first call makes it, in a file that only the user can read.

    If that can't be written the key is one of this process: fingerprints of other sessions are then not known.
    """
    file = PrivateFile(state_folder() / _FILE)

    def make(records: Records) -> None:
        records.setdefault(_RECORD, {"key": Secret(secrets.token_hex(_BYTES))})

    try:
        if _RECORD not in (records := file.read()):
            file.change(make)
            records = file.read()
        return bytes.fromhex(records[_RECORD]["key"])
    except (OSError, KeyError, ValueError):
        return _of_this_process()


def name_of_key(key: bytes) -> str:
    """Return a short name of a key, which tells nothing of it: only fingerprints of one key can be compared."""
    return hashlib.blake2b(key, digest_size=4, person=b"name of key").hexdigest()


@cache
def _of_this_process() -> bytes:
    return secrets.token_bytes(_BYTES)
