"""What a fault of the network means to the user: aiohttp's exceptions in our words."""

from __future__ import annotations

import ssl

import aiohttp

from berlin_magic.errors import (
    BerlinError,
    IncorrectAnswerError,
    NotConfiguredError,
    ServerUnreachableError,
    SilentTooLongError,
    clean,
)
from berlin_magic.retries import PASSING_STATUSES
from berlin_magic.trust import trust_advice

__all__ = ["no_response", "proxy_refusal", "silence_error"]


def no_response(  # noqa: PLR0911 - one a cause
    error: Exception, where: str, *, silence: float | None, connect: float
) -> BerlinError:
    """Return what `error`, which kept a response of `where` from coming, means; the limits are in seconds."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ServerUnreachableError(
                f"No connection to {where} within {connect:g} s.\nCheck the address and the network."
            )
        case TimeoutError():
            return silence_error(where, silence)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return proxy_refusal(where, getattr(error, "status", None))
        case _ if (reason := _distrust(error)) is not None:  # before ValueError, which aiohttp's is too
            return ServerUnreachableError(
                f"The certificate of {where} is not trusted here{f': {reason}' if reason else ''}.\n{trust_advice()}"
            )
        case aiohttp.InvalidURL() | ValueError():
            return NotConfiguredError(
                f"{where} can't be asked: its address, or the proxy's, is none that HTTP can use.\n"
                "Check both; a proxy is http://host:port, set by HTTP_PROXY or HTTPS_PROXY."
            )
        case aiohttp.ClientConnectorError():
            return ServerUnreachableError(
                f"No connection to {where}: {_reason(error)}.\n"
                "Is the server running, and is the address right? (`%berlin` shows it.)",
                passing=_is_broken(error.os_error),
            )
        case aiohttp.ClientResponseError():
            return IncorrectAnswerError(
                f"{where} gave an incorrect answer, which is no HTTP: {clean(error.message)}\n"
                "Check the address and its port."
            )
        case _:
            return ServerUnreachableError(
                f"{where} ended the connection without an answer ({type(error).__name__}).\n"
                "Is it the right port, and http or https as the server expects? Try again if it is.",
                passing=isinstance(error, aiohttp.ServerDisconnectedError) or _is_broken(error),
            )


def proxy_refusal(where: str, status: int | None) -> ServerUnreachableError:
    """Return the error for a proxy that does not let a request through."""
    said = f" (HTTP {status})" if status else ""
    return ServerUnreachableError(
        f"The proxy for {where} does not let us through{said}.\n"
        "Check the proxy's address, and its user name and password if it wants them.",
        status=status,
        passing=status in PASSING_STATUSES,  # a proxy's word for a server that it could not reach
    )


def silence_error(where: str, silence: float | None) -> SilentTooLongError:
    """Return the error for a server that has sent nothing for `silence` seconds."""
    return SilentTooLongError(
        f"{where} has said nothing for {silence or 0:g} s.\n"
        "Run the cell again, or allow more: `%config BerlinMagics.silence = 600` (seconds)."
    )


def _distrust(error: Exception) -> str | None:
    """Return why a certificate was not accepted; None where it is no such error.

    Through a SOCKS proxy, aiohttp (3.14) has it as the cause of a ClientOSError.
    """
    for cause in (getattr(error, "certificate_error", None), error, error.__cause__):
        if isinstance(cause, ssl.CertificateError):
            return clean(cause.verify_message, 100)
    return "" if isinstance(error, aiohttp.ClientConnectorCertificateError) else None


def _is_broken(error: Exception) -> bool:
    """Say whether a connection was refused or reset."""
    return isinstance(error, ConnectionError) or isinstance(error.__cause__, ConnectionError)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is unknown to the network"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not speak https"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    return clean(error.os_error.strerror or type(error.os_error).__name__, 100)
