"""Retry a question that failed for a temporary reason before its reply began."""

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

__all__ = ["RETRIES", "delay", "retry_after", "with_retries"]

RETRIES: Final = 5
"""The most retries of one question, if the user sets no other number."""

# The text of a 500 from Berlin servers (wire/chat-upstream-refused) and gateways whose engine is down.
_ENGINE_DOWN = re.compile(
    r"ECONNREFUSED|ECONNRESET|EAI_AGAIN|socket hang up|connection (was )?(refused|reset)|the connection failed",
    re.IGNORECASE,
)
_FAILED = 500
_ENGINE_UNREACHABLE = 5000  # the code in a Berlin envelope, whatever the status; also that of an unknown model
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_WAIT_LIMIT = 1e9  # seconds; more would overflow, and is far beyond every time limit


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry policy for one kind of error.

    Attributes
    ----------
    reason : str
        Why the question is retried, for the status line.
    retries : int
        The most retries.
    first_delay : float
        Seconds before the first retry, at most; before each further one twice as long.
    time_limit : float
        Seconds since the question was first sent, after which it is not retried.
    """

    reason: str
    retries: int
    first_delay: float
    time_limit: float


# Usually a server that has not been started.
_NO_CONNECTION = RetryPolicy("no connection", retries=2, first_delay=0.5, time_limit=2.0)
_NO_ENGINE = RetryPolicy("the engine is out of reach", retries=4, first_delay=0.7, time_limit=12.0)
_LOADING = RetryPolicy("the model is being loaded", retries=RETRIES, first_delay=4.0, time_limit=150.0)
_BUSY = RetryPolicy("busy", retries=RETRIES, first_delay=1.0, time_limit=30.0)


async def with_retries(
    ask: Callable[[], AsyncGenerator[Event, None]], retries: int = RETRIES
) -> AsyncGenerator[Event, None]:
    """Yield the events of ``ask()``; if it fails for a temporary reason before the reply begins, wait and retry.

    Each wait begins with a `Notice` that says how long it is. No connection is open during a wait; closing the
    generator, or cancelling the task that reads it, ends the wait at once.

    Parameters
    ----------
    ask : callable
        Returns a new generator for one attempt. Any event but a `Notice` begins the reply.
    retries : int
        The most retries; 0 for none.

    Raises
    ------
    BerlinError
        The error of the last attempt.
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
            # The jitter keeps the users of one classroom from retrying at the same moment: no secret depends on it.
            jitter = random.random()  # noqa: S311
            wait = None if begun or attempt >= retries else delay(error, attempt, clock() - start, jitter)
            if wait is None:
                raise
            notice = Notice(f"{_policy_for(error).reason}, trying again in {math.ceil(wait)} s")
        attempt += 1
        yield notice
        await asyncio.sleep(wait)


def delay(error: BerlinError, attempt: int, elapsed: float, jitter: float) -> float | None:
    """Return the seconds to wait before the next retry; None if there is to be none.

    Parameters
    ----------
    error : BerlinError
        The error of the last attempt.
    attempt : int
        The retries so far.
    elapsed : float
        Seconds since the question was first sent.
    jitter : float
        A random number from 0 to 1.
    """
    policy = _policy_for(error)
    if attempt >= policy.retries:
        return None
    wait = policy.first_delay * 2**attempt * (1 + jitter) / 2
    if error.retry_after is not None:
        wait = max(wait, error.retry_after + jitter)  # the server may send all its users the same time
    # If the server wants a longer wait, do not retry: an earlier retry would ignore it, and users do not wait so long.
    return wait if elapsed + wait <= policy.time_limit else None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that ``Retry-After`` gives (RFC 9110, section 10.2.3); None if it gives none.

    A date in it is compared with the server's own ``Date`` if it sends one: its clock may differ from ours, `now`.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _WAIT_LIMIT)
    until = _date(value)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("Date", "")) or now or datetime.now(UTC))).total_seconds())


_NO_RETRY = RetryPolicy("", retries=0, first_delay=0.0, time_limit=0.0)


def _policy_for(error: BerlinError) -> RetryPolicy:
    match error:
        case ServerUnreachableError():
            return _NO_CONNECTION if error.passing else _NO_RETRY
        case RateLimitError():
            return _BUSY
        case ServerError() if type(error) is ServerError and is_loading(error.body or ""):
            return _LOADING
        case ServerError() if type(error) is ServerError and error.status in PASSING_STATUSES:
            return _BUSY
        case ServerError() if type(error) is ServerError and (
            error.status in {None, _FAILED} or error.code == _ENGINE_UNREACHABLE
        ):
            return _NO_ENGINE if _ENGINE_DOWN.search(error.body or "") else _NO_RETRY
        case _:
            return _NO_RETRY


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
