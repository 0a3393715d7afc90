"""Read the body of a response."""

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
"""The most bytes of a reply after decompression, if the user sets no other limit."""

_BODY_LIMIT = 8 * 2**20
_FRAMING_TIMEOUT = 0.05  # seconds after the reply for the end of HTTP's framing; then the connection is closed
_SUPPORTED = {"gzip", "x-gzip", "deflate"}
_OTHERS = {"br", "compress", "dcb", "dcz", "x-compress", "zstd"}  # registered with IANA, "HTTP Content Coding Registry"
_PIECE = 2**18  # bytes decompressed at a time, so that the limit stops a few bytes that would become gigabytes


async def received(
    response: aiohttp.ClientResponse, *, silence: float | None, limit: int | None = REPLY_LIMIT
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; those that came before an error are yielded first.

    Raises
    ------
    ReplyTooLargeError
        If they are more than `limit` after decompression; None for no limit.
    IncompleteReplyError
        If the connection, or the compression, breaks.
    IncorrectAnswerError
        If its compression is not supported.
    SilentTooLongError
        If no byte comes for `silence` seconds.
    """
    where = _where(response)
    decompressed = _decompressor(response, where)
    error_at_end: IncompleteReplyError | None = None
    size = 0
    while not error_at_end:
        try:
            data = await response.content.readany()
        except TimeoutError:
            error_at_end = silence_error(where, silence)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError: "Connection closed.", after broken framing that came before the reader did.
            error_at_end = IncompleteReplyError(
                f"The connection to {where} broke in the middle of the reply ({type(error).__name__}).\n"
                "Run the cell again for a whole one."
            )
        else:
            if not data:
                return
        if error_at_end:
            # readany() raises an error before it returns what had arrived by then (aiohttp 3.14, streams.py): without
            # this, a slow reader loses the last words before a cut.
            data = b"".join(getattr(response.content, "_buffer", ()))
        for piece in filter(None, decompressed(data)):
            yield piece
            size += len(piece)
            if limit is not None and size > limit:
                raise ReplyTooLargeError(
                    f"{where} has sent more than {limit:,} bytes, and the reply is not complete.\n"
                    "Ask for less at a time, or allow more: "
                    f"`%config BerlinMagics.reply_limit = {4 * limit}` (bytes)."
                )
    raise error_at_end


def _decompressor(response: aiohttp.ClientResponse, where: str) -> Callable[[bytes], Iterator[bytes] | tuple[bytes]]:
    """Return the function that decompresses a read. We ask for no compression; some servers compress anyway."""
    encoding = response.headers.get("Content-Encoding", "")
    # Other values that servers send (utf-8, none) are not compressions.
    compressions = [name for name in re.split(r"[\s,]+", encoding.lower()) if name in _SUPPORTED | _OTHERS]
    if not compressions:
        return lambda data: (data,)
    if len(compressions) > 1 or compressions[0] in _OTHERS:
        raise IncorrectAnswerError(
            f"{where} gave an incorrect answer, compressed as “{clean(encoding, 40)}”, which nobody asked for.\n"
            "Ask whoever runs the server, or a proxy in between, to send it plain or as gzip.",
            status=response.status,
        )
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by the first bytes

    def decompressed(data: bytes) -> Iterator[bytes]:
        piece = data
        while data or len(piece) == _PIECE:
            try:
                piece = stream.decompress(data, _PIECE)
            except zlib.error:
                raise IncompleteReplyError(
                    f"The compression of what {where} sent is broken.\nRun the cell again for a whole one."
                ) from None
            data = stream.unconsumed_tail
            yield piece

    return decompressed


def object_limit(limit: int | None) -> int:
    """Return the most bytes of one object in a reply with that `limit`, which is None for no limit."""
    return sys.maxsize if limit is None else max(limit, REPLY_LIMIT)


async def whole_body(response: aiohttp.ClientResponse, *, silence: float | None) -> str:
    """Return the body of an answer that is not a stream, as text, also if it is not complete.

    Raises
    ------
    ReplyTooLargeError
        If it exceeds 8 MiB.
    ServerUnreachableError
        If the connection breaks before its first byte.
    SilentTooLongError
        If no byte comes for `silence` seconds.
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
                lost.passing = response.status in PASSING_STATUSES  # it did answer, with a status
            raise lost from error
    return body.decode("utf-8", "replace")


async def end_of_framing(response: aiohttp.ClientResponse) -> None:
    """Read the end of the body after the end of the reply, so that the connection can be used again."""
    if response.connection is None or "close" in response.headers.get("Connection", "").lower():
        return
    with suppress(TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
        async with asyncio.timeout(_FRAMING_TIMEOUT):
            await response.content.readany()


def end_with_connection(response: aiohttp.ClientResponse) -> Callable[[], object]:
    """Raise in the reader of the body when the connection is lost; return the function that ends this.

    After broken framing aiohttp (3.14, with its parser in C) closes the connection and drops the body. Without this
    its reader would wait for ever, as the timeout for reading is off, too.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    if protocol is None:  # not `not protocol`: an idle protocol is an empty queue, and so is false
        return lambda: None

    def raise_in_reader(lost: asyncio.Future[None] | None) -> None:
        error = None if lost is None or lost.cancelled() else lost.exception()
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(error or aiohttp.ClientPayloadError("connection closed"))

    if (closed := protocol.closed) is None:  # it was lost already
        raise_in_reader(None)
        return lambda: None
    closed.add_done_callback(raise_in_reader)

    def stop() -> None:
        closed.remove_done_callback(raise_in_reader)
        closed.add_done_callback(_retrieve)  # else asyncio would log a later error

    return stop


def _retrieve(lost: asyncio.Future[None]) -> None:
    if not lost.cancelled():
        lost.exception()


def _where(response: aiohttp.ClientResponse) -> str:
    return str(response.url.origin())
