"""Load the certificates that are trusted.

``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count as for every program with OpenSSL. If neither is set,
``REQUESTS_CA_BUNDLE`` counts as for `requests`, in place of the system's: on machines that set only
that one, pip works, and so should a question.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from berlin_magic.concurrency import in_thread
from berlin_magic.errors import NotConfiguredError, clean

__all__ = ["trust_advice", "trusted"]

_TIMEOUT = 10.0  # seconds for reading certificates, which may lie on a network drive


@dataclass(frozen=True, slots=True)
class _Named:
    """The paths in the environment, and the file's time stamp: a file that was changed has to be read again."""

    file: str
    folder: str
    bundle: str
    stamp: tuple[int, int] | None


_SYSTEMS = _Named("", "", "", None)
_contexts: dict[_Named, ssl.SSLContext] = {}


async def trusted() -> ssl.SSLContext:
    """Return the TLS context for a request, made in a thread: reading the system's certificates takes 30 to 100 ms.

    Raises
    ------
    NotConfiguredError
        If the certificates can't be read in time.
    """
    if (known := _contexts.get(_SYSTEMS)) and not _file()[0]:
        return known
    try:
        return await in_thread(_context, timeout=_TIMEOUT)
    except TimeoutError:
        raise NotConfiguredError(
            f"The trusted certificates could not be read within {_TIMEOUT:g} s.\n"
            "Does SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE name a network drive that is gone?"
        ) from None


def trust_advice(code: int | None = None) -> str:
    """Return what the user can do about a server's certificate that is not trusted.

    Parameters
    ----------
    code : int, optional
        OpenSSL's reason (``X509_V_ERR_…``, its x509_vfy.h). For some of them another CA does not help.
    """
    if code in _NOT_ABOUT_CA:
        return _NOT_ABOUT_CA[code]
    file, variable = _file()
    if not file:
        return "If it is your organisation's own, start Jupyter with SSL_CERT_FILE naming its CA file."
    if _stamp(file) is None:
        return f"{variable} names {clean(file, 120)}, which is not there: name the CA file of your organisation."
    return f"{variable} names {clean(file, 120)}: see that it holds the CA that issued it, as PEM."


_OTHER_NAME = "It is for another name: check the address, or ask whoever runs the server."
_NOT_ABOUT_CA = {
    9: "It is not valid yet: check the clock of this machine; if that is right, tell whoever runs the server.",
    10: "It has expired: tell whoever runs the server, or check the clock of this machine.",
    23: "It was revoked: do not send anything there, and tell whoever runs the server.",
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}


def _context() -> ssl.SSLContext:
    folder, bundle = os.environ.get("SSL_CERT_DIR", ""), os.environ.get("REQUESTS_CA_BUNDLE", "")
    file = os.environ.get("SSL_CERT_FILE", "")
    named = _Named(file, folder, bundle, _stamp(_file()[0]))
    if named not in _contexts:
        _contexts[named] = context = _made("" if file or folder else bundle)
        context.set_alpn_protocols(["http/1.1"])
    return _contexts[named]


def _made(bundle: str) -> ssl.SSLContext:
    if bundle:
        try:
            if Path(bundle).is_dir():
                return ssl.create_default_context(capath=bundle)
            return ssl.create_default_context(cafile=bundle)
        except OSError:
            pass  # the system's certificates may be enough; if not, `trust_advice` names the bundle
    return ssl.create_default_context()


def _file() -> tuple[str, str]:
    """Return the file or folder that is used, and the variable that names it."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        if os.environ.get(variable):
            return os.environ[variable], variable
    return "", ""


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
