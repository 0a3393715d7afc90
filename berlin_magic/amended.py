"""A request that a server refused for one of its options, without that option or with the one it wants instead."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from berlin_magic.errors import ServerError

__all__ = ["amended"]

_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


def amended(body: Mapping[str, Any], error: ServerError) -> dict[str, Any] | None:
    """Return the request to send in place of `body`; None where nothing can be done, or it has been done already.

    Only what we add unasked is left out (``stream_options``), and only what has another name is renamed
    (``max_tokens``, which OpenAI's reasoning models know as ``max_completion_tokens``): what the user has asked for
    is sent or refused.

    Parameters
    ----------
    body : mapping
        The request that was refused; it was not answered.
    error : ServerError
        What the server said.
    """
    if error.status not in _REFUSED:
        return None
    said = error.body or ""
    if "stream_options" in said and "stream_options" in body:
        return {name: value for name, value in body.items() if name != "stream_options"}
    if "max_completion_tokens" in said and "max_tokens" in body:
        renamed = {name: value for name, value in body.items() if name != "max_tokens"}
        return {**renamed, "max_completion_tokens": body["max_tokens"]}
    return None
