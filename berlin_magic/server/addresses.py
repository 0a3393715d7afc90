"""The client address and the host of a request."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web
from yarl import URL

from berlin_magic.transport.request import is_loopback

__all__ = ["address_of", "is_for_this_machine"]

_IPV6_PREFIX = 64  # bits: a user with one IPv6 address usually has all that begin with them (RFC 6177)


def address_of(request: web.Request) -> str:
    """Return the address of the client: an IPv4 address or an IPv6 network.

    A request from this machine may come through a proxy, which names the client in ``X-Forwarded-For``. From any other
    machine that header is ignored: the client may have invented it. A proxy appends to the header, so the last address
    in it is the one that the proxy has seen itself.
    """
    peer = _parsed(request.remote or "")
    if peer is not None and peer.is_loopback:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        peer = _parsed(forwarded.rpartition(",")[2]) or peer
    if isinstance(peer, IPv6Address):
        return str(peer.ipv4_mapped or ip_network((peer, _IPV6_PREFIX), strict=False))
    return str(peer or "")


def is_for_this_machine(request: web.Request) -> bool:
    """Return whether `request` is for a name of this machine, with no web server in front and from no web page.

    A browser names the page that sends a request in ``Origin`` (RFC 6454). Clients of this protocol send it too, and
    name the server itself.
    """
    try:
        own = URL(f"http://{request.host}").origin()
        foreign = [origin for origin in request.headers.getall("Origin", []) if URL(origin).origin() != own]
    except ValueError:
        return False
    return is_loopback(own) and not foreign and "X-Forwarded-For" not in request.headers


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
