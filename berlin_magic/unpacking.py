"""The compression of a reply undone as it arrives: what comes before a break in it is not lost."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["ACCEPTED", "Unpacker"]

ACCEPTED: Final = "gzip, deflate"
"""What a server may use, as the header ``Accept-Encoding`` says it."""

_UNPACKED = {"gzip", "x-gzip", "deflate"}
_OTHERS = {"br", "compress", "dcb", "dcz", "x-compress", "zstd"}  # registered with IANA, "HTTP Content Coding Registry"
_AT_ONCE = 2**18  # bytes; a few that unpack to gigabytes are stopped by whoever counts
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits
_ZLIBS_METHOD = 8  # in the lower half of its first byte (RFC 1950, section 2.2)


class Unpacker:
    """Turns the bytes of a body into those that were meant.

    aiohttp's own (3.14) hands out nothing of a read in which the compression breaks, which may be the whole reply.

    Parameters
    ----------
    encoding : str
        The header ``Content-Encoding``.

    Raises
    ------
    ValueError
        Where it is none of those that were asked for.
    """

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        packings = [name for name in names if name in _UNPACKED or name in _OTHERS]
        if len(packings) > 1 or not _UNPACKED.issuperset(packings):
            raise ValueError(f"unknown encoding {encoding!r}")
        self._encoding = packings[0] if packings else ""  # what else there is (utf-8, none) compresses nothing
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take `data` and return an iterator over what it holds, in pieces of bounded size.

        Raises
        ------
        zlib.error
            Where it is broken, after the last piece before that.
        """
        if not self._encoding:
            yield data
            return
        more = bool(data)
        while more:
            stream = self._stream = self._stream or zlib.decompressobj(self._bits(data))
            before = stream.copy()
            try:
                piece = stream.decompress(data, _AT_ONCE)
            except zlib.error:
                yield from _readable(before, data)
                raise
            if piece:
                yield piece
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            more = bool(data) or (not stream.eof and len(piece) == _AT_ONCE)
            if stream.eof:
                self._stream = None  # a further member of gzip may follow (RFC 1952, section 2.2)

    def _bits(self, data: bytes) -> int:
        if self._encoding != "deflate":
            return _GZIP
        return _ZLIB if data[0] & 0xF == _ZLIBS_METHOD else _RAW  # some servers leave out zlib's frame


def _readable(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Return what there is in `data` before it breaks: byte by byte, as zlib gives nothing of a call that fails."""
    found = bytearray()
    for at in range(len(data)):
        try:
            found += stream.decompress(data[at : at + 1])
        except zlib.error:
            break
        if len(found) >= _AT_ONCE:
            yield bytes(found)
            found.clear()
    if found:
        yield bytes(found)
