"""Turn aiohttp's exceptions into errors that say what the user can do."""

from __future__ import annotations

import html
import re
import ssl
from typing import Final

import aiohttp
from yarl import URL

from berlin_magic.errors import (
    BerlinError,
    IncorrectAnswerError,
    NotConfiguredError,
    ServerUnreachableError,
    SilentTooLongError,
    clean,
)
from berlin_magic.transport.proxies import Proxy
from berlin_magic.transport.tls import trust_advice

__all__ = ["PASSING_STATUSES", "no_proxy", "no_response", "page_words", "proxy_refusal", "silence_error"]

PASSING_STATUSES: Final = frozenset({408, 429, 502, 503, 504})
"""The HTTP statuses of temporary errors (RFC 9110, section 15; RFC 6585, section 4)."""

_UNSEEN = re.compile(r"<!--.*?(-->|\Z)|<(script|style)\b.*?(</\2\s*>|\Z)|<[^>]*(>|\Z)", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title\b.*?(</title\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_LOOKED_AT = 100_000


def page_words(text: str) -> str:
    """Return the words of a page without tags, styles and scripts; `text` itself, if it is not a page or has no words.

    The result is still untrusted text.
    """
    if not text.lstrip().startswith("<"):
        return text
    page = text[:_LOOKED_AT]
    return _words(_TITLE.sub(" ", page)) or _words(page) or text  # most titles repeat the page


def _words(page: str) -> str:
    return " ".join(html.unescape(_UNSEEN.sub(" ", page)).split())


def no_response(  # noqa: PLR0911 - one for each cause
    error: Exception, where: str, *, silence: float | None, connect: float = 0.0, proxy: Proxy | None = None
) -> BerlinError:
    """Return the error for a request to `where` that failed with `error`; the timeouts are in seconds.

    If there is a `proxy`, the message says whether the proxy or the server failed, as far as that is known.
    """
    named = f"{where} through the proxy {proxy.where}" if proxy else where
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        check = "the proxy's address" if proxy else "the address"
        return ServerUnreachableError(f"No connection to {named} within {connect:g} s.\nCheck {check} and the network.")
    if isinstance(error, TimeoutError):
        return silence_error(named, silence)
    if proxy and (failure := _proxy_error(error, where, proxy)):
        return failure
    if (failed := _verification_error(error)) is not None:  # before ValueError, which aiohttp's is too
        return _not_trusted(failed, named)
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return NotConfiguredError(
            f"{where} can't be asked: its address{', or the proxy’s,' if proxy else ''} is not one that HTTP can use.\n"
            "Check it, and how its host is written."
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return ServerUnreachableError(
            f"No connection to {named}: {_reason(error)}.\n"
            "Is the server running, and is the address right? (`%berlin` shows it.)",
            passing=_is_broken(error.os_error),
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return IncorrectAnswerError(
            f"{named} gave an incorrect answer, which is not HTTP: {clean(error.message)}\n"
            "Check the address and its port."
        )
    return ServerUnreachableError(
        f"{named} ended the connection without an answer ({type(error).__name__}).\n"
        "Is it the right port, and http or https as the server expects? Try again if it is.",
        passing=isinstance(error, aiohttp.ServerDisconnectedError) or _is_broken(error),
    )


def proxy_refusal(where: str, proxy: Proxy | None, *, status: int | None = None, said: str = "") -> BerlinError:
    """Return the error for a proxy that does not let a request through.

    Parameters
    ----------
    where : str
        The server's address.
    proxy : Proxy, optional
        None if the user has not named it.
    status : int, optional
        The status of its answer.
    said : str
        Its reason in words, if it gave one.
    """
    named = f"The proxy {proxy.where}" if proxy else "A proxy in between"
    reason = f" (HTTP {status})" if status else f": {clean(said, 120)}" if said else ""
    return ServerUnreachableError(
        f"{named} does not let us through to {where}{reason}.\n"
        "Check the proxy's address, and its user name and password if it wants them.",
        status=status,
        passing=status in PASSING_STATUSES,  # so a proxy reports a server that it could not reach
    )


def no_proxy(where: str, proxy: Proxy, reason: str) -> BerlinError:
    """Return the error for a proxy that can't be reached itself."""
    return ServerUnreachableError(
        f"No connection to the proxy {proxy.where}, which leads to {where}: {reason}.\n"
        "Check the proxy's address: it is set by `proxy`, HTTP_PROXY, HTTPS_PROXY or ALL_PROXY."
    )


def silence_error(where: str, silence: float | None) -> SilentTooLongError:
    """Return the error for a server that has sent nothing for `silence` seconds."""
    return SilentTooLongError(
        f"{where} has said nothing for {silence or 0:g} s.\n"
        "Run the cell again, or allow more: `%config BerlinMagics.silence = 600` (seconds)."
    )


def _proxy_error(error: Exception, where: str, proxy: Proxy) -> BerlinError | None:
    """Return the error if the proxy caused it; None if the server behind it did."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_refusal(where, proxy, status=error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientConnectorDNSError):
        return no_proxy(where, proxy, _reason(error))
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        own = URL(proxy.where)
        if (error.host, error.port) == (own.host, own.port):
            failed = _verification_error(error)
            if failed is None:
                return no_proxy(where, proxy, _reason(error))
            return _not_trusted(failed, f"the proxy {proxy.where}")
    return None


def _not_trusted(failed: ssl.SSLCertVerificationError, whose: str) -> BerlinError:
    reason = clean(getattr(failed, "verify_message", ""), 100).rstrip(".")
    return ServerUnreachableError(
        f"The certificate of {whose} is not trusted here{f': {reason}' if reason else ''}.\n"
        f"{trust_advice(getattr(failed, 'verify_code', None))}"
    )


def _verification_error(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return the verification error of a certificate; None if `error` has another cause.

    Through a SOCKS proxy, aiohttp (3.14) has it as the cause of a ClientOSError.
    """
    for cause in (getattr(error, "certificate_error", None), error, error.__cause__):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
    return ssl.SSLCertVerificationError() if isinstance(error, aiohttp.ClientConnectorCertificateError) else None


def _is_broken(error: Exception) -> bool:
    """Return whether a connection was refused or reset."""
    return isinstance(error, ConnectionError) or isinstance(error.__cause__, ConnectionError)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is unknown to the network"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not speak https"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    return clean(error.os_error.strerror or type(error.os_error).__name__, 100)
