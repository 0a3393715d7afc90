"""The task that shows a turn while it is answered, from the question to the finished output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field

from berlin_magic.concurrency import (
    Interrupted,
    cancel_and_wait,
    cancel_on_interrupt,
    in_thread,
    wait_through_interrupts,
)
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.turns import Turn
from berlin_magic.display.view import State, Status, View
from berlin_magic.errors import BerlinError, clean
from berlin_magic.messages import Event, Notice, Reasoning, Started, Text

__all__ = ["Outcome", "Showing"]

_FRAME = 0.05  # seconds between two looks at what has arrived; it also lets an interrupt through (platform page)
_IDLE_FRAMES = 5  # so many looks without news until the status line's clock is drawn again
_LONG = 2000  # characters whose rendering would hold up the user's loop


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the showing of a turn ended: `error` is None where it went well or was stopped by the Stop button."""

    turn: Turn
    error: BaseException | None = None

    def check(self) -> None:
        """Raise the error, if there is one; for the cell's own code, never inside of a task."""
        if self.error is not None:
            raise self.error


@dataclass(eq=False)
class Showing:
    """One turn on its way into one view.

    Attributes
    ----------
    turn : Turn
        What is asked; its `finish` and `reply` tell how far it is.
    provider : str
        For the status line.
    notes : list of str
        For the status line; may grow while it runs.
    describe : callable, optional
        Gives what goes into the output's metadata, once the turn has ended.
    ended : callable, optional
        Is called once the turn has ended, before the finished output is shown.
    """

    turn: Turn
    provider: str
    notes: list[str] = field(default_factory=list)
    describe: Callable[[], Mapping[str, object]] | None = None
    ended: Callable[[], None] | None = None
    _task: asyncio.Task[None] | None = None
    _view: View | None = None
    _started: float = 0.0
    _stopped: bool = False
    _notice: str = ""
    _thinking_since: float | None = None
    _thought_until: float = 0.0

    def take(self, event: Event) -> None:
        """Take note of an event for the view or the status line; the turn has taken it already."""
        match event:
            case Text():
                if self._view is not None:
                    self._view.feed(event.text)
            case Notice():
                self._notice = event.text
            case Started():
                if event.embedded:
                    self.notes.append(_EMBEDDED_NOTE)
            case Reasoning():
                now = asyncio.get_running_loop().time()
                self._thinking_since = now if self._thinking_since is None else self._thinking_since
                self._thought_until = now
                self._notice = ""

    def stop(self) -> None:
        """End the reply and keep what has arrived; to be called on the cell's loop (the Stop button's way)."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def begin(self, view: View) -> None:
        """Open `view` in the output of the cell that is running now; to be called before `run`, in that cell."""
        self._started = asyncio.get_running_loop().time()
        self._view = view
        view.begin(self._status("waiting"))

    async def run(self, events: AsyncGenerator[Event, None], *, background: bool = False) -> Outcome:
        """Read `events` to their end and show them; return how it went. It raises nothing of its own.

        The request runs in an inner task, so that Stop ends it and not the cell; an interrupt, which cancels the
        cell's coroutine, ends both. Either way the connection is closed before this returns. In the background an
        interrupt, which is meant for the cell that runs then, does nothing.
        """
        view = self._view
        assert view is not None  # noqa: S101 - `begin` comes first
        outer = asyncio.current_task()
        assert outer is not None  # noqa: S101 - there is one in every coroutine that a loop runs
        interrupted = False
        task = self._task = asyncio.get_running_loop().create_task(self._read(events, view))
        if self._stopped:
            task.cancel()
        with nullcontext() if background else cancel_on_interrupt(outer):
            try:
                await self._draw_while(task, view)
            except asyncio.CancelledError:
                interrupted = True
                await cancel_and_wait(task)
            if self.turn.length > _LONG:
                settling = asyncio.ensure_future(in_thread(view.settle))
                interrupted |= await wait_through_interrupts(settling)
                settling.result()
        error = _error_of(task)
        if self.turn.finish == "running":  # stopped before the first step of `events`, which ends a turn otherwise
            self.turn.finish = "stopped"
        state = self._final_state(error, interrupted=interrupted)
        if background and error is not None:
            self.notes.append(clean(str(error), 500))  # nobody will raise it in its cell
        if self.ended is not None:
            self.ended()
        view.finish(self._status(state), self._metadata())
        if not background:
            with cancel_on_interrupt(outer):
                try:
                    await view.farewell()
                except asyncio.CancelledError:
                    interrupted = True
        if interrupted:
            error = Interrupted(_INTERRUPTED if self.turn.reply else _INTERRUPTED_EMPTY)
        return Outcome(self.turn, _short(error, self.turn))

    async def _read(self, events: AsyncGenerator[Event, None], view: View) -> None:
        first = True
        async with aclosing(events):
            async for event in events:
                self.take(event)
                if first and isinstance(event, Text):
                    view.draw(self._status("streaming"))
                    first = False

    async def _draw_while(self, task: asyncio.Task[None], view: View) -> None:
        drawn, idle = -1, 0
        while not task.done():
            await asyncio.wait({task}, timeout=_FRAME)
            length = self.turn.length
            idle += 1
            if not task.done() and (length != drawn or idle >= _IDLE_FRAMES):
                view.draw(self._status("streaming" if length else "waiting"))
                drawn, idle = length, 0

    def _final_state(self, error: BaseException | None, *, interrupted: bool) -> State:
        if self.turn.finish == "complete":
            return "complete"
        if interrupted:
            return "interrupted"
        if self.turn.finish == "stopped" and error is None:
            return "stopped"
        return "cut" if self.turn.reply else "failed"

    def _status(self, state: State) -> Status:
        elapsed = asyncio.get_running_loop().time() - self._started
        provider = self.turn.provider or self.provider
        thoughts = "" if state in {"waiting", "streaming"} else self.turn.reasoning
        notes = tuple(self._all_notes(state))
        remark = "" if state in {"waiting", "streaming"} else _remark(self.turn)
        return Status(state, self.turn.model, provider, elapsed, self.turn.length, notes, remark, thoughts)

    def _all_notes(self, state: State) -> Iterator[str]:
        turn = self.turn
        if state == "waiting" and self._notice:
            yield self._notice
        if self._thinking_since is not None:
            seconds, count = self._thought_until - self._thinking_since, len(turn.reasoning)
            said = "thinking" if state == "waiting" else f"thought for {seconds:.0f} s"
            yield f"{said} · {count:,} characters of reasoning"
        if turn.completion_tokens is not None:
            yield f"{turn.completion_tokens:,} tokens"
        if turn.reason not in _KNOWN_REASONS:
            yield f"ended with “{turn.reason}”"
        yield from self.notes
        if turn.replayed:
            yield "replay"

    def _metadata(self) -> Mapping[str, object]:
        if self.describe is not None:
            return self.describe()
        turn = self.turn
        return {
            "format": notebook_file.FORMAT,
            "turn": turn.id,
            "model": turn.model,
            "provider": self.provider,
            "finish": turn.finish,
        }


_EMBEDDED_NOTE = "answered by the embedded server"  # whose answers say themselves what it is

_REASONS = {
    "length": "ended at the length limit: --max-tokens raises it, `%berlin continue` goes on",
    "content_filter": "the server's content filter left out a part",
    "tool_calls": "the model asked for a tool, and has none here",
}
"""What is said of an engine's reason to end a reply; the usual one, ``stop``, is not worth a word."""

_KNOWN_REASONS = {"", "stop", *_REASONS}


def _remark(turn: Turn) -> str:
    """Return what the reply may lack; nothing where it is as it should be."""
    if turn.finish != "complete" or turn.reply or turn.reason in {"content_filter", "tool_calls"}:
        return _REASONS.get(turn.reason, "")
    if turn.reason == "length":
        return "the length limit was used up before the first word: --max-tokens raises it"
    return "the model thought, and then gave no reply" if turn.reasoning else "the reply is empty"


_INTERRUPTED = "Interrupted; what had arrived is kept, in the conversation too."
_INTERRUPTED_EMPTY = "Interrupted before the first word."


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()


def _short(error: BaseException | None, turn: Turn) -> BaseException | None:
    """Give an error of ours its few lines in place of a traceback: they say all that a user can act on."""
    if isinstance(error, BerlinError):
        first, *advice = f"{type(error).__name__}: {error}".splitlines()
        if turn.reply:
            kept = f"The {turn.length:,} characters that had arrived are kept: `%berlin continue` goes on from them."
            advice.insert(0, kept)
        lines = [first, *advice]
        error._render_traceback_ = lambda: ["\n".join(lines)]  # type: ignore[attr-defined]
    return error
