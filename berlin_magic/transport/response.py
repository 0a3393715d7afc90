"""Read the body of a response; every byte that came before a fault is given first."""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress

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

__all__ = ["REPLY_LIMIT", "end_of_framing", "end_with_connection", "object_limit", "received", "whole_body"]

REPLY_LIMIT = 64 * 2**20
"""The most bytes that a reply may have, unpacked if it comes compressed, if the user sets no other limit."""

_BODY_LIMIT = 8 * 2**20
_GRACE = 0.05  # seconds in which the end of HTTP's framing follows the end of a reply, or its connection is closed
_UNPACKED = {"gzip", "x-gzip", "deflate"}
_OTHERS = {"br", "compress", "dcb", "dcz", "x-compress", "zstd"}  # registered with IANA, "HTTP Content Coding Registry"
_AT_ONCE = 2**18  # bytes; a few that unpack to gigabytes are stopped by the limit


async def received(
    response: aiohttp.ClientResponse, *, silence: float | None, limit: int | None = REPLY_LIMIT
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; every byte that came before a fault is yielded first.

    Raises
    ------
    ReplyTooLargeError
        If they are more than `limit`, unpacked; None for no limit.
    IncompleteReplyError
        If the connection, or the compression, breaks.
    IncorrectAnswerError
        If it is compressed in a way that can't be undone.
    SilentTooLongError
        If no byte comes for `silence` seconds.
    """
    where = _where(response)
    unpacked = _unpacking(response, where)
    fault: IncompleteReplyError | None = None
    size = 0
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
        if fault:
            # readany() raises a fault before it hands out what had arrived by then (aiohttp 3.14, streams.py): without
            # this, a slow reader loses the last words before a cut.
            data = b"".join(getattr(response.content, "_buffer", ()))
        for piece in filter(None, unpacked(data)):
            yield piece
            size += len(piece)
            if limit is not None and size > limit:
                raise ReplyTooLargeError(
                    f"{where} has sent more than {limit:,} bytes, and the reply is not complete.\n"
                    "Ask for less at a time, or allow more: "
                    f"`%config BerlinMagics.reply_limit = {4 * limit}` (bytes)."
                )
    raise fault


def _unpacking(response: aiohttp.ClientResponse, where: str) -> Callable[[bytes], Iterator[bytes] | tuple[bytes]]:
    """Return the function that unpacks a read. We ask for no compression; some servers compress anyway."""
    encoding = response.headers.get("Content-Encoding", "")
    # What else there is (utf-8, none) compresses nothing.
    packings = [name for name in re.split(r"[\s,]+", encoding.lower()) if name in _UNPACKED | _OTHERS]
    if not packings:
        return lambda data: (data,)
    if len(packings) > 1 or packings[0] in _OTHERS:
        raise IncorrectAnswerError(
            f"{where} gave an incorrect answer, compressed as “{clean(encoding, 40)}”, which nobody asked for.\n"
            "Ask whoever runs the server, or a proxy in between, to send it plain or as gzip.",
            status=response.status,
        )
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of gzip or zlib, as its first bytes say

    def unpacked(data: bytes) -> Iterator[bytes]:
        piece = data
        while data or len(piece) == _AT_ONCE:
            try:
                piece = stream.decompress(data, _AT_ONCE)
            except zlib.error:
                raise IncompleteReplyError(
                    f"The compression of what {where} sent is broken.\nRun the cell again for a whole one."
                ) from None
            data = stream.unconsumed_tail
            yield piece

    return unpacked


def object_limit(limit: int | None) -> int:
    """Return the most bytes that one object may have, of a reply that may have `limit`; None for any number."""
    return sys.maxsize if limit is None else max(limit, REPLY_LIMIT)


async def whole_body(response: aiohttp.ClientResponse, *, silence: float | None) -> str:
    """Return the body of an answer that is not a stream, as text; what broke off in the middle counts as it is.

    Raises
    ------
    ReplyTooLargeError
        If it exceeds 8 MiB.
    ServerUnreachableError
        If the connection breaks before its first byte.
    SilentTooLongError
        If the server falls silent.
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


def end_with_connection(response: aiohttp.ClientResponse) -> Callable[[], object]:
    """Raise in the reader of the body when the connection is lost; return the function that ends this.

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

    def leave() -> None:
        closed.remove_done_callback(tell)
        closed.add_done_callback(_retrieved)  # lost later on, with an upload that nobody reads, it would be logged

    return leave


def _retrieved(lost: asyncio.Future[None]) -> None:
    if not lost.cancelled():
        lost.exception()


def _where(response: aiohttp.ClientResponse) -> str:
    return str(response.url.origin())
