"""How the time to decode a Berlin stream grows with its length and with how small the reads are.

Run: python benchmarks/decoder.py. Each row takes eight times the bytes of the one above: the ratio is about 8 where
the cost is linear, and 64 where it is quadratic.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from berlin_magic.providers.berlin.stream import Decoder


def one_object(size: int) -> bytes:
    return json.dumps({"segment": "text", "content": 'x "{' * (size // 4)}).encode()


def many_objects(size: int) -> bytes:
    return b'{"segment": "text", "content": "word "}\n\n' * (size // 41)


def seconds(data: bytes, read: int) -> float:
    decoder = Decoder()
    start = time.perf_counter()
    for position in range(0, len(data), read):
        for _ in decoder.feed(data[position : position + read]):
            pass
    decoder.flush()
    return time.perf_counter() - start


def show(name: str, make: Callable[[int], bytes], read: int) -> None:
    before = None
    for size in (2**17, 2**20, 2**23):
        taken = min(seconds(make(size), read) for _ in range(3))
        ratio = f"{taken / before:5.1f} ×" if before else ""
        print(f"{name:14} {size / 2**20:6.2f} MB in reads of {read:>7,} bytes: {taken * 1000:8.1f} ms  {ratio}")
        before = taken


if __name__ == "__main__":
    for reads in (64, 4096, 2**23):
        show("one object", one_object, reads)
        show("many objects", many_objects, reads)
