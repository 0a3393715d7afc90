"""Make the errors of a question safe to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from berlin_magic.credentials.redaction import redacted, untraced
from berlin_magic.errors import BerlinError, ModelUnknownError
from berlin_magic.messages import Event
from berlin_magic.providers.suggestions import with_nearest

__all__ = ["safe_error", "with_safe_errors"]


def safe_error(error: BerlinError | asyncio.CancelledError, secrets: Sequence[str]) -> BaseException:
    """Return `error` without secrets; a cancelled task's error without its frames, which may hold some."""
    return redacted(error, secrets) if isinstance(error, BerlinError) else untraced(error)


async def with_safe_errors(
    stream: AsyncGenerator[Event, None],
    secrets: Sequence[str],
    model: str,
    models: Callable[[], Awaitable[Sequence[str]]],
) -> AsyncGenerator[Event, None]:
    """Yield the events of `stream`; what it raises is raised without `secrets`.

    Parameters
    ----------
    stream : async generator of Event
        The reply. It is closed at the end.
    secrets : sequence of str
        What the server was sent; more may be added while the reply arrives.
    model : str
        The model that the user asked for; if the server does not know it, similar models are suggested.
    models : callable
        Asks the server for its models.
    """
    try:
        async with aclosing(stream):
            async for event in stream:
                yield event
    except (BerlinError, asyncio.CancelledError) as error:
        if isinstance(error, ModelUnknownError) and model:
            await with_nearest(error, model, models)
        raise safe_error(error, secrets) from None
