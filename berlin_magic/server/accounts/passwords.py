"""Passwords, as they are stored: salted scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata

__all__ = ["NO_PASSWORD", "hash_password", "is_password"]

# One of the settings that the OWASP Password Storage Cheat Sheet (2024) gives as equal in strength: 16 MiB a try.
_N, _R, _P = 2**14, 8, 5
_MEMORY = 64 * 2**20

NO_PASSWORD = f"scrypt${_N}${_R}${_P}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"
"""A hash that no password has, to be tried for a name that there is not: it takes as long as any other."""


def hash_password(password: str) -> str:
    """Return a salted scrypt hash of `password`, with its settings: ``scrypt$N$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_password(password: str, hashed: str) -> bool:
    """Return whether `hashed`, as `hash_password` returned it, is the hash of `password`."""
    try:
        kind, n, r, p, salt, digest = hashed.split("$")
        computed = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(computed, base64.b64decode(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # One system types an é as one character, another as two (RFC 8265, section 4.2).
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "replace")
    return hashlib.scrypt(typed, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)
