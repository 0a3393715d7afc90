"""Asking many rows at the same time: what is shared, what is counted, what ends the whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from berlin_magic.errors import (
    BerlinError,
    BudgetError,
    NoBalanceError,
    RateLimitError,
    ServerError,
    ServerUnreachableError,
)
from berlin_magic.results.asking import Answer, Asking, Pauses, Progress


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


class Run:
    """Rows asked of a function that stands in for a server."""

    def __init__(self, total: int, ask: Callable[[int], Awaitable[Answer]]) -> None:
        self.clock = Clock()
        self.pauses = Pauses(self.clock, lambda: 0.5, self.clock.sleep)
        self.progress = Progress(total)
        self.asked: Counter[int] = Counter()
        self.at_once = self.most_at_once = 0
        self._ask = ask
        self.asking = Asking(self._counted, self.pauses, self.progress)

    async def _counted(self, number: int) -> Answer:
        self.asked[number] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            return await self._ask(number)
        finally:
            self.at_once -= 1


async def answer(number: int) -> Answer:
    return Answer(f"reply {number}", tokens=3, billionths=5, currency="USD")


async def test_the_replies_are_in_the_order_of_the_rows_and_no_more_are_asked_at_a_time_than_allowed() -> None:
    async def slow_first(number: int) -> Answer:
        for _ in range(20 - number):
            await asyncio.sleep(0)
        return await answer(number)

    run = Run(20, slow_first)
    await run.asking.run(4)
    assert run.asking.values == [f"reply {number}" for number in range(20)]
    assert run.most_at_once == 4
    assert (run.progress.done, run.progress.tokens, run.progress.billionths) == (20, 60, {"USD": 100})


async def test_one_row_in_ten_fails_and_the_others_are_there() -> None:
    async def ask(number: int) -> Answer:
        if number % 10 == 3:
            raise ServerError("The prompt is too long.\nAsk less.", status=400)
        return await answer(number)

    run = Run(50, ask)
    await run.asking.run(8)
    assert sorted(run.asking.errors) == [3, 13, 23, 33, 43]
    assert run.asking.stopped is None and run.progress.failed == 5
    assert [number for number, value in enumerate(run.asking.values) if value is None] == [3, 13, 23, 33, 43]
    assert set(run.asked.values()) == {1}


async def test_a_429_with_retry_after_slows_all_once() -> None:
    run = Run(40, answer)
    refused = set()

    async def ask(number: int) -> Answer:
        if run.clock() < 130 and number >= 8:  # from the ninth row on the server wants a pause of 30 s
            refused.add(number)
            raise RateLimitError("Too many.\nWait.", status=429, retry_after=30.0)
        return await answer(number)

    run._ask = ask
    await run.asking.run(8)
    assert run.pauses.count == 1 and run.clock() == 130.5
    assert run.asking.errors == {} and len(refused) <= 8
    assert sum(run.asked.values()) == 40 + len(refused)


async def test_a_pause_of_a_minute_is_waited_for_and_one_of_an_hour_is_not() -> None:
    for seconds, waited in ((60.0, True), (3600.0, False)):
        run = Run(3, answer)

        async def ask(number: int, seconds: float = seconds, clock: Clock = run.clock) -> Answer:
            if clock() < 100 + seconds:
                raise RateLimitError("Too many.\nWait.", status=429, retry_after=seconds)
            return await answer(number)

        run._ask = ask
        await run.asking.run(3)
        assert (len(run.asking.errors) == 0) is waited


async def test_a_server_that_takes_nothing_any_more_is_not_asked_for_every_row() -> None:
    async def ask(_number: int) -> Answer:
        raise RateLimitError("Too many.\nWait.", status=429, retry_after=1.0)

    run = Run(500, ask)
    await run.asking.run(8)
    assert isinstance(run.asking.stopped, RateLimitError)
    assert len(run.asking.errors) == 500 and sum(run.asked.values()) <= 8 * 7


async def test_a_row_whose_connection_is_refused_twice_is_asked_again() -> None:
    tries: Counter[int] = Counter()

    async def ask(number: int) -> Answer:
        tries[number] += 1
        if number == 2 and tries[number] < 3:
            raise ServerUnreachableError("Refused.\nCheck.", passing=True)
        return await answer(number)

    run = Run(5, ask)
    await run.asking.run(2)
    assert run.asking.errors == {} and tries[2] == 3


@pytest.mark.parametrize("kind", [NoBalanceError, BudgetError])
async def test_an_error_that_every_row_would_have_ends_the_whole(kind: type[BerlinError]) -> None:
    async def ask(number: int) -> Answer:
        if number >= 10:
            raise kind("Nothing is left.\nTop it up.")
        return await answer(number)

    run = Run(100, ask)
    await run.asking.run(4)
    assert isinstance(run.asking.stopped, kind)
    assert [value is not None for value in run.asking.values[:10]] == [True] * 10
    assert sorted(run.asking.errors) == list(range(10, 100))
    assert max(run.asked) < 14


async def test_what_a_running_request_has_reserved_is_waited_for() -> None:
    free = asyncio.Semaphore(1)  # the budget has room for one at a time

    async def ask(number: int) -> Answer:
        if free.locked():
            raise BudgetError("The budget is reserved.\nWait.")
        async with free:
            for _ in range(10):
                await asyncio.sleep(0)
            return await answer(number)

    run = Run(12, ask)
    await run.asking.run(4)
    assert run.asking.errors == {} and run.asking.stopped is None


async def test_cancelling_leaves_what_has_arrived() -> None:
    async def ask(number: int) -> Answer:
        if number >= 5:
            await asyncio.Event().wait()
        return await answer(number)

    run = Run(20, ask)
    task = asyncio.create_task(run.asking.run(3))
    while run.progress.done < 5:  # noqa: ASYNC110 - the condition is the progress
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [value is not None for value in run.asking.values] == [True] * 5 + [False] * 15


def test_the_time_left_counts_what_was_asked_alone() -> None:
    progress = Progress(100)
    assert progress.seconds_left(5.0) is None
    for _ in range(50):
        progress.count(Answer("stored", stored=True))
    assert progress.seconds_left(5.0) is None
    for _ in range(10):
        progress.count(Answer("asked", tokens=2))
    assert progress.seconds_left(5.0) == 20.0
    assert progress.tokens == 20
