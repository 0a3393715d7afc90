"""The progress of a run over rows, without a server."""

from __future__ import annotations

import pytest

from berlin_magic.errors import BudgetError, ServerError
from berlin_magic.kernel.rows_progress import counts, status_notes, summary
from berlin_magic.results.asking import Answer, Asking, Pauses, Progress


@pytest.fixture
def progress() -> Progress:
    return Progress(10)


def asking(progress: Progress) -> Asking:
    async def ask(_number: int) -> Answer:
        raise AssertionError

    return Asking(ask, Pauses(lambda: 0.0, lambda: 0.0), progress)


def test_the_counts_leave_out_what_is_zero(progress: Progress) -> None:
    assert list(counts(progress)) == ["0 of 10 rows"]
    progress.count(Answer("a", stored=True))
    progress.count(Answer("b", tokens=1200, billionths=2_000_000_000, currency="EUR"))
    progress.failed = 1
    assert list(counts(progress)) == [
        "2 of 10 rows",
        "1 from the store",
        "1 without a reply",
        "1,200 tokens",
        "2.00 EUR",
    ]


def test_the_status_line_shows_a_bar_and_the_time_that_is_left(progress: Progress) -> None:
    progress.done = 5
    bar, *_, left = status_notes(progress, elapsed=100.0, pause=0.0)
    assert bar == "████████░░░░░░░░ 50 %" and left == "1 min 40 s left"
    assert list(status_notes(progress, elapsed=10.0, pause=0.0))[-1] == "10 s left"


def test_while_the_server_is_busy_the_status_line_says_how_long_the_pause_is(progress: Progress) -> None:
    assert list(status_notes(progress, elapsed=1.0, pause=30.0))[-1] == "the server is busy: going on in 30 s"


async def test_the_summary_of_a_cell_shows_the_first_replies_as_one_table(progress: Progress) -> None:
    rows = asking(progress)
    rows.values[:7] = [None, "a|b", *"cdefg"]
    progress.done = 6
    lines = summary(rows, progress, in_a_cell=True).splitlines()
    assert lines[0] == "6 of 10 rows" and lines[4] == r"| 1 | a\|b |" and lines[-1] == "| … | 1 more |"
    assert summary(rows, progress, in_a_cell=False) == "6 of 10 rows"


async def test_equal_errors_are_one_line_and_the_one_that_ended_the_run_is_left_out(progress: Progress) -> None:
    rows = asking(progress)
    rows.stopped = BudgetError("It is spent.")
    rows.errors = {1: ServerError("no"), 2: ServerError("other"), 3: ServerError("no"), 4: rows.stopped}
    progress.failed = 4
    assert summary(rows, progress, in_a_cell=True).split("\n\n")[1:] == [
        "Row 1 and 1 further row: ServerError: no",
        "Row 2: ServerError: other",
    ]
