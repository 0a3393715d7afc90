"""The reply: an engine's pieces on their way to one client, until the last word or the cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web

from berlin_magic.events import Usage
from berlin_magic.server.access_log import visit
from berlin_magic.server.bill import Bill
from berlin_magic.server.engine import Piece
from berlin_magic.server.envelopes import log_failure
from berlin_magic.server.segments import Segments

__all__ = ["send_reply"]


async def send_reply(
    request: web.Request,
    pieces: AsyncGenerator[Piece, None],
    segments: Segments,
    bill: Bill,
    *,
    stall: float,
    completed: Callable[[str], Awaitable[None]],
) -> web.StreamResponse:
    """Send `pieces` as they come, and return the finished response.

    Parameters
    ----------
    request : web.Request
        Whose answer it is.
    pieces : async generator
        The engine's; closed by the caller.
    segments : Segments
        Writes them.
    bill : Bill
        Counts them.
    stall : float
        Seconds that the client may leave them unread.
    completed : callable
        Awaited with the whole text when there is no more, before the client is told so.

    Raises
    ------
    EngineError
        Where the engine refuses before its first piece. Later failures cut the connection, so that no client takes
        the reply for whole.
    """
    # Nothing is sent before the engine has said something: until then a refusal can have its own HTTP status.
    piece = await anext(pieces, None)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream;charset=utf-8", "Cache-Control": "no-cache"}
    )
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the pieces back

    async def send(data: bytes) -> None:
        async with asyncio.timeout(stall):
            await response.write(data)

    text: list[str] = []
    visit().outcome = "left by its client"
    try:
        await response.prepare(request)
        await send(segments.start())
        while piece is not None:
            bill.add(piece)
            if not isinstance(piece, Usage):
                text.append(piece if isinstance(piece, str) else "")
                await send(segments.text(text[-1]))  # an empty one says that the model thinks
            piece = await anext(pieces, None)
        await completed("".join(text))
        await send(segments.stop())
        visit().outcome = f"complete, {bill.tokens} tokens"
    except Exception as error:  # noqa: BLE001 - whatever it was, the reply is cut and must not look complete
        visit().outcome = "cut"
        log_failure(error)
        _cut(request, at_once=isinstance(error, TimeoutError))
    return response


def _cut(request: web.Request, *, at_once: bool) -> None:
    """Close the connection where it stands: no last chunk, no `stop`, so that every client sees a cut."""
    if request.transport is None:
        return
    if at_once:
        request.transport.abort()  # a client that does not read would keep a mere `close` waiting
    else:
        request.transport.close()  # sends what was written; the end of the response then finds it closed
