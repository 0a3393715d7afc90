"""What a model's file says of itself."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from gguf_files import gguf
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.providers.local.gguf import Header, NotAModelError, header


def read(data: bytes) -> Header:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        path.write_bytes(data)
        return header(path)


def test_the_architecture_and_the_context_length_are_read():
    assert read(gguf()) == Header("llama", 2048)
    assert read(gguf(architecture="qwen3", context=32768, version=2)) == Header("qwen3", 32768)


def test_a_model_that_does_not_say_how_much_it_reads_is_one_nevertheless():
    assert read(gguf(architecture="clip", context=None)) == Header("clip", 0)


@pytest.mark.parametrize("data", [b"", b"GG", b"PK\x03\x04 a zip file", b"<html>Not found</html>"])
def test_another_file_is_not_a_model(data: bytes):
    with pytest.raises(NotAModelError, match="not a GGUF file"):
        read(data)


def test_a_version_that_nobody_knows_yet_is_named():
    with pytest.raises(NotAModelError, match="version is 9"):
        read(gguf(version=9))


def test_a_header_that_is_cut_is_no_header():
    whole = gguf()
    for length in range(4, whole.index(b"context_length")):
        with pytest.raises(NotAModelError, match="damaged or cut"):
            read(whole[:length])


@given(st.binary(max_size=200))
def test_whatever_follows_the_first_four_bytes_is_read_or_refused(data: bytes):
    for begun in (b"GGUF", gguf()[:24], gguf()[:60]):
        with suppress(NotAModelError):
            assert isinstance(read(begun + data), Header)


def test_lengths_that_are_damaged_take_no_memory_and_no_time():
    begun = gguf()[:24]
    with pytest.raises(NotAModelError):
        read(begun + b"\xff" * 8)
    with pytest.raises(NotAModelError):
        read(begun + (1).to_bytes(8, "little") + b"a" + (9).to_bytes(4, "little") + b"\x08\0\0\0" + b"\xff" * 8)
