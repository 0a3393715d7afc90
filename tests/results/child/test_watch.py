"""The processes that a check has started: none is missed, whenever it is started."""

from __future__ import annotations

from typing import Any

import psutil

from berlin_magic.results.child.watch import Descendants


class FakeProcess:
    """A process with a status for each time that it is asked for, and children for each listing."""

    def __init__(self, *statuses: str, children: tuple[list[Any], ...] = ()) -> None:
        self._statuses = list(statuses)
        self._children = list(children)

    def is_running(self) -> bool:
        return True

    def status(self) -> str:
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def children(self, *, recursive: bool) -> list[Any]:
        assert recursive
        return self._children.pop(0) if len(self._children) > 1 else self._children[0]


ENDED, RUNS = psutil.STATUS_ZOMBIE, psutil.STATUS_SLEEPING


def test_a_process_that_ends_after_it_has_started_another_hides_nothing() -> None:
    first, second = FakeProcess(ENDED), FakeProcess(RUNS)
    own = FakeProcess(RUNS, children=([first], [first, second]))
    assert Descendants(own, psutil).alive() == [second]


def test_a_known_process_that_ends_during_a_listing_hides_nothing() -> None:
    first, second = FakeProcess(RUNS, RUNS, ENDED), FakeProcess(RUNS)
    descendants = Descendants(FakeProcess(RUNS, children=([first], [first], [first, second])), psutil)
    assert descendants.alive() == [first]
    assert descendants.alive() == [second]


def test_nothing_is_left_once_all_have_ended() -> None:
    first = FakeProcess(ENDED)
    assert Descendants(FakeProcess(RUNS, children=([first],)), psutil).alive() == []
