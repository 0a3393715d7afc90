"""Decide which addresses may be the target of a link."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from ipaddress import ip_address

__all__ = ["addresses", "link_target"]

_TARGET = re.compile(r"https?://(?P<host>[^/?#\\]+)(?:[/?#]|\Z)|mailto:[^/?#\\\s]+", re.IGNORECASE)
_HOST = re.compile(
    r"(?P<name>(?:[A-Za-z0-9._-]|[^\x00-\x7f\s])+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?",
)
_MOST_PORT = 65535
_PLAIN = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]")
# Punctuation of Chinese and Japanese ends an address, as a space does elsewhere; their letters may be part of it.
_BARE = re.compile(
    r"(?<![A-Za-z0-9_])https?://[^\s<>\"'`|\\^{}\[\]\u2018-\u201f\u3001-\u3003\u3008-\u301f\u30fb"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+",
    re.IGNORECASE,
)
_BARE_END = re.compile(r"[.,:;!?*_~)]+\Z")
_LENGTH = 8000  # characters; more than any server takes


def link_target(address: str) -> str | None:
    """Return the address as a link may carry it; None if it may not be a link.

    Only ``http``, ``https`` and ``mailto`` are allowed: the others run something (``javascript:``, ``data:``), open
    something of this machine (``file:``, and every address without a scheme, which is one of the Jupyter server's),
    or both. A user name before the host (``https://bank.example@attacker.example``) only serves to mislead.

    Parameters
    ----------
    address : str
        As markdown-it normalized it: entities and escapes read, spaces and quotes percent-encoded.
    """
    found = _TARGET.match(address) if len(address) <= _LENGTH else None
    if found is None or (found["host"] is not None and not _is_host(found["host"])):
        return None
    return _PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), address)


def _is_host(host: str) -> bool:
    """Return whether a browser takes `host` as a host, unchanged.

    What it does not take is to JupyterLab 4.6 the name of a file on its own server; and a host that is written with
    ``%40`` or as one large number only serves to mislead.
    """
    found = _HOST.fullmatch(unicodedata.normalize("NFKC", host))  # as a browser reads it: ／ is / in a host
    if found is None or int(found["port"] or 0) > _MOST_PORT:
        return False
    last = found["name"].rstrip(".").rpartition(".")[2]
    if found["name"].startswith("[") or last.isdigit() or last.lower().startswith("0x"):
        try:
            ip_address(found["name"].strip("[]"))
        except ValueError:
            return False
    return True


def addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Find the bare web addresses in a text, without the punctuation after them.

    Yields
    ------
    tuple of int, int, str
        Where it begins, where it ends, and its `link_target`.
    """
    for found in _BARE.finditer(text):
        address = _BARE_END.sub("", found[0])
        if address.count("(") > address.count(")") and found[0].startswith(address + ")"):
            address += ")"  # https://example.org/wiki/Berlin_(band)
        target = link_target(address)
        if target is not None:
            yield found.start(), found.start() + len(address), target
