"""The way to a server over HTTP: one session a request, limits on connecting and on silence, errors in our words.

Facts about aiohttp were read in, and tried on, its version 3.14.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from berlin_magic.errors import (
    BerlinError,
    IncompleteReplyError,
    IncorrectAnswerError,
    NotConfiguredError,
    ReplyTooLargeError,
    ServerError,
    ServerUnreachableError,
    SilentTooLongError,
    clean,
)

__all__ = ["CONNECT_LIMIT", "address", "is_loopback", "origin_of", "received", "requested", "whole_body"]

CONNECT_LIMIT = 15.0
"""Seconds that making a connection may take."""

_BODY_LIMIT = 8 * 2**20
_USER = re.compile("//[^/]*@")


def address(text: str) -> URL:
    """Return `text` as an address with a scheme and a host, without a trailing slash, user name, query or fragment.

    Raises
    ------
    NotConfiguredError
        Where it is none.
    """
    try:
        url = URL(text.strip().rstrip("/"))
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise NotConfiguredError(
            f"{clean(_USER.sub('//', text), 80)!r} is not a server's address.\nSet BERLIN_URL to one such as http://127.0.0.1:8731"
        )
    return url.with_user(None).with_path(url.raw_path.rstrip("/"), encoded=True)  # drops query and fragment


def origin_of(url: URL) -> str:
    """Return scheme, host and port of `url`: what a credential is bound to."""
    return str(url.origin())


def is_loopback(url: URL) -> bool:
    """Say whether `url` is on this machine."""
    host = url.host or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_for(url: URL, proxy: str | None) -> str | None:
    """Return the proxy to use: the one given, else the environment's; none for this machine itself.

    aiohttp's own ``trust_env`` also asks the environment's proxy for loopback, which no company's proxy can reach.
    """
    if proxy:
        return proxy
    if is_loopback(url) or urllib.request.proxy_bypass(f"{url.host}:{url.port}"):
        return None
    return urllib.request.getproxies().get(url.scheme)


@asynccontextmanager
async def requested(
    method: str,
    url: URL,
    *,
    headers: Mapping[str, str],
    proxy: str | None,
    silence: float | None,
    json: Mapping[str, Any] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send one request; give the response when its headers are there; close the connection at the end, at once.

    Parameters
    ----------
    method, url, headers, json
        The request. Redirects are not followed: a token would go along to whoever they name.
    proxy : str, optional
        The address of a proxy; otherwise the environment's is used.
    silence : float, optional
        Seconds without a byte after which it ends; None for no limit. There is no limit on the whole.

    Raises
    ------
    ServerUnreachableError
        Where there is no connection, or it ended before any answer.
    SilentTooLongError
        Where no answer began in time.
    IncorrectAnswerError
        Where the answer is no HTTP.
    NotConfiguredError
        Where the address, or the proxy's, can't be used.
    ServerError
        Where the server redirects.
    """
    where = origin_of(url)
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_LIMIT, sock_read=silence)
    # DummyCookieJar: a server's cookies would be one more secret to keep.
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            # sock_read begins when the request is written: a server that does not even read it needs a limit too.
            async with asyncio.timeout(silence and silence + CONNECT_LIMIT):
                response = await session.request(
                    method, url, headers=headers, json=json, proxy=_proxy_for(url, proxy), allow_redirects=False
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _no_response(error, where, silence) from None
        try:
            _check_response(response, where)
            yield response
        finally:
            response.close()  # not release(): an unread stream has to end now, not be read to its end


def _check_response(response: aiohttp.ClientResponse, where: str) -> None:
    status = response.status
    if status == 407:  # noqa: PLR2004 - Proxy Authentication Required
        raise _no_proxy(where, status)
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
        target = clean(response.headers.get("Location", "nowhere"), 120)
        raise ServerError(
            f"{where} redirects to {target}.\nSet BERLIN_URL to the address that is meant.", status=status
        )


def _no_response(error: Exception, where: str, silence: float | None) -> BerlinError:  # noqa: PLR0911 - one a cause
    """Return what `error`, which kept a response from coming, means to the user."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ServerUnreachableError(
                f"No connection to {where} within {CONNECT_LIMIT:g} s.\nCheck the address and the network."
            )
        case TimeoutError():
            return _silent(where, silence)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return _no_proxy(where, getattr(error, "status", None))
        case aiohttp.InvalidURL() | ValueError():
            return NotConfiguredError(
                f"{where} can't be asked: its address, or the proxy's, is none that HTTP can use.\n"
                "Check BERLIN_URL and HTTP_PROXY or HTTPS_PROXY; a proxy is http://host:port"
            )
        case aiohttp.ClientConnectorCertificateError():
            return ServerUnreachableError(
                f"The certificate of {where} is not trusted here.\n"
                "Where it is your organisation's own, start Jupyter with SSL_CERT_FILE naming its CA file."
            )
        case aiohttp.ClientConnectorError():
            return ServerUnreachableError(
                f"No connection to {where}: {_reason(error)}.\n"
                "Is the server running, and is the address right? (`%berlin` shows it; BERLIN_URL sets it.)"
            )
        case aiohttp.ClientResponseError():
            return IncorrectAnswerError(
                f"{where} gave an incorrect answer, which is no HTTP: {clean(error.message)}\n"
                "Check the address and its port: is it a Berlin server's?"
            )
        case _:
            return ServerUnreachableError(
                f"{where} ended the connection without an answer ({type(error).__name__}).\n"
                "Is it the right port, and http or https as the server expects? Try again if it is."
            )


def _no_proxy(where: str, status: int | None) -> ServerUnreachableError:
    said = f" (HTTP {status})" if status else ""
    return ServerUnreachableError(
        f"The proxy for {where} does not let us through{said}.\n"
        "Check the proxy's address, and its user name and password if it wants them.",
        status=status,
    )


async def received(response: aiohttp.ClientResponse, *, silence: float | None) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; every byte that came before a fault is yielded first.

    Raises
    ------
    IncompleteReplyError
        Where the connection breaks.
    SilentTooLongError
        Where no byte comes for `silence` seconds.
    """
    where = origin_of(response.url)
    fault: IncompleteReplyError | None = None
    while not fault:
        try:
            data = await response.content.readany()
        except TimeoutError:
            fault = _silent(where, silence)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError: "Connection closed.", after broken framing that came before the reader did.
            fault = IncompleteReplyError(
                f"The connection to {where} broke in the middle of the reply ({type(error).__name__}).\n"
                "Run the cell again for a whole one."
            )
        else:
            if not data:
                return
            yield data
    # readany() raises a fault before it hands out what had arrived by then (aiohttp 3.14, streams.py): without
    # this, the last words before a cut are lost to whoever reads slowly.
    for rest in _left_over(response.content):
        yield rest
    raise fault


def _left_over(content: aiohttp.StreamReader) -> list[bytes]:
    buffered: list[bytes] = list(getattr(content, "_buffer", ()))
    if buffered:
        buffered[0] = buffered[0][getattr(content, "_buffer_offset", 0) :]
    return buffered


async def whole_body(response: aiohttp.ClientResponse, *, silence: float | None) -> str:
    """Return the body of an answer that is no stream, as text; what broke off in the middle counts as it is.

    Raises
    ------
    ReplyTooLargeError
        Where it exceeds 8 MiB.
    ServerUnreachableError
        Where the connection breaks before its first byte.
    SilentTooLongError
        Where the server falls silent.
    """
    where = origin_of(response.url)
    body = bytearray()
    try:
        async with aclosing(received(response, silence=silence)) as reads:
            async for data in reads:
                body += data
                if len(body) > _BODY_LIMIT:
                    raise ReplyTooLargeError(
                        f"{where} sent an answer of more than {_BODY_LIMIT:,} bytes.\n"
                        "Check the address: is it a Berlin server's?"
                    )
    except SilentTooLongError:
        raise
    except IncompleteReplyError as error:
        if not body:
            raise _no_response(aiohttp.ServerDisconnectedError(), where, silence) from error
    return body.decode("utf-8", "replace")


def _silent(where: str, silence: float | None) -> SilentTooLongError:
    return SilentTooLongError(
        f"{where} has said nothing for {silence or 0:g} s.\n"
        "Run the cell again, or allow more: `%config BerlinMagics.silence = 600` (seconds)."
    )


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is unknown to the network"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it does not speak https"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    return clean(error.os_error.strerror or type(error.os_error).__name__, 100)
