"""A body that comes compressed, though nobody has asked for that: it is unpacked as far as it is whole."""

from __future__ import annotations

import gzip
import zlib

import pytest
from scripted import Then, head, slices

from berlin_magic import errors
from berlin_magic.transport import request as transport
from berlin_magic.transport.request import address

pytestmark = pytest.mark.slow

TEXT = b"".join(b"word %d " % number for number in range(3000))


def flushed(*words):
    """Return a stream of gzip that is whole as far as it goes, as a server sends it word by word."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(word) + packer.flush(zlib.Z_SYNC_FLUSH) for word in words)


async def unpacked(server, encoding, *steps, limit=None):
    """Return the pieces that come of a body, and the error that ends it."""
    server.on("/", [head(f"Content-Encoding: {encoding}"), *steps])
    pieces = []
    try:
        async with transport.requested("GET", address(server.url), headers={}, proxy=None, silence=1) as response:
            async for piece in transport.received(response, silence=1, limit=limit):
                assert piece
                pieces.append(piece)
    except errors.BerlinError as error:
        return pieces, error
    return pieces, None


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("utf-8", TEXT),
        ("none", TEXT),
        ("identity, identity", TEXT),
        (",", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        (" GZIP", gzip.compress(TEXT)),
        ("gzip, identity", gzip.compress(TEXT)),
        (",gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
async def test_it_gives_what_was_meant_however_it_was_cut(server, encoding, data, size):
    steps = [data[at : at + size] for at in range(0, min(len(data), 50 * size), size)] + [data[50 * size :]]
    pieces, error = await unpacked(server, encoding, *filter(None, steps))
    assert (b"".join(pieces), error) == (TEXT, None)


async def test_each_word_is_there_when_it_came(server):
    stream = flushed(b"one ", b"two ")
    cut = len(flushed(b"one "))
    assert (await unpacked(server, "gzip", stream[:cut], 0.05, stream[cut:]))[0] == [b"one ", b"two "]


async def test_what_came_before_a_break_is_given_first(server):
    pieces, error = await unpacked(server, "gzip", flushed(b"one "), 0.05, b"\xff" * 50, Then.HOLD)
    assert pieces == [b"one "]
    assert type(error) is errors.IncompleteReplyError


async def test_what_unpacks_to_very_much_comes_in_pieces_and_is_stopped_by_the_limit(server):
    packed = gzip.compress(bytes(2**24))
    pieces, error = await unpacked(server, "gzip", packed)
    assert error is None
    assert sum(map(len, pieces)) == 2**24
    assert max(map(len, pieces)) <= 2**18
    pieces, error = await unpacked(server, "gzip", *slices(packed, 100), limit=2**20)
    assert type(error) is errors.ReplyTooLargeError
    assert sum(map(len, pieces)) < 2**21


async def test_what_was_cut_off_is_given_as_far_as_it_came(server):
    packed = gzip.compress(TEXT)
    pieces, _ = await unpacked(server, "gzip", packed[: len(packed) // 2])
    assert TEXT.startswith(b"".join(pieces))
    assert pieces
