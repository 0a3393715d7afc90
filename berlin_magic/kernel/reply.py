"""The task that shows a turn while it is answered, from the question to the finished output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from berlin_magic.concurrency import (
    Interrupted,
    cancel_and_wait,
    cancel_on_interrupt,
    in_thread,
)
from berlin_magic.conversations.turns import Turn
from berlin_magic.display.cell_output import CellOutput
from berlin_magic.display.view import State, Status, View
from berlin_magic.errors import BerlinError, clean
from berlin_magic.kernel.reply_images import image_outputs
from berlin_magic.messages import Event, Notice, Reasoning, Started, Text, TextWasReasoning

__all__ = ["ReplyResult", "ReplyTask", "short"]

T = TypeVar("T")

_FRAME = 0.05  # seconds between two checks for new text; each also lets an interrupt through
_SHOWN = 0.15  # seconds: a live view draws every 0.12 s at most
_IDLE_FRAMES = 5  # frames without new text after which the seconds in the status line are drawn again
_LONG = 2000  # characters; rendering more than this would block the user's loop


@dataclass(frozen=True, slots=True)
class ReplyResult:
    """How a reply ended.

    Attributes
    ----------
    turn : Turn
        The question and its reply.
    error : BaseException or None
        The error; None if the reply is complete, or was ended by the Stop button.
    """

    turn: Turn
    error: BaseException | None = None

    def check(self) -> None:
        """Raise the error, if there is one; for the cell's own code, never inside of a task."""
        if self.error is not None:
            raise self.error


class ReplyTask:
    """Shows one turn in one view while it is answered: `begin`, then `read`, then `finish`.

    Parameters
    ----------
    turn : Turn
        The question and its reply, which another task updates.
    notes : list of str
        Remarks for the status line.

    Attributes
    ----------
    where : str
        The address that was asked, for messages; empty until it is known, and for a stored reply.
    slip : str
        What was sent, in a few lines, for the finished output.
    """

    def __init__(self, turn: Turn, notes: Iterable[str] = ()) -> None:
        self.turn = turn
        self._notes = list(notes)
        self._view: View  # from `begin` on
        self._images: CellOutput | None = None
        self.where = ""
        self.slip = ""
        self._task: asyncio.Task[Any] | None = None
        self._started = 0.0
        self._stopped = False
        self._interrupted = False
        self._background = False
        self._error: BaseException | None = None
        self._notice = ""
        self._thinking_since: float | None = None
        self._thought_until = 0.0

    def begin(self, view: View, images: CellOutput | None = None) -> None:
        """Open `view` in the output of the cell that is running now; call it in that cell.

        The images of the reply are shown in `images` at its end; without it, not at all.
        """
        self._images = images
        self._started = asyncio.get_running_loop().time()
        self._view = view
        view.begin(self._status("waiting"))

    def stop(self) -> None:
        """End the reply and keep what has arrived; call it on the cell's loop, as the Stop button does."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    @property
    def is_stopped(self) -> bool:
        """Whether the user has ended it, with the Stop button or an interrupt."""
        return self._stopped or self._interrupted

    async def read(self, events: AsyncGenerator[Event, None], *, background: bool = False) -> None:
        """Read `events` to their end and draw them; an error is kept for `finish`.

        The request runs in an inner task, so that Stop ends it and not the cell; an interrupt, which cancels the
        cell's coroutine, ends both. Either way the connection is closed before this returns. In the background an
        interrupt, which is meant for the cell that runs then, does nothing.
        """
        self._background = background
        with self._cancelled_on_interrupt():
            task = await self._run(self._take_all(events))
            if self.turn.length > _LONG:
                await self._prepare_finish()
        self._error = _error_of(task)
        if self.turn.finish == "running":  # stopped before the first step of `events`, which ends a turn otherwise
            self.turn.finish = "stopped"

    async def work(self, work: Coroutine[Any, Any, T], note: str) -> T | None:
        """Return what `work` returns while the reply stays in view; None if Stop or an interrupt has ended it."""

        async def after_it_is_shown() -> T:
            await asyncio.sleep(_SHOWN)
            self._view.draw(self._status("streaming"))
            return await work

        self._notes.append(note)
        with self._cancelled_on_interrupt():
            task = await self._run(after_it_is_shown())
        work.close()  # if it was ended before it began
        self._notes.remove(note)
        return task.result() if task.done() and not task.cancelled() else None

    async def _run(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task and draw the view until it has ended; Stop or an interrupt cancels it."""
        task = self._task = asyncio.get_running_loop().create_task(work)
        if self._stopped:
            task.cancel()
        try:
            await self._draw_while(task)
        except asyncio.CancelledError:
            self._interrupted = True
            await cancel_and_wait(task)
        return task

    async def _prepare_finish(self) -> None:
        """Render a long reply in a thread; an interrupt meanwhile leaves it unformatted."""
        try:
            turn = self.turn
            with_html = bool(turn.reasoning or turn.values or turn.left_out)  # the last two bring a slip
            await in_thread(lambda: self._view.prepare_finish(with_html=with_html))
        except asyncio.CancelledError:
            self._interrupted = True
            self._view.abandon()

    async def finish(self, metadata: Mapping[str, object]) -> ReplyResult:
        """Show the finished output, with `metadata` under ``berlin``; return how the reply ended. Raises nothing."""
        state = self._final_state()
        if self._background and self._error is not None:
            self._notes.append(clean(str(self._error), 500))  # its cell has ended, and can't raise it
        self._view.finish(self._status(state), metadata)
        if self._images is not None:
            for image in image_outputs(self.turn.images):
                self._images.show(image)
        if not self._background:
            with self._cancelled_on_interrupt():
                try:
                    await self._view.wait_for_front_end()
                except asyncio.CancelledError:
                    self._interrupted = True
        error = self._error
        if self._interrupted:
            error = Interrupted(_INTERRUPTED if self.turn.reply else _INTERRUPTED_EMPTY)
        kept = ""
        if self.turn.reply:
            kept = (
                f"The {self.turn.length:,} characters that had arrived are kept: `%berlin continue` goes on from them."
            )
        return ReplyResult(self.turn, short(error, kept))

    def note(self, text: str) -> None:
        """Add a remark to the status line."""
        self._notes.append(text)

    def show_instead(self, markdown: str) -> None:
        """Let the finished output show this in place of the reply's text; call it between `read` and `finish`."""
        if markdown != self.turn.reply:
            self._view.show_instead(markdown)

    def take(self, event: Event) -> None:
        """Pass an event to the view or the status line; the turn has it already."""
        match event:
            case Text():
                self._view.feed(event.text)
            case TextWasReasoning():
                self._view.restart()
                self._thinking_since = self._started if self._thinking_since is None else self._thinking_since
                self._thought_until = asyncio.get_running_loop().time()
            case Notice():
                self._notice = event.text
            case Started():
                self.where = event.where
                if event.embedded:
                    self._notes.append(_EMBEDDED_NOTE)
                if event.caution:
                    self._notes.append(event.caution)
            case Reasoning():
                now = asyncio.get_running_loop().time()
                self._thinking_since = now if self._thinking_since is None else self._thinking_since
                self._thought_until = now
                self._notice = ""

    def _cancelled_on_interrupt(self) -> AbstractContextManager[None]:
        cell = asyncio.current_task()
        assert cell is not None  # noqa: S101 - every coroutine that a loop runs has a task
        return nullcontext() if self._background else cancel_on_interrupt(cell)

    async def _take_all(self, events: AsyncGenerator[Event, None]) -> None:
        first = True
        async with aclosing(events):
            async for event in events:
                self.take(event)
                if first and isinstance(event, Text):
                    self._view.draw(self._status("streaming"))
                    first = False

    async def _draw_while(self, task: asyncio.Task[Any]) -> None:
        drawn, idle = -1, 0
        while not task.done():
            await asyncio.wait({task}, timeout=_FRAME)
            length = self.turn.length
            idle += 1
            if not task.done() and (length != drawn or idle >= _IDLE_FRAMES):
                self._view.draw(self._status("streaming" if length else "waiting"))
                drawn, idle = length, 0

    def _final_state(self) -> State:
        if self.turn.finish == "complete":
            return "complete"
        if self._interrupted:
            return "interrupted"
        if self.turn.finish == "stopped" and self._error is None:
            return "stopped"
        return "cut" if self.turn.reply or self.turn.images else "failed"

    def _status(self, state: State) -> Status:
        elapsed = asyncio.get_running_loop().time() - self._started
        turn, notes = self.turn, tuple(self._all_notes(state))
        status = Status(state, turn.model, turn.provider, elapsed, turn.length, notes)
        if state in {"waiting", "streaming"}:
            return status
        return replace(status, remark=_remark(turn), reasoning=turn.reasoning, slip=self.slip)

    def _all_notes(self, state: State) -> Iterator[str]:
        turn = self.turn
        if state == "waiting" and self._notice:
            yield self._notice
        if self._thinking_since is not None:
            seconds, count = self._thought_until - self._thinking_since, len(turn.reasoning)
            state_text = "thinking" if state == "waiting" else f"thought for {seconds:.0f} s"
            yield f"{state_text} · {count:,} characters of reasoning"
        if turn.completion_tokens is not None:
            yield f"{turn.completion_tokens:,} tokens"
        if turn.cost:
            yield turn.cost
        if turn.reason not in _KNOWN_REASONS:
            yield f"ended with “{turn.reason}”"
        yield from self._notes
        if turn.replayed:
            yield f"replay from {clean(turn.replayed_from, 80)}" if turn.replayed_from else "replay"


_EMBEDDED_NOTE = "answered by the embedded server"

_REASONS = {
    "length": "ended at the length limit: --max-tokens raises it, `%berlin continue` goes on",
    "content_filter": "the server's content filter left out a part",
    "tool_calls": "the model asked for a tool, and has none here",
}
"""Remarks about an engine's reason to end a reply; the usual one, ``stop``, has no remark."""

_KNOWN_REASONS = {"", "stop", *_REASONS}


def _remark(turn: Turn) -> str:
    """Return a remark about what the reply lacks; empty if it is complete."""
    if turn.finish != "complete" or turn.reply or turn.images or turn.reason in {"content_filter", "tool_calls"}:
        return _REASONS.get(turn.reason, "")
    if turn.reason == "length":
        return "the length limit was used up before the first word: --max-tokens raises it"
    return "the model thought, and then gave no reply" if turn.reasoning else "the reply is empty"


_INTERRUPTED = "Interrupted; what had arrived is kept, in the conversation too."
_INTERRUPTED_EMPTY = "Interrupted before the first word."


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()


def short(error: BaseException | None, kept: str = "") -> BaseException | None:
    """Let IPython show a `BerlinError` as a few lines in place of a traceback, and return the error.

    Parameters
    ----------
    error : BaseException or None
        The error.
    kept : str
        A sentence about what was kept of the reply, for the line after the first one; empty if nothing was kept.
    """
    if isinstance(error, BerlinError):
        first, *advice = f"{type(error).__name__}: {error}".splitlines()
        lines = [first, *filter(None, [kept]), *advice]
        error._render_traceback_ = lambda: ["\n".join(lines)]  # type: ignore[attr-defined]
    return error
