"""Asking again: only what can pass, before the first word of a reply, backing off, bounded in number and in time."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from berlin_magic.errors import BerlinError, RateLimitError, ServerError, ServerUnreachableError
from berlin_magic.messages import Event, Notice
from berlin_magic.providers.error_kinds import is_loading
from berlin_magic.transport.errors import PASSING_STATUSES

__all__ = ["RETRIES", "pause", "retried", "told_wait"]

RETRIES: Final = 5
"""How often one question is asked again at most, where the user sets no other number."""

# How a Berlin server (wire/chat-upstream-refused) and gateways say with a 500 that there was nobody behind them.
_ENGINE_DOWN = re.compile(
    r"ECONNREFUSED|ECONNRESET|EAI_AGAIN|socket hang up|connection (was )?(refused|reset)|the connection failed",
    re.IGNORECASE,
)
_FAILED = 500
_OUT_OF_REACH = 5000  # the code in a Berlin envelope, whatever the status; also that of an unknown model
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_FOR_GOOD = 1e9  # seconds; more than that is no more to be told from for ever


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one kind of failure is borne with.

    Attributes
    ----------
    what : str
        What the user is told of it.
    times : int
        How often it is asked again.
    first : float
        Seconds to wait the first time, at most; each further time twice as long.
    limit : float
        Seconds after the question was first asked, beyond which it is not asked again.
    """

    what: str
    times: int
    first: float
    limit: float


_NO_CONNECTION = Patience("no connection", times=2, first=0.5, limit=2.0)  # most often a server that is not started
_NO_ENGINE = Patience("the engine is out of reach", times=4, first=0.7, limit=12.0)
_LOADING = Patience("the model is being loaded", times=RETRIES, first=4.0, limit=150.0)
_BUSY = Patience("busy", times=RETRIES, first=1.0, limit=30.0)


async def retried(
    ask: Callable[[], AsyncGenerator[Event, None]], retries: int = RETRIES
) -> AsyncGenerator[Event, None]:
    """Yield what ``ask()`` yields; where it fails before anything came, and that can pass, wait and ask again.

    Each wait begins with a `Notice` that says how long it is. Nothing is open during a wait; closing the generator, or
    cancelling who reads it, ends it at once.

    Parameters
    ----------
    ask : callable
        Returns a new generator of one try; what it yields besides `Notice` is the reply, which has then begun.
    retries : int
        How often it is asked again at most; 0 for not at all.

    Raises
    ------
    BerlinError
        The last one.
    """
    clock = asyncio.get_running_loop().time
    start, attempt, begun = clock(), 0, False
    while True:
        try:
            async with aclosing(ask()) as items:
                async for item in items:
                    begun = begun or not isinstance(item, Notice)
                    yield item
            return
        except BerlinError as error:
            # The jitter is against a class that comes back in step: no secret depends on it.
            chance = random.random()  # noqa: S311
            wait = None if begun or attempt >= retries else pause(error, attempt, clock() - start, chance)
            if wait is None:
                raise
            told = Notice(f"{_patience_with(error).what}, trying again in {math.ceil(wait)} s")
        attempt += 1
        yield told
        await asyncio.sleep(wait)


def pause(error: BerlinError, attempt: int, elapsed: float, chance: float) -> float | None:
    """Return how many seconds to wait before the question is asked again; None where it is not to be.

    Parameters
    ----------
    error : BerlinError
        What it ended in.
    attempt : int
        How often it has been asked again so far.
    elapsed : float
        Seconds since it was asked first.
    chance : float
        A random number from 0 to 1, for the jitter.
    """
    patience = _patience_with(error)
    if attempt >= patience.times:
        return None
    wait = patience.first * 2**attempt * (1 + chance) / 2
    if error.retry_after is not None:
        wait = max(wait, error.retry_after + chance)  # a class that was told the same time should not come in step
    # A server that wants a longer wait gets none: sooner would be against its word, and nobody watches a cell so long.
    return wait if elapsed + wait <= patience.limit else None


def told_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that ``Retry-After`` names (RFC 9110, section 10.2.3); None where it names none.

    A date in it counts from the server's own ``Date``, where that is there: its clock may differ from ours, `now`.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _FOR_GOOD)
    until = _date(value)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("Date", "")) or now or datetime.now(UTC))).total_seconds())


_NONE = Patience("", times=0, first=0.0, limit=0.0)


def _patience_with(error: BerlinError) -> Patience:
    match error:
        case ServerUnreachableError():
            return _NO_CONNECTION if error.passing else _NONE
        case RateLimitError():
            return _BUSY
        case ServerError() if type(error) is ServerError and is_loading(error.body or ""):
            return _LOADING
        case ServerError() if type(error) is ServerError and error.status in PASSING_STATUSES:
            return _BUSY
        case ServerError() if type(error) is ServerError and (
            error.status in {None, _FAILED} or error.code == _OUT_OF_REACH
        ):
            return _NO_ENGINE if _ENGINE_DOWN.search(error.body or "") else _NONE
        case _:
            return _NONE


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
