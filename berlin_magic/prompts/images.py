"""Images as parts of a prompt, scaled to the most tokens that they may cost.

An image costs about one token for 750 pixels (Anthropic's documentation on vision; what others charge is less).
Pillow scales it, if the user has imported it.
"""

from __future__ import annotations

import base64
import math
import sys
from io import BytesIO
from typing import Any

from berlin_magic.messages import ImagePart

__all__ = ["image_of", "image_of_pillow", "image_tokens", "most_pixels", "size_of"]

_PIXELS_PER_TOKEN = 750
_LONGEST = 8000  # pixels of a side that no provider takes
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the markers of a frame (ITU-T T.81, table B.1)
_JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers with no length behind them


def image_tokens(width: int, height: int) -> int:
    """Return about how many tokens an image of this size costs, in pixels."""
    return math.ceil(width * height / _PIXELS_PER_TOKEN)


def most_pixels(tokens: int) -> int:
    """Return how many pixels an image of at most `tokens` may have."""
    return tokens * _PIXELS_PER_TOKEN


def size_of(data: bytes) -> tuple[str, int, int] | None:
    """Return the MIME type, width and height of a PNG, GIF or JPEG image; None if it is not one."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:  # noqa: PLR2004 - the header's length
        return "image/png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"GIF8") and len(data) >= 10:  # noqa: PLR2004 - as above
        return "image/gif", int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:  # noqa: PLR2004 - as above
        marker = data[position + 1]
        if marker in _JPEG_SIZES:
            height, width = (int.from_bytes(data[position + at : position + at + 2]) for at in (5, 7))
            return "image/jpeg", width, height
        if marker == 0xFF or marker in _JPEG_ALONE:  # noqa: PLR2004 - as above
            position += 1 if marker == 0xFF else 2  # noqa: PLR2004 - as above
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return None


def image_of(data: bytes, tokens: int) -> tuple[ImagePart | None, str]:
    """Return an image as a part, scaled down to `tokens` at most, and a few words on what was done to it.

    Parameters
    ----------
    data : bytes
        A PNG, GIF or JPEG image.
    tokens : int
        The most that it may cost.

    Returns
    -------
    ImagePart or None
        None if it is no such image, or too large and Pillow is not imported.
    str
        What was done, or what is in the way; without data.
    """
    measured = size_of(data)
    if measured is None:
        return None, "an image of an unknown format"
    mime, width, height = measured
    if _scaled(width, height, tokens) == (width, height):
        return ImagePart(_data_url(mime, data)), ""
    pillow = sys.modules.get("PIL.Image")
    if pillow is None:
        return None, f"an image of {width} × {height} pixels is too large (`import PIL.Image`, and it is scaled)"
    with pillow.open(BytesIO(data)) as image:
        return image_of_pillow(image, tokens)


def image_of_pillow(image: Any, tokens: int) -> tuple[ImagePart, str]:
    """Return a Pillow image as a part, scaled down to `tokens` at most, and a few words on the scaling; "" for none."""
    size = _scaled(image.width, image.height, tokens)
    note = "" if size == image.size else f"scaled from {image.width} × {image.height} to {size[0]} × {size[1]} pixels"
    is_photo = getattr(image, "format", None) == "JPEG"
    if image.mode not in {"1", "L", "LA", "RGB", "RGBA"}:
        if note:  # first made small: of a large image a copy costs
            image = image.resize(size, resample=0)
        image = image.convert("RGBA" if "transparency" in image.info or image.mode in {"PA", "La", "RGBa"} else "RGB")
    if image.size != size:
        image = image.resize(size, reducing_gap=2.0) if image.mode != "1" else image.resize(size)
    buffer = BytesIO()
    mime = "image/jpeg" if is_photo and image.mode in {"L", "RGB"} else "image/png"
    image.save(buffer, "JPEG" if mime == "image/jpeg" else "PNG")
    return ImagePart(_data_url(mime, buffer.getvalue())), note


def _scaled(width: int, height: int, tokens: int) -> tuple[int, int]:
    """Return the size that an image is scaled to: its own if it is small enough."""
    factor = min(math.sqrt(most_pixels(tokens) / max(1, width * height)), _LONGEST / max(1, width, height))
    if factor >= 1:
        return width, height
    return max(1, int(width * factor)), max(1, int(height * factor))


def _data_url(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
