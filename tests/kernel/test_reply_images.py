"""The images of a reply: which are shown, and that nothing else is."""

from __future__ import annotations

import base64

import pytest

from berlin_magic.kernel.reply_images import image_outputs
from berlin_magic.messages import ImagePart

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def url(data: bytes, claimed: str = "image/png") -> str:
    return f"data:{claimed};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("mime", "data"),
    [
        ("image/png", PNG),
        ("image/jpeg", b"\xff\xd8\xff" + bytes(20)),
        ("image/gif", b"GIF89a" + bytes(20)),
        ("image/webp", b"RIFF\n\x00\x00\x00WEBP" + bytes(20)),
    ],
)
def test_a_format_is_known_by_the_data_and_not_by_what_is_claimed(mime: str, data: bytes) -> None:
    for claimed in (mime, "image/svg+xml", "image/x"):
        (output,) = image_outputs([ImagePart(url(data, claimed))])
        assert base64.b64decode(output.pop(mime)) == data and list(output) == ["text/plain"]


@pytest.mark.parametrize(
    "bad",
    [
        "https://elsewhere.example/x.png",
        "javascript:alert(1)",
        url(b"<svg onload='alert(1)'/>", "image/svg+xml"),
        url(b"<script>", "text/html"),
        url(b"<svg/>"),
        url(PNG).replace("image/png", 'image/png" onload="x'),
        url(PNG) + "\n",
        url(PNG)[:-3] + "=",
        url(PNG).replace(";base64", ""),
        "data:image/png;base64,",
        url(PNG + bytes(30_000_000)),
        "\x1b[31m",
    ],
    ids=lambda bad: bad[:30],
)
def test_anything_else_is_text_that_loads_nothing(bad: str) -> None:
    (output,) = image_outputs([ImagePart(bad)])
    assert list(output) == ["text/plain"] and len(output["text/plain"]) < 140 and "\x1b" not in output["text/plain"]
