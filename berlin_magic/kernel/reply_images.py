"""The images of a reply, as outputs of their own."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

from berlin_magic.errors import clean
from berlin_magic.messages import ImagePart

__all__ = ["image_outputs"]

_DATA_URL = re.compile(r"data:image/[a-z+.-]{1,20};base64,([A-Za-z0-9+/]+={0,2})")
_LARGEST = 30_000_000  # characters: what a notebook file can hold
_KINDS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
"""The formats that are shown, by how they begin. None can hold a script, as SVG can."""


def image_outputs(images: Iterable[ImagePart]) -> Iterator[dict[str, str]]:
    """Yield the data of one output for each image, by MIME type.

    A server is not believed about the format, and nothing is loaded: what is no image of a format that is safe to show
    is text that says so.
    """
    for image in images:
        yield _output(image.url)


def _output(url: str) -> dict[str, str]:
    match = _DATA_URL.fullmatch(url) if len(url) <= _LARGEST else None
    if match is None:
        return {"text/plain": f"[an image that is not shown: {clean(url, 80)}]"}
    try:
        data = base64.b64decode(match[1], validate=True)
    except ValueError:
        data = b""
    for mime, beginning in _KINDS.items():
        if beginning.match(data):
            return {mime: match[1], "text/plain": f"[an image, {mime}, {len(data):,} bytes]"}
    return {"text/plain": f"[an image that is not shown: {clean(url, 80)}]"}
