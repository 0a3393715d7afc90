"""Send a request over HTTP, with limits on connecting and on silence.

Facts about aiohttp are those of its version 3.14.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from berlin_magic.credentials.redaction import untraced
from berlin_magic.errors import NotConfiguredError, ServerError, clean
from berlin_magic.transport.client import new_session, session_of_loop, to_json
from berlin_magic.transport.errors import no_proxy, no_response, proxy_refusal
from berlin_magic.transport.proxies import Proxy, parsed_proxy, proxy_for
from berlin_magic.transport.response import REPLY_LIMIT, end_of_framing, end_with_connection, received, whole_body
from berlin_magic.transport.socks import socks_connector, socks_errors
from berlin_magic.transport.tls import trusted

__all__ = [
    "CONNECT_LIMIT",
    "REPLY_LIMIT",
    "address",
    "has_line_break",
    "is_loopback",
    "origin_of",
    "received",
    "requested",
    "whole_body",
]

_SMALL = 2**15  # bytes that asyncio's transports and the system accept at once, even if the server does not read
_SLICE = 2**16


class _Upload(aiohttp.Payload):
    """A JSON body that is written in slices, each within a time limit.

    aiohttp limits the time to connect and to read. Neither ends a request whose server stops reading a long question.

    Attributes
    ----------
    written : bool
        Whether all of it was written. Before that no server can have read the whole request.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self._size = len(self._value)
        self._limit: asyncio.Timeout | None = None
        self._seconds: float | None = None
        self.written = False

    @asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncIterator[None]:
        """Raise `TimeoutError` if a slice is not written within `seconds`; None for no limit."""
        async with asyncio.timeout(None) as limit:
            self._limit, self._seconds = limit, seconds
            try:
                yield
            finally:
                self._limit = None  # a server may answer before it has read all

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        body = self._value
        for end in range(_SLICE, len(body) + _SLICE, _SLICE):
            self._set_deadline(self._seconds)
            await writer.write(body[end - _SLICE : end])
            self.written = end >= len(body)
            await writer.drain()
        self._set_deadline(None)  # the timeout for reading counts from here on

    def _set_deadline(self, seconds: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


CONNECT_LIMIT = 15.0
"""Seconds in which a connection has to be made."""

_USER = re.compile(r"^\s*((?:[a-z][a-z0-9+.-]*:)?//)?.*@", re.IGNORECASE | re.DOTALL)


def address(text: str, setting: str = "BERLIN_URL") -> URL:
    """Return `text` as an address with a scheme and a host, without a trailing slash, user name, query or fragment.

    Parameters
    ----------
    text : str
        The address that the user gave.
    setting : str
        The name of the setting, for the error.

    Raises
    ------
    NotConfiguredError
        If it is not an address.
    """
    try:
        url = URL(text.strip().rstrip("/"))
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        shown = clean(re.split("[?#]", _USER.sub(r"\1", text))[0], 80)
        raise NotConfiguredError(
            f"{shown!r} is not a server's address.\nSet {setting} to one such as http://127.0.0.1:8731"
        )
    return url.with_user(None).with_path(url.raw_path.rstrip("/"), encoded=True)  # drops query and fragment


def origin_of(url: URL) -> str:
    """Return scheme, host and port of `url`, to which a credential is bound."""
    return str(url.origin())


def has_line_break(value: str) -> bool:
    """Return whether `value` holds a character that ends a header."""
    return any(char in value for char in "\r\n\0")


def is_loopback(url: URL) -> bool:
    """Return whether `url` is on this machine."""
    host = url.host or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def requested(
    method: str,
    url: URL,
    *,
    headers: Mapping[str, str],
    proxy: str | None,
    silence: float | None,
    json: Mapping[str, object] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send one request, and give the response once its headers have come; at the end, close the connection at once.

    Parameters
    ----------
    method, url, headers, json
        The request. Redirects are not followed: they would send a token to another server.
    proxy : str, optional
        The address of a proxy; otherwise the environment's is used.
    silence : float, optional
        Seconds without a byte after which it ends; None for no limit. The whole response has no time limit.

    Raises
    ------
    ServerUnreachableError
        If there is no connection, or it ended before any answer.
    SilentTooLongError
        If no answer began in time.
    IncorrectAnswerError
        If the answer is not HTTP.
    NotConfiguredError
        If the address, or the proxy's, can't be used.
    ServerError
        If the server redirects.
    """
    where = origin_of(url)
    found = proxy_for(url, proxy, loopback=is_loopback(url))
    through = parsed_proxy(found) if found else None
    limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_LIMIT, sock_read=silence)
    async with AsyncExitStack() as stack:
        try:
            route = await _route(url, headers, through, stack)
            session: aiohttp.ClientSession = route.pop("session", None) or await session_of_loop()
            send = partial(session.request, method, url, **route, allow_redirects=False, timeout=limits)
            response = await (_sent(send, json, silence and silence + CONNECT_LIMIT) if json else send())
        except socks_errors() as error:
            raise proxy_refusal(where, through, said=str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise no_response(error, where, silence=silence, connect=CONNECT_LIMIT, proxy=through) from None
        except asyncio.CancelledError as error:
            raise untraced(error) from None  # aiohttp's frames show the proxy's password
        finally:
            del proxy
        lost = end_with_connection(response)
        try:
            _check_response(response, where, through)
            yield response
            await end_of_framing(response)
        finally:
            lost()
            response.close()  # not release(): an unread stream has to end now, not be read to its end


async def _sent(
    send: Callable[..., Awaitable[aiohttp.ClientResponse]], value: Mapping[str, object], seconds: float | None
) -> aiohttp.ClientResponse:
    """Send `value` and return the response; send it again if the server can't have read it.

    It may go over an idle connection that the server has just closed. No server acts on a part of a request; but a
    request that was written, as a short one is at once, may have been read.
    """
    body = to_json(value).encode()
    for last in (False, True):
        upload = _Upload(body) if len(body) > _SMALL else None
        try:
            if upload is None:
                return await send(json=value)
            async with upload.timeout(seconds):
                return await send(data=upload)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            refused = isinstance(error.__cause__, aiohttp.ClientConnectionResetError)  # before a byte was written
            if last or not (refused if upload is None else not upload.written):
                raise
    raise AssertionError  # the last attempt returns or raises


async def _route(url: URL, headers: Mapping[str, str], proxy: Proxy | None, stack: AsyncExitStack) -> dict[str, Any]:
    """Return aiohttp's arguments for the route to `url`; ``session`` is for a SOCKS proxy."""
    route: dict[str, Any] = {"headers": headers, "proxy": None}
    if url.scheme == "https" or (proxy and proxy.where.startswith("https:")):
        route["ssl"] = await trusted()
    if proxy is None:
        return route
    if proxy.is_socks:
        try:
            async with asyncio.timeout(CONNECT_LIMIT):  # for the lookup of its name
                connector = await socks_connector(proxy)
        except TimeoutError:
            raise no_proxy(origin_of(url), proxy, f"its name was not found within {CONNECT_LIMIT:g} s") from None
        except OSError:
            raise no_proxy(origin_of(url), proxy, "its name is unknown to the network") from None
        route["session"] = await stack.enter_async_context(new_session(connector))
        return route
    route["proxy"] = proxy.where
    if url.scheme == "https":
        route["proxy_headers"] = proxy.authorization  # for the proxy only, which can't read the rest
    else:
        route["headers"] = {**headers, **proxy.authorization}
    return route


def _check_response(response: aiohttp.ClientResponse, where: str, proxy: Proxy | None) -> None:
    status = response.status
    if status == 407:  # noqa: PLR2004 - Proxy Authentication Required
        raise proxy_refusal(where, proxy, status=status)
    if not 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
        return
    if target := clean(response.headers.get("Location", ""), 120):
        raise ServerError(f"{where} redirects to {target}.\nSet the address that is meant.", status=status)
    raise ServerError(
        f"{where} answered with HTTP {status}, which is not an answer to a question.\n"
        "Check the address; if it is right, ask whoever runs the server, or a cache in front of it.",
        status=status,
    )
