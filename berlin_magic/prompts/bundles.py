"""Read MIME bundles, in which objects describe themselves."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from berlin_magic.messages import Part, TextPart
from berlin_magic.prompts.cutting import cut_middle
from berlin_magic.prompts.images import image_of

__all__ = ["parts_of_bundle"]

_TEXTS = ("text/llm+plain", "text/markdown", "text/plain", "application/json", "text/html")
"""The first that is there is taken."""

_IMAGES = ("image/png", "image/jpeg", "image/gif")


def parts_of_bundle(bundle: Any, limit: int, image_tokens: int) -> tuple[list[Part], str]:
    """Return the text and the image of a MIME bundle, and what was left out.

    Parameters
    ----------
    bundle : mapping, tuple or str
        ``{"text/markdown": …, "image/png": …}``; with metadata, a pair of it; a text alone is Markdown. An image is
        bytes, or Base64 as Jupyter's messages have it.
    limit : int
        Most characters of the text.
    image_tokens : int
        Most tokens of the image.

    Returns
    -------
    list of Part
        Empty if there is nothing that can be sent.
    str
        What was left out, "" for nothing.
    """
    if isinstance(bundle, tuple) and bundle:
        bundle = bundle[0]
    if isinstance(bundle, str):
        bundle = {"text/markdown": bundle}
    if not isinstance(bundle, Mapping):
        return [], ""
    parts: list[Part] = []
    cut = note = ""
    texts = [content for mime in _TEXTS if (content := bundle.get(mime)) is not None and content != ""]
    if texts:
        first = texts[0] if isinstance(texts[0], str) else json.dumps(texts[0], default=str)
        text, cut = cut_middle(first, limit)
        parts.append(TextPart(text))
    if data := next(filter(None, map(bundle.get, _IMAGES)), None):
        image, note = image_of(_bytes(data), image_tokens)
        parts += [image] if image is not None else []
    return parts, "; ".join(filter(None, [cut, note]))


def _bytes(content: Any) -> bytes:
    if isinstance(content, tuple):  # with metadata, as of `_repr_png_`
        content = content[0]
    if not isinstance(content, str):
        return bytes(content)
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error:
        return b""
