"""Looking up a server's name, in a thread that nothing waits for: where a network is gone, a lookup takes a minute."""

from __future__ import annotations

import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from berlin_magic.aside import aside

__all__ = ["NameLookup"]


class NameLookup(AbstractResolver):
    """Resolves names for aiohttp's connectors.

    aiohttp's own does it in asyncio's few threads: as many lookups that hang, given up or not, kept everything else
    that needs a thread waiting, and the process from ending. Here a wait also lets an interrupt through.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`, as the system gives them; how long it may take is the caller's to say.

        Raises
        ------
        OSError
            Where it has none.
        """
        return await aside(lambda: _addresses(host, port, family), patience=None)

    async def close(self) -> None:
        """Do nothing: nothing is kept."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    # With AI_ADDRCONFIG, a Windows that is offline does not know itself (aiohttp 3.14, resolver.py).
    local = host.rstrip(".").lower().endswith("localhost")
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=0 if local else _CONFIGURED)
    return [_address(host, kind, proto, where) for kind, _, proto, _, where in found if kind in _FAMILIES]


_FAMILIES = {socket.AF_INET, socket.AF_INET6}
_CONFIGURED = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", -1)  # macOS refuses flags outside of its mask
_NUMERIC = socket.AddressInfo(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)


def _address(hostname: str, family: socket.AddressFamily, proto: int, where: Any) -> ResolveResult:
    # With its zone, which a link-local address of IPv6 is nothing without.
    host, port = socket.getnameinfo(where, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return ResolveResult(hostname=hostname, host=host, port=int(port), family=family, proto=proto, flags=_NUMERIC)
