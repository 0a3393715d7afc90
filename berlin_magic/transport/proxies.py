"""Find the proxy for a request in settings and environment."""

from __future__ import annotations

import ipaddress
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from yarl import URL

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import NotConfiguredError

__all__ = ["Proxy", "parsed_proxy", "proxy_for", "proxy_secrets"]

_SOCKS: Final = {"socks", "socks4", "socks4a", "socks5", "socks5h"}
_SCHEMES: Final = {"http", "https"} | _SOCKS
_SOCKS_PORT = 1080


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that can be used.

    Attributes
    ----------
    where : str
        Its address without user and password, for messages.
    user, password : Secret
        The login that it requires; empty for none.
    """

    where: str
    user: Secret
    password: Secret

    @property
    def is_socks(self) -> bool:
        """Whether it is a SOCKS proxy, which aiohttp does not support."""
        return URL(self.where).scheme in _SOCKS

    @property
    def authorization(self) -> dict[str, str]:
        """The header with the login for an HTTP proxy; empty if there is no user.

        In UTF-8, as browsers and curl send it (RFC 7617): aiohttp's own is in Latin-1, which lacks many characters.
        """
        if not self.user and not self.password:
            return {}
        pair = b64encode(f"{self.user!s}:{self.password!s}".encode()).decode()
        return {"Proxy-Authorization": Secret(f"Basic {pair}")}


def proxy_for(url: URL, proxy: str | None, *, loopback: bool) -> Secret | None:
    """Return the address of the proxy to use for `url`, which may hold a password: `proxy`, else the environment's.

    Parameters
    ----------
    url : URL
        The address of the request.
    proxy : str, optional
        The user's setting, which has precedence over ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.
    loopback : bool
        Whether `url` is on this machine: aiohttp's own ``trust_env`` also asks the environment's proxy for that,
        which no company's proxy can reach.
    """
    if proxy and proxy.strip():
        return _with_scheme(proxy)
    if loopback or _is_excluded(url):
        return None
    proxies = urllib.request.getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return _with_scheme(found) if found else None


def parsed_proxy(address: str) -> Proxy:
    """Return the proxy at `address`, as `proxy_for` gives it.

    Raises
    ------
    NotConfiguredError
        If it is not a proxy's address. It is not quoted, as a mistyped one may show the password.
    """
    if (proxy := _read(address)) is None:
        raise NotConfiguredError(
            "The proxy's address can't be used (it is not shown, as it may hold a password).\n"
            "A proxy is http://host:port, https://… or socks5://…: see `proxy`, HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."
        )
    return proxy


def proxy_secrets(url: URL, proxy: str | None) -> list[Secret]:
    """Return the secrets of the proxy for `url`: its password, also in the form in which it is sent."""
    address = proxy_for(url, proxy, loopback=False)
    try:
        parsed = URL(address or "")
    except ValueError:
        return []
    if not parsed.password:
        return []
    pair = f"{parsed.user or ''}:{parsed.password}"
    # aiohttp sends it in Latin-1, other programs in UTF-8 (RFC 7617).
    sent = {b64encode(pair.encode(encoding, "ignore")).decode() for encoding in ("utf-8", "latin-1")}
    return [Secret(parsed.password), Secret(parsed.raw_password or ""), *map(Secret, sorted(sent))]


def _read(address: str) -> Proxy | None:
    try:
        url = URL(address)
        if url.scheme not in _SCHEMES or not url.host or url.port == 0:
            return None
        plain = URL.build(scheme=url.scheme, host=url.host, port=url.port or _SOCKS_PORT)
    except ValueError:
        return None
    return Proxy(str(plain), Secret(url.user or ""), Secret(url.password or ""))


def _with_scheme(address: str) -> Secret:
    """Return `address` with a scheme: one such as ``proxy.example:3128`` is an HTTP proxy to most programs."""
    plain = address.strip()
    return Secret(plain if "://" in plain else f"http://{plain}")


def _is_excluded(url: URL) -> bool:
    """Return whether ``NO_PROXY``, or the system's settings, exclude `url` from the use of a proxy."""
    host, port = (url.host or "").rstrip(".").lower(), url.port
    excluded = urllib.request.getproxies_environment().get("no", "").lower()
    if any(_matches(entry.strip(), host, port) for entry in excluded.split(",") if entry.strip()):
        return True
    return bool(urllib.request.proxy_bypass(f"{host}:{port}"))


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry matches `host`: ``*``, a domain, ``*.domain``, an address or a network.

    urllib supports only the first two.
    """
    if entry == "*":
        return True
    number = ""
    if entry.startswith("["):
        entry, _, number = entry[1:].partition("]")
    elif entry.count(":") == 1:
        entry, _, number = entry.partition(":")
    if number.strip(":") not in {"", str(port)}:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass  # one of them is a name
    domain = entry.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
