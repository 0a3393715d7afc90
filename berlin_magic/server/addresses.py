"""The addresses of a request, as far as they can be believed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web
from yarl import URL

from berlin_magic.transport.request import is_loopback

__all__ = ["address_of", "is_for_this_machine"]

_A_HOME = 64  # bits: a user with one IPv6 address usually has all that begin with them (RFC 6177)


def address_of(request: web.Request) -> str:
    """Return from where `request` comes: an IPv4 address or an IPv6 network.

    From this machine it is a proxy's word, in ``X-Forwarded-For``; from elsewhere that header is the client's own
    invention. A proxy adds to what is in it, so that the last address is the one that it has seen itself.
    """
    peer = _parsed(request.remote or "")
    if peer is not None and peer.is_loopback:
        told = ",".join(request.headers.getall("X-Forwarded-For", []))
        peer = _parsed(told.rpartition(",")[2]) or peer
    if isinstance(peer, IPv6Address):
        return str(peer.ipv4_mapped or ip_network((peer, _A_HOME), strict=False))
    return str(peer or "")


def is_for_this_machine(request: web.Request) -> bool:
    """Say whether `request` is for a name of this machine, with no web server in front and from no web page.

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
