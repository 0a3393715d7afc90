"""Ask one question for each of many rows: at the same time, with one pause for all.

No sockets here, and no clock: who calls gives one.
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

__all__ = ["Answer", "Asking", "Gate", "Progress"]

_LONGEST_PAUSE = 600.0
"""Seconds that a server may ask for: nobody watches a table so closely as a cell, and a limit is often one a minute."""

_FOR_ALL = (NotConfiguredError, LoginRefusedError, NotAllowedError, NoBalanceError, ModelUnknownError, BudgetError)
"""Errors that every further row would have, too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one row.

    Attributes
    ----------
    value : object
        What the row gives: the reply as a `str`, or the value that it was asked as.
    tokens : int
        Of prompt and reply.
    billionths, currency : int, str
        What it has cost, if that is known.
    stored : bool
        Whether it was stored, and not asked.
    """

    value: Any
    tokens: int = 0
    billionths: int = 0
    currency: str = ""
    stored: bool = False


@dataclass(slots=True)
class Progress:
    """How far the rows are.

    Attributes
    ----------
    total, done, stored, failed : int
        Rows: all, those with a reply, those of them whose reply was stored, those with an error.
    tokens : int
        Of the replies that were asked.
    billionths : dict
        What they have cost, by currency.
    """

    total: int
    done: int = 0
    stored: int = 0
    failed: int = 0
    tokens: int = 0
    billionths: dict[str, int] = field(default_factory=dict)

    def take(self, answer: Answer) -> None:
        """Count a reply."""
        self.done += 1
        if answer.stored:
            self.stored += 1
            return
        self.tokens += answer.tokens
        if answer.currency:
            self.billionths[answer.currency] = self.billionths.get(answer.currency, 0) + answer.billionths

    def seconds_left(self, elapsed: float) -> float | None:
        """Return about how many seconds the rest takes, after `elapsed`; None before the first reply."""
        asked = self.done - self.stored + self.failed
        return elapsed / asked * (self.total - self.done - self.failed) if asked else None


class Gate:
    """Holds all requests back while the server wants a pause.

    Of the requests that were on their way when the pause began, each may be refused, too. They make it no longer than
    the longest of them asks for: the pause is one for all.

    Parameters
    ----------
    clock : callable
        Monotonic time in seconds.
    jitter : callable
        Returns a random number from 0 to 1: clients of a server that were told the same time don't all come at once.
    sleep : callable
        Waits for so many seconds of that clock.

    Attributes
    ----------
    until : float
        When the pause is over, by the clock.
    pauses : int
        How many there have been.
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
        self.pauses = 0
        self._in_a_row = 0
        self._noise = 0.0

    async def opened(self) -> int:
        """Wait until the pause is over; return how many pauses there have been."""
        while (wait := self.until - self._clock()) > 0:
            await self._sleep(wait)
        return self.pauses

    def passed(self) -> None:
        """Take note of a reply."""
        self._in_a_row = 0

    def paused(self, error: BerlinError, attempt: int, sent_after: int) -> bool:
        """Begin a pause after `error`, or let it last longer; say whether the row is to be asked again.

        Parameters
        ----------
        error : BerlinError
            Why a request was refused.
        attempt : int
            How often its row was asked again before.
        sent_after : int
            How many pauses there had been when it was sent.
        """
        new = sent_after == self.pauses
        if new:
            self._noise = self._jitter()
        wait = self._wait(error, attempt)
        if wait is None:
            return False
        if new:
            self.pauses += 1
            self._in_a_row += 1
        self.until = max(self.until, self._clock() + wait)
        return True

    @property
    def is_hopeless(self) -> bool:
        """Whether so many pauses have followed each other without a reply that the server takes nothing any more."""
        return self._in_a_row > RETRIES

    def _wait(self, error: BerlinError, attempt: int) -> float | None:
        asked_for = error.retry_after
        if isinstance(error, RateLimitError) and asked_for is not None:
            return asked_for + self._noise if attempt < RETRIES and asked_for <= _LONGEST_PAUSE else None
        return delay(error, attempt, 0.0, self._noise)


class Asking:
    """Asks each of many rows, so many at a time.

    Parameters
    ----------
    ask : callable
        Returns the reply to the row of that number, from 0 on, or raises why there is none. An error that every row
        would have ends the whole: what is running is waited for, and nothing more is asked.
    gate : Gate
        Makes the pauses.
    progress : Progress
        Is kept up to date.

    Attributes
    ----------
    values : list
        The replies so far, each at its row's place; None for none.
    errors : dict
        Why rows have no reply, by their numbers.
    stopped : BerlinError or None
        What has ended the whole early.
    """

    def __init__(self, ask: Callable[[int], Awaitable[Answer]], gate: Gate, progress: Progress) -> None:
        self._ask = ask
        self._gate = gate
        self._progress = progress
        self._running = 0
        self._one_ended = asyncio.Event()
        self.values: list[Any] = [None] * progress.total
        self.errors: dict[int, BaseException] = {}
        self.stopped: BerlinError | None = None

    async def run(self, concurrency: int) -> None:
        """Ask all rows, at most `concurrency` at a time; cancelling it leaves what has arrived."""
        numbers = iter(range(self._progress.total))

        async def work() -> None:
            for number in numbers:
                await self._take(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, self._progress.total)):
                group.create_task(work())

    async def _take(self, number: int) -> None:
        try:
            answer = await self._answer(number)
        except Exception as error:  # noqa: BLE001 - whatever it was, the other rows are not its business
            self.errors[number] = error
            self._progress.failed += 1
        else:
            self.values[number] = answer.value
            self._progress.take(answer)

    async def _answer(self, number: int) -> Answer:
        """Return the reply to a row, after as many tries as it takes."""
        attempt = 0
        while self.stopped is None:
            pauses = await self._gate.opened()
            try:
                return await self._once(number)
            except BudgetError as error:
                if not self._running:
                    self._stop(error)
                    raise
                self._one_ended.clear()  # what is reserved for a running request may be left over
                await self._one_ended.wait()
            except BerlinError as error:
                again = self._gate.paused(error, attempt, pauses)
                if isinstance(error, _FOR_ALL) or self._gate.is_hopeless:
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
        self._gate.passed()
        return answer

    def _stop(self, error: BerlinError) -> None:
        self.stopped = self.stopped or error
        self._one_ended.set()
