"""A question on its way up: as long as the server goes on reading it, it may take its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter

__all__ = ["uploaded"]

_SMALL = 2**15  # bytes that asyncio's transports and the system take at once, read or not
_SLICE = 2**16


@asynccontextmanager
async def uploaded(value: Mapping[str, Any] | None, patience: float | None) -> AsyncIterator[dict[str, Any]]:
    """Give the arguments with which aiohttp sends `value` as JSON; to be left when there is a response.

    aiohttp's limits are on connecting and on reading. A server that stops reading a long question meets neither.

    Parameters
    ----------
    value : mapping, optional
        The body; None for none.
    patience : float, optional
        Seconds within which a further part of it has to be taken; None for no limit.

    Raises
    ------
    TimeoutError
        Where none was.
    """
    if value is None:
        yield {}
        return
    body = json.dumps(value).encode()
    if len(body) <= _SMALL:
        yield {"json": value}
        return
    async with asyncio.timeout(None) as limit:
        upload = _Upload(body, limit, patience)
        try:
            yield {"data": upload}
        finally:
            upload.watch(None)  # a server may answer before it has read all


class _Upload(aiohttp.Payload):
    """A body that is written in slices; after each the limit begins anew."""

    def __init__(self, body: bytes, limit: asyncio.Timeout, patience: float | None) -> None:
        super().__init__(body, content_type="application/json")
        self._size = len(body)
        self._limit: asyncio.Timeout | None = limit
        self._patience = patience

    def watch(self, limit: asyncio.Timeout | None) -> None:
        self._limit = limit

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for start in range(0, len(self._value), _SLICE):
            self._allow(self._patience)
            await writer.write(self._value[start : start + _SLICE])
            await writer.drain()
        self._allow(None)  # from here on it is the answer that is waited for

    def _allow(self, seconds: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
