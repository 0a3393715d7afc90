"""Ask one question for each of many rows, several at the same time.

It has neither sockets nor a clock; the caller passes a clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from berlin_magic.errors import (
    BerlinError,
    BudgetError,
    LoginRefusedError,
    ModelUnknownError,
    NoBalanceError,
    NotAllowedError,
    NotConfiguredError,
    RateLimitError,
)
from berlin_magic.providers.retries import RETRIES, delay

__all__ = ["Answer", "Asking", "Pauses", "Progress"]

_PAUSE_LIMIT = 600.0
"""The most seconds that a server may ask for: rows can wait longer than a cell, and many limits are for a minute."""

_FOR_ALL = (NotConfiguredError, LoginRefusedError, NotAllowedError, NoBalanceError, ModelUnknownError, BudgetError)
"""Errors that every other row would have, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one row.

    Attributes
    ----------
    value : object
        The reply as a `str`, or the value of the type that was asked for.
    tokens : int
        The tokens of prompt and reply.
    billionths, currency : int, str
        Its cost, if that is known.
    stored : bool
        Whether it was read from the store, and not asked.
    """

    value: Any
    tokens: int = 0
    billionths: int = 0
    currency: str = ""
    stored: bool = False


@dataclass(slots=True)
class Progress:
    """The number of rows that are done.

    Attributes
    ----------
    total, done, stored, failed : int
        Rows: all, those with a reply, those of them whose reply was stored, those with an error.
    tokens : int
        The tokens of the replies that were asked.
    billionths : dict
        Their cost, by currency.
    """

    total: int
    done: int = 0
    stored: int = 0
    failed: int = 0
    tokens: int = 0
    billionths: dict[str, int] = field(default_factory=dict)

    def count(self, answer: Answer) -> None:
        """Count a reply."""
        self.done += 1
        if answer.stored:
            self.stored += 1
            return
        self.tokens += answer.tokens
        if answer.currency:
            self.billionths[answer.currency] = self.billionths.get(answer.currency, 0) + answer.billionths

    def seconds_left(self, elapsed: float) -> float | None:
        """Return an estimate of the seconds that are left, after `elapsed`; None before the first reply."""
        asked = self.done - self.stored + self.failed
        return elapsed / asked * (self.total - self.done - self.failed) if asked else None


class Pauses:
    """The pauses that a server asks for, which are the same for all requests.

    Requests that were already sent when a pause began may be refused, too. They lengthen the pause to the longest time
    that one of them asks for, and do not begin another.

    Parameters
    ----------
    clock : callable
        Monotonic time in seconds.
    jitter : callable
        Returns a random number from 0 to 1, so that the clients of a server do not all retry at the same moment.
    sleep : callable
        Waits for that number of seconds.

    Attributes
    ----------
    until : float
        The time at which the pause ends.
    count : int
        The number of pauses so far.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._sleep = sleep
        self.until = 0.0
        self.count = 0
        self._without_reply = 0
        self._current_jitter = 0.0

    async def wait(self) -> int:
        """Wait until the pause is over; return the number of pauses so far."""
        while (wait := self.until - self._clock()) > 0:
            await self._sleep(wait)
        return self.count

    def reset(self) -> None:
        """Note that a reply has come: the server answers again."""
        self._without_reply = 0

    def begin(self, error: BerlinError, attempt: int, count_when_sent: int) -> bool:
        """Begin a pause after `error`, or lengthen the current one; return whether the row is to be asked again.

        Parameters
        ----------
        error : BerlinError
            Why a request was refused.
        attempt : int
            The retries of its row so far.
        count_when_sent : int
            The number of pauses when it was sent.
        """
        new = count_when_sent == self.count
        if new:
            self._current_jitter = self._jitter()
        wait = self._seconds(error, attempt)
        if wait is None:
            return False
        if new:
            self.count += 1
            self._without_reply += 1
        self.until = max(self.until, self._clock() + wait)
        return True

    @property
    def server_refuses_all(self) -> bool:
        """Whether so many pauses have passed without a reply that further requests are of no use."""
        return self._without_reply > RETRIES

    def _seconds(self, error: BerlinError, attempt: int) -> float | None:
        asked_for = error.retry_after
        if isinstance(error, RateLimitError) and asked_for is not None:
            return asked_for + self._current_jitter if attempt < RETRIES and asked_for <= _PAUSE_LIMIT else None
        return delay(error, attempt, 0.0, self._current_jitter)


class Asking:
    """The questions to many rows, several at a time.

    Parameters
    ----------
    ask : callable
        Returns the reply to the row with that number, from 0 on, or raises. After an error that every row would have,
        running requests are awaited, and no other is sent.
    pauses : Pauses
        The pauses that the server asks for.
    progress : Progress
        The counts, which are kept up to date.

    Attributes
    ----------
    values : list
        The replies so far, by the number of the row; None for a row without one.
    errors : dict
        The errors of the other rows, by their numbers.
    stopped : BerlinError or None
        The error after which no other row was asked.
    """

    def __init__(self, ask: Callable[[int], Awaitable[Answer]], pauses: Pauses, progress: Progress) -> None:
        self._ask = ask
        self._pauses = pauses
        self._progress = progress
        self._running = 0
        self._one_ended = asyncio.Event()
        self.values: list[Any] = [None] * progress.total
        self.errors: dict[int, BaseException] = {}
        self.stopped: BerlinError | None = None

    async def run(self, concurrency: int) -> None:
        """Ask all rows, at most `concurrency` at a time. If it is cancelled, the replies so far are kept."""
        numbers = iter(range(self._progress.total))

        async def work() -> None:
            for number in numbers:
                await self._ask_row(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, self._progress.total)):
                group.create_task(work())

    async def _ask_row(self, number: int) -> None:
        try:
            answer = await self._answer(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rows go on
            self.errors[number] = error
            self._progress.failed += 1
        else:
            self.values[number] = answer.value
            self._progress.count(answer)

    async def _answer(self, number: int) -> Answer:
        """Return the reply to a row, after retries if they are needed."""
        attempt = 0
        while self.stopped is None:
            count = await self._pauses.wait()
            try:
                return await self._once(number)
            except BudgetError as error:
                if not self._running:
                    self._stop(error)
                    raise
                self._one_ended.clear()  # a running request may cost less than is reserved for it
                await self._one_ended.wait()
            except BerlinError as error:
                again = self._pauses.begin(error, attempt, count)
                if isinstance(error, _FOR_ALL) or self._pauses.server_refuses_all:
                    self._stop(error)
                if not again or self.stopped is not None:
                    raise
                attempt += 1
        raise self.stopped

    async def _once(self, number: int) -> Answer:
        self._running += 1
        sent = True
        try:
            answer = await self._ask(number)
        except BudgetError:
            sent = False
            raise
        finally:
            self._running -= 1
            if sent:
                self._one_ended.set()
        self._pauses.reset()
        return answer

    def _stop(self, error: BerlinError) -> None:
        self.stopped = self.stopped or error
        self._one_ended.set()
