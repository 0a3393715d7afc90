"""Compression undone: however it was cut, and as far as it is whole."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.transport.response import Unpacker

TEXT = b"".join(b"word %d " % number for number in range(3000))


def packed(encoding):
    if encoding == "gzip":
        return gzip.compress(TEXT)
    bits = {"deflate": 15, "raw": -15}[encoding]
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(TEXT) + packer.flush()


def unpacked(encoding, *parts):
    unpacker = Unpacker(encoding)
    return b"".join(piece for part in parts for piece in unpacker.feed(part))


def flushed(*words):
    """Return a stream of gzip that is whole as far as it goes, as a server sends it word by word."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(word) + packer.flush(zlib.Z_SYNC_FLUSH) for word in words)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", packed("gzip")),
        ("x-gzip", packed("gzip")),
        (" GZIP", packed("gzip")),
        ("deflate", packed("deflate")),
        ("deflate", packed("raw")),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    ],
    ids=["nothing", "identity", "gzip", "x-gzip", "GZIP", "deflate", "deflate without a frame", "two members"],
)
@given(size=st.integers(1, 2**14))
def test_it_gives_what_was_meant_however_it_was_cut(encoding, data, size):
    assert unpacked(encoding, *(data[at : at + size] for at in range(0, len(data), size))) == TEXT


@pytest.mark.parametrize("encoding", ["utf-8", "none", "binary", "identity, identity", ",", "8bit"])
def test_what_is_no_compression_changes_nothing(encoding):
    assert unpacked(encoding, TEXT) == TEXT


@pytest.mark.parametrize("encoding", ["gzip, identity", "identity,gzip", ",gzip"])
def test_a_compression_beside_none_is_undone(encoding):
    assert unpacked(encoding, packed("gzip")) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "br, gzip"])
def test_what_was_not_asked_for_is_refused(encoding):
    with pytest.raises(ValueError, match=encoding):
        Unpacker(encoding)


def test_each_word_is_there_when_it_came():
    unpacker = Unpacker("gzip")
    stream = flushed(b"one ", b"two ")
    cut = len(flushed(b"one "))
    assert b"".join(unpacker.feed(stream[:cut])) == b"one "
    assert b"".join(unpacker.feed(stream[cut:])) == b"two "


@pytest.mark.parametrize(
    "data", [flushed(b"one ", b"two ") + b"\xff" * 50, gzip.compress(b"one two ") + b"garbage"], ids=["within", "after"]
)
def test_what_comes_before_a_break_in_the_same_read_is_given_first(data):
    found: list[bytes] = []
    with pytest.raises(zlib.error):
        found.extend(Unpacker("gzip").feed(data))
    assert b"".join(found) == b"one two "


def test_what_unpacks_to_very_much_comes_in_pieces():
    sizes = [len(piece) for piece in Unpacker("gzip").feed(gzip.compress(bytes(2**24)))]
    assert sum(sizes) == 2**24
    assert max(sizes) <= 2**18


def test_what_was_cut_off_is_given_as_far_as_it_came():
    data = packed("gzip")
    assert TEXT.startswith(unpacked("gzip", data[: len(data) // 2]))
    assert unpacked("gzip", data[: len(data) // 2])
