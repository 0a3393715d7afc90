"""The way through a SOCKS proxy, by the package ``aiohttp-socks``; the server's name is looked up by the proxy."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

import aiohttp
from yarl import URL

from berlin_magic.errors import NotConfiguredError
from berlin_magic.transport.client import NameLookup
from berlin_magic.transport.proxies import Proxy

__all__ = ["socks_connector", "socks_errors"]


async def socks_connector(proxy: Proxy, *, patience: float) -> aiohttp.BaseConnector:
    """Return what connects through `proxy`.

    Parameters
    ----------
    proxy : Proxy
        One of SOCKS.
    patience : float
        Seconds that looking up its name may take.

    Raises
    ------
    NotConfiguredError
        Where the package is not installed, or the password is none that it can send.
    OSError, TimeoutError
        Where the proxy's name can't be looked up.
    """
    try:
        package: Any = importlib.import_module("aiohttp_socks")
    except ImportError:
        raise NotConfiguredError(
            "A SOCKS proxy needs the package aiohttp-socks, which is not installed.\n"
            "Install it: `%pip install aiohttp-socks`; or use an HTTP proxy, http://host:port."
        ) from None
    if not f"{proxy.user!s}{proxy.password!s}".isascii():
        raise NotConfiguredError(
            "The user name or password of the SOCKS proxy is not ASCII, and can't be sent.\n"
            "Use another user name and password there, or an HTTP proxy, http://host:port."
        )
    url = URL(proxy.where)
    # The package looks the name up in asyncio's threads (see `NameLookup`), and takes an address of IPv4 first.
    async with asyncio.timeout(patience):
        found = await NameLookup().resolve(url.host or "", url.port or 0)
    connector: aiohttp.BaseConnector = package.ProxyConnector(
        host=min(found, key=lambda one: one["family"])["host"],
        port=url.port,
        proxy_type=package.ProxyType.SOCKS4 if url.scheme.startswith("socks4") else package.ProxyType.SOCKS5,
        username=proxy.user or None,
        password=proxy.password or None,
        rdns=True,
    )
    return connector


def socks_errors() -> tuple[type[Exception], ...]:
    """Return what a SOCKS proxy's refusals are raised as; they are no errors of aiohttp's."""
    package: Any = sys.modules.get("aiohttp_socks")
    if package is None:
        return ()
    return (package.ProxyError, package.ProxyConnectionError, package.ProxyTimeoutError)
