"""Which proxy a request goes through: the one given, else the environment's; an HTTP proxy, or a SOCKS one."""

from __future__ import annotations

import importlib
import sys
import urllib.request
from base64 import b64encode
from typing import Any

import aiohttp
from yarl import URL

from berlin_magic.errors import NotConfiguredError
from berlin_magic.secret import Secret

__all__ = ["is_socks", "proxy_for", "proxy_secrets", "socks_connector", "socks_errors"]

_SOCKS = {"socks", "socks4", "socks4a", "socks5", "socks5h"}


def proxy_for(url: URL, proxy: str | None, *, loopback: bool) -> Secret | None:
    """Return the address of the proxy to use for `url`, which may hold a password: `proxy`, else the environment's.

    Parameters
    ----------
    url : URL
        Where the request is to go.
    proxy : str, optional
        What the user has set; it goes before ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.
    loopback : bool
        Whether `url` is on this machine: aiohttp's own ``trust_env`` also asks the environment's proxy for that,
        which no company's proxy can reach.
    """
    if proxy:
        return Secret(proxy)
    if loopback or urllib.request.proxy_bypass(f"{url.host}:{url.port}"):
        return None
    proxies = urllib.request.getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return Secret(found) if found else None


def proxy_secrets(url: URL, proxy: str | None) -> list[Secret]:
    """Return what no message may hold of the proxy for `url`: its password, also as it is sent."""
    address = proxy_for(url, proxy, loopback=False)
    try:
        parsed = URL(address or "")
    except ValueError:
        return []
    if not parsed.password:
        return []
    sent = b64encode(f"{parsed.user or ''}:{parsed.password}".encode()).decode()
    return [Secret(parsed.password), Secret(parsed.raw_password or ""), Secret(sent)]


def is_socks(proxy: str | None) -> bool:
    """Say whether `proxy` is one of SOCKS, of which aiohttp knows nothing."""
    scheme, colon, _ = (proxy or "").partition("://")
    return bool(colon) and scheme.strip().lower() in _SOCKS


def socks_connector(proxy: str) -> aiohttp.BaseConnector:
    """Return what connects through `proxy`, by the package ``aiohttp-socks``; names are looked up by the proxy.

    Raises
    ------
    NotConfiguredError
        Where the package is not installed.
    ValueError
        Where `proxy` is no address.
    """
    try:
        package: Any = importlib.import_module("aiohttp_socks")
    except ImportError:
        raise NotConfiguredError(
            "A SOCKS proxy needs the package aiohttp-socks, which is not installed.\n"
            "Install it: `%pip install aiohttp-socks`; or use an HTTP proxy, http://host:port."
        ) from None
    scheme, _, rest = proxy.strip().partition("://")
    kind = "socks4" if scheme.lower().startswith("socks4") else "socks5"
    connector: aiohttp.BaseConnector = package.ProxyConnector.from_url(f"{kind}://{rest}", rdns=True)
    return connector


def socks_errors() -> tuple[type[Exception], ...]:
    """Return what a SOCKS proxy's refusals are raised as; they are no errors of aiohttp's."""
    package: Any = sys.modules.get("aiohttp_socks")
    if package is None:
        return ()
    return (package.ProxyError, package.ProxyConnectionError, package.ProxyTimeoutError)
