"""Files in the format of models, with a header and no weights."""

from __future__ import annotations

import struct
from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, value: str | int | list[str]) -> bytes:
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, int):
        return text(key) + struct.pack("<II", 4, value)
    return text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))


def gguf(*, architecture: str = "llama", context: int | None = 2048, version: int = 3) -> bytes:
    entries = [
        entry("general.architecture", architecture),
        entry("general.name", "Tiny"),
        entry("general.languages", ["en", "de"]),
        *([entry(f"{architecture}.context_length", context)] if context is not None else []),
        entry("tokenizer.ggml.tokens", ["a"] * 10),
    ]
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(entries)) + b"".join(entries)


def model_file(path: Path, **header: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf(**header))  # type: ignore[arg-type]
    return path
