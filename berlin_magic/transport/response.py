"""The body of a response: every byte that came is given, whatever became of the rest."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any, Final

import aiohttp

from berlin_magic.errors import (
    IncompleteReplyError,
    IncorrectAnswerError,
    ReplyTooLargeError,
    ServerUnreachableError,
    SilentTooLongError,
    clean,
)
from berlin_magic.transport.errors import PASSING_STATUSES, no_response, silence_error

__all__ = [
    "ACCEPTED",
    "REPLY_LIMIT",
    "Unpacker",
    "end_of_framing",
    "end_with_connection",
    "object_limit",
    "received",
    "whole_body",
]

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


REPLY_LIMIT = 64 * 2**20
"""The most bytes that a reply may have, unpacked where it comes compressed, where the user sets no other."""

_BODY_LIMIT = 8 * 2**20
_GRACE = 0.05  # seconds in which the end of HTTP's framing follows the end of a reply, or its connection is closed


async def received(
    response: aiohttp.ClientResponse, *, silence: float | None, limit: int | None = REPLY_LIMIT
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; every byte that came before a fault is yielded first.

    Raises
    ------
    ReplyTooLargeError
        Where they are more than `limit`, unpacked; None for no limit.
    IncompleteReplyError
        Where the connection, or the compression, breaks.
    IncorrectAnswerError
        Where it is compressed in a way that nobody asked for.
    SilentTooLongError
        Where no byte comes for `silence` seconds.
    """
    where = _where(response)
    unpacker = _unpacker(response, where)
    size = 0
    async with aclosing(_reads(response, where, silence)) as reads:
        async for data in reads:
            try:
                for piece in unpacker.feed(data):
                    yield piece
                    size += len(piece)
                    if limit is not None and size > limit:
                        raise ReplyTooLargeError(
                            f"{where} has sent more than {limit:,} bytes, and the reply is not complete.\n"
                            "Ask for less at a time, or allow more: "
                            f"`%config BerlinMagics.reply_limit = {4 * limit}` (bytes)."
                        )
            except zlib.error:
                raise IncompleteReplyError(
                    f"The compression of what {where} sent is broken.\nRun the cell again for a whole one."
                ) from None


async def _reads(response: aiohttp.ClientResponse, where: str, silence: float | None) -> AsyncGenerator[bytes, None]:
    """Yield what is read of the body, packed as it is; the fault that ends it is raised after all that came."""
    fault: IncompleteReplyError | None = None
    while not fault:
        try:
            data = await response.content.readany()
        except TimeoutError:
            fault = silence_error(where, silence)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError: "Connection closed.", after broken framing that came before the reader did.
            fault = IncompleteReplyError(
                f"The connection to {where} broke in the middle of the reply ({type(error).__name__}).\n"
                "Run the cell again for a whole one."
            )
        else:
            if not data:
                return
            yield data
    # readany() raises a fault before it hands out what had arrived by then (aiohttp 3.14, streams.py): without
    # this, the last words before a cut are lost to whoever reads slowly.
    for rest in tuple(getattr(response.content, "_buffer", ())):
        yield rest
    raise fault


def _unpacker(response: aiohttp.ClientResponse, where: str) -> Unpacker:
    encoding = response.headers.get("Content-Encoding", "")
    try:
        return Unpacker(encoding)
    except ValueError:
        raise IncorrectAnswerError(
            f"{where} gave an incorrect answer, compressed as “{clean(encoding, 40)}”, which nobody asked for.\n"
            "Ask whoever runs the server, or a proxy on the way, to send it plain or as gzip.",
            status=response.status,
        ) from None


def object_limit(limit: int | None) -> int:
    """Return the most bytes that one object may have, of a reply that may have `limit`; None for any number."""
    return sys.maxsize if limit is None else max(limit, REPLY_LIMIT)


async def whole_body(response: aiohttp.ClientResponse, *, silence: float | None) -> str:
    """Return the body of an answer that is no stream, as text; what broke off in the middle counts as it is.

    Raises
    ------
    ReplyTooLargeError
        Where it exceeds 8 MiB.
    ServerUnreachableError
        Where the connection breaks before its first byte.
    SilentTooLongError
        Where the server falls silent.
    """
    where = _where(response)
    body = bytearray()
    try:
        async with aclosing(received(response, silence=silence)) as reads:
            async for data in reads:
                body += data
                if len(body) > _BODY_LIMIT:
                    raise ReplyTooLargeError(
                        f"{where} sent an answer of more than {_BODY_LIMIT:,} bytes.\n"
                        "Check the address: is it the right server's?"
                    )
    except SilentTooLongError:
        raise
    except IncompleteReplyError as error:
        if not body:
            lost = no_response(aiohttp.ServerDisconnectedError(), where, silence=silence)
            if isinstance(lost, ServerUnreachableError):
                lost.passing = response.status in PASSING_STATUSES  # it did answer, and its status says what
            raise lost from error
    return body.decode("utf-8", "replace")


async def end_of_framing(response: aiohttp.ClientResponse) -> None:
    """Read what ends the body after the reply's last word, so that the connection can serve the next request."""
    if response.connection is None or "close" in response.headers.get("Connection", "").lower():
        return
    with suppress(TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
        async with asyncio.timeout(_GRACE):
            await response.content.readany()


def end_with_connection(response: aiohttp.ClientResponse) -> Callable[[], Any]:
    """Let whoever waits for the body know when the connection is lost; return what ends that.

    After broken framing aiohttp (3.14, with its parser in C) closes the connection and forgets the body: without this
    its reader waits for ever, the limit on silence being switched off as well.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    if protocol is None:  # not its truth: an idle protocol is an empty queue
        return lambda: None

    def tell(lost: asyncio.Future[None] | None) -> None:
        error = None if lost is None or lost.cancelled() else lost.exception()
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(error or aiohttp.ClientPayloadError("connection closed"))

    if (closed := protocol.closed) is None:  # it was lost before anybody looked
        tell(None)
        return lambda: None
    closed.add_done_callback(tell)
    return lambda: closed.remove_done_callback(tell)


def _where(response: aiohttp.ClientResponse) -> str:
    return str(response.url.origin())
