"""The progress of a run over rows, as text for its status line or its finished output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from berlin_magic.errors import clean
from berlin_magic.kernel.command_output import quantity
from berlin_magic.results.asking import Asking, Progress
from berlin_magic.results.budget import money

__all__ = ["counts", "status_notes", "summary"]

_BAR = 16  # characters
_REPLIES_SHOWN = 5
_ERRORS_SHOWN = 3


def status_notes(progress: Progress, elapsed: float, pause: float) -> Iterator[str]:
    """Yield the remarks of the status line while rows are asked.

    Parameters
    ----------
    progress : Progress
        How many rows are done.
    elapsed : float
        Seconds since the run began.
    pause : float
        Seconds until the server may be asked again; 0 or less if it may be asked now.
    """
    count = progress.done + progress.failed
    if progress.total:
        full = _BAR * count // progress.total
        yield f"{'█' * full}{'░' * (_BAR - full)} {100 * count // progress.total} %"
    yield from counts(progress)
    if pause > 0:
        yield f"the server is busy: going on in {pause:.0f} s"
    elif (left := progress.seconds_left(elapsed)) is not None:
        minutes, seconds = divmod(round(left), 60)
        yield f"{minutes} min {seconds} s left" if minutes else f"{seconds} s left"


def counts(progress: Progress) -> Iterator[str]:
    """Yield how many rows have a reply, how many have none, and what the replies have cost."""
    yield f"{progress.done:,} of {quantity(progress.total, 'row')}"
    if progress.stored:
        yield f"{progress.stored:,} from the store"
    if progress.failed:
        yield f"{progress.failed:,} without a reply"
    if progress.tokens:
        yield f"{progress.tokens:,} tokens"
    for currency, billionths in progress.billionths.items():
        yield money(billionths, currency)


def summary(asking: Asking, progress: Progress, *, in_a_cell: bool) -> str:
    """Return the text of the finished output, as Markdown: the counts, some replies, and the most frequent errors.

    Parameters
    ----------
    asking : Asking
        The replies and errors. The error that has stopped it is left out: it is shown as the error of the cell.
    progress : Progress
        How many rows are done.
    in_a_cell : bool
        Whether the rows were asked by a ``%%berlin --each`` cell, which shows the first replies.
    """
    blocks = [" · ".join(counts(progress))]
    replies = [(number, value) for number, value in enumerate(asking.values) if value is not None]
    if in_a_cell and replies:
        shown = replies[:_REPLIES_SHOWN]
        lines = ["| row | reply |", "|--:|---|", *(f"| {number} | {_table_cell(value)} |" for number, value in shown)]
        if (rest := progress.done - len(shown)) > 0:
            lines.append(f"| … | {rest:,} more |")
        blocks.append("\n".join(lines))
    texts = {
        number: f"{type(error).__name__}: {error}"
        for number, error in asking.errors.items()
        if error is not asking.stopped
    }
    different = Counter(texts.values())
    for text, count in different.most_common(_ERRORS_SHOWN):
        first = next(number for number in texts if texts[number] == text)
        more = f" and {quantity(count - 1, 'further row')}" if count > 1 else ""
        blocks.append(f"Row {first}{more}: {clean(text, 300)}")
    if len(different) > _ERRORS_SHOWN:
        blocks.append("`.errors` has the other errors, by row.")
    return "\n\n".join(blocks)


def _table_cell(value: object) -> str:
    """Return a reply as one cell of a Markdown table."""
    return clean(str(value), 120).replace("|", "\\|")
