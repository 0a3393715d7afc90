"""Connect through a SOCKS proxy with the package ``aiohttp-socks``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import aiohttp
from yarl import URL

from berlin_magic.errors import NotConfiguredError
from berlin_magic.transport.client import NameLookup
from berlin_magic.transport.proxies import Proxy

__all__ = ["socks_connector", "socks_errors"]


async def socks_connector(proxy: Proxy) -> aiohttp.BaseConnector:
    """Return a connector through `proxy`, which looks up the server's name.

    Parameters
    ----------
    proxy : Proxy
        A SOCKS proxy.

    Raises
    ------
    NotConfiguredError
        If the package is not installed, or can't send the password.
    OSError
        If the proxy's name can't be looked up.
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
    # The package looks the name up in asyncio's threads (see `NameLookup`), and prefers IPv4.
    found = await NameLookup().resolve(url.host or "", url.port or 0)
    connector: aiohttp.BaseConnector = package.ProxyConnector(
        host=min(found, key=lambda found: found["family"])["host"],
        port=url.port,
        proxy_type=package.ProxyType.SOCKS4 if url.scheme.startswith("socks4") else package.ProxyType.SOCKS5,
        username=proxy.user or None,
        password=proxy.password or None,
        rdns=True,
    )
    return connector


def socks_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions for errors of a SOCKS proxy, which are not aiohttp's."""
    package: Any = sys.modules.get("aiohttp_socks")
    if package is None:
        return ()
    return (package.ProxyError, package.ProxyConnectionError, package.ProxyTimeoutError)
