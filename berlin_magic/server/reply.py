"""The reply: an engine's events, sent to one client."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web

from berlin_magic.errors import clean
from berlin_magic.messages import Event, Finish, Reasoning, Text, Usage
from berlin_magic.server.access_log import log_entry
from berlin_magic.server.accounts.balance import Bill
from berlin_magic.server.engine import EngineError
from berlin_magic.server.envelopes import log_failure
from berlin_magic.server.segments import Segments

__all__ = ["send_reply"]

_UNREAD = 2**14  # bytes that asyncio's transports take at once
_TOO_LONG = "length"
"""OpenAI's finish reason for a reply that has reached its limit; used for the server's limit, too."""


async def send_reply(
    request: web.Request,
    events: AsyncGenerator[Event, None],
    segments: Segments,
    bill: Bill,
    *,
    stall: float,
    most: int,
    is_covered: Callable[[], bool],
    completed: Callable[[str], Awaitable[None]],
) -> web.StreamResponse:
    """Send `events` as they arrive; return the finished response.

    Parameters
    ----------
    request : web.Request
        The request to answer.
    events : async generator
        The engine's events; closed by the caller.
    segments : Segments
        The writer of the stream's objects.
    bill : Bill
        The count of the tokens.
    stall : float
        Seconds that the client may leave data unread.
    most : int
        Characters, reasoning included, after which the reply is ended: some models never stop.
    is_covered : callable
        Return whether the balance pays for the reply so far; if it does not, the reply is ended, too.
    completed : callable
        Awaited with the whole text at its end, before the client gets the end.

    Raises
    ------
    EngineError
        If the engine refuses before its first event. Later failures cut the connection, so that no client takes
        the reply for whole.
    """
    log_entry().outcome = "left by its client"
    # Nothing is sent before the first event of the engine: until then a refusal can have its own HTTP status.
    event = await _first(events, bill)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream;charset=utf-8", "Cache-Control": "no-cache"}
    )
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the pieces back

    async def send(data: bytes, write: Callable[[bytes], Awaitable[None]] = response.write) -> None:
        transport = request.transport
        if transport is not None and transport.get_write_buffer_size() + len(data) < _UNREAD:
            await write(data)  # this does not wait: the client has read what came before
            return
        async with asyncio.timeout(stall):
            await write(data)

    text, characters, reason = io.StringIO(newline=""), 0, ""
    opening = segments.start()  # goes out with the first piece if that is there: each write is a system call
    try:
        await response.prepare(request)
        if not isinstance(event, Text | Reasoning):
            await send(opening)
            opening = b""
        while event is not None:
            bill.add(event)
            if isinstance(event, Finish):
                reason = clean(event.reason, 40)
            elif isinstance(event, Text | Reasoning):
                piece = event.text if isinstance(event, Text) else ""  # an empty one says that the model thinks
                characters += len(event.text)
                text.write(piece)
                await send(opening + segments.text(piece))
                opening = b""
                if characters > most or not is_covered():
                    reason = _TOO_LONG
                    await events.aclose()
                    break
            event = await anext(events, None)
        await completed(text.getvalue())
        await send(segments.stop(reason), response.write_eof)
        log_entry().outcome = f"complete, {bill.tokens} tokens{'' if reason in {'', 'stop'} else f', {reason}'}"
    except Exception as error:  # noqa: BLE001 - whatever it was, the reply is cut and must not look complete
        log_entry().outcome = f"cut: {error.reason}" if isinstance(error, EngineError) else "cut"
        log_failure(error)
        _cut(request, at_once=isinstance(error, TimeoutError))
    return response


async def _first(events: AsyncGenerator[Event, None], bill: Bill) -> Event | None:
    """Return the first event that is for the client; None if there is none.

    A client that leaves before it must still pay the question, if the engine has accepted it.
    """
    try:
        while isinstance(event := await anext(events, None), Usage):
            bill.add(event)
    except Exception:
        bill.cancel()
        raise
    return event


def _cut(request: web.Request, *, at_once: bool) -> None:
    """Close the connection at once: no last chunk, no `stop`, so that every client sees a cut."""
    if request.transport is None:
        return
    if at_once:
        request.transport.abort()  # a client that does not read would keep a mere `close` waiting
    else:
        request.transport.close()  # sends what was written; the end of the response then finds it closed
