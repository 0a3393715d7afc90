"""Show a growing reply in a notebook.

The view opens as a plain display, the *slot*. A widget that is never displayed fills the slot in the page as soon as
the front end answers. If no front end answers, or if the kernel can't receive its messages while the cell runs
(ipykernel 6, nested loops), plain displays show the reply. The slot itself is updated each time that the reply has
doubled: a file that is saved at any moment holds at least half of it, and the cost of all updates is linear.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from berlin_magic.display.fallback import PlainDisplay
from berlin_magic.display.markdown import Document, Patch
from berlin_magic.display.patches import ShortPatches
from berlin_magic.display.slot import Slot, unfinished
from berlin_magic.display.static import StaticView
from berlin_magic.display.view import Status
from berlin_magic.errors import clean

if TYPE_CHECKING:
    from berlin_magic.display.widget import LiveWidget

__all__ = ["LiveView"]

_INTERVAL = 0.12  # seconds between two messages: half of a small one is its envelope
_MOST_UNPAINTED = 15  # messages that the front end may be behind before draws are skipped
_ASK_AFTER = 5.0  # seconds without an answer after which the front end is asked for its position
_TIME_TO_ANSWER = 2.0  # seconds in which most front ends have answered
_GRACE = 2.0  # seconds in which messages of the front end still arrive after the end
_LAST_MESSAGE_TIMEOUT = 0.5  # seconds that the cell waits for the front end's last message
_POLL = 0.005  # seconds between two checks for it
_WORD = re.compile(r"\w\S*")  # marks of Markdown are no words
_LONG = 2000  # characters: rendering more would block the user's loop


class LiveView(StaticView):
    """Show a reply in a notebook while it arrives.

    Parameters
    ----------
    shell : InteractiveShell
        The kernel's shell.
    stop : callable, optional
        Called on the cell's loop when the user clicks Stop. If absent, there is no button.
    receives_messages : bool
        Whether the kernel receives messages of the front end while the reply arrives. If not, no widget is used.
    owns_cell : bool
        Whether this reply is the cell's only output.
    updates : bool
        Whether the front end is known to update displays. If not, nothing is displayed until the widget answers or
        the reply has ended.
    cell : str, optional
        The id of the cell, if the front end sends one.
    widget : callable, optional
        Returns the widget; `berlin_magic.display.widget.live_widget` if absent.
    clock : callable
        Monotonic time in seconds.
    """

    def __init__(
        self,
        shell: Any,
        *,
        stop: Callable[[], None] | None = None,
        receives_messages: bool = True,
        owns_cell: bool = True,
        updates: bool = True,
        cell: str | None = None,
        widget: Callable[[], LiveWidget] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(shell)
        self._clock = clock
        self._stop = stop
        self._receives_messages = receives_messages
        self._updates = updates
        self._cell = cell
        self._find_widget = widget
        self._length = 0
        self._finished: tuple[dict[str, str], dict[str, Any]] | None = None
        self._document = Document()
        self._short = ShortPatches()
        self._slot = Slot(self._output)
        self._owns_cell = owns_cell
        self._plain: PlainDisplay | None = None
        self._began = 0.0
        self._plain_after = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._widget: LiveWidget | None = None
        self._is_live = False
        self._drawn = 0  # characters that had arrived at the last draw
        self._saved = 0  # characters that the slot holds
        self._saving: asyncio.Future[dict[str, str]] | None = None
        # Written by the front end's messages, which may come in another thread: only plain assignments.
        self._answered = False
        self._needs_html = False
        self._callers: set[Any] = set()
        self._gone = False
        self._painted = 0
        self._wants_all = False
        self._wants_slot = False
        self._sent = 0
        self._due = 0.0
        self._asked = 0.0
        self._said: tuple[object, ...] = ()

    def begin(self, status: Status) -> None:
        """Open the display, and announce the reply to the front end."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._began = self._clock()
        if self._updates:
            self._slot.show(status)
        if self._receives_messages:
            if self._find_widget is None:
                from berlin_magic.display.widget import live_widget  # noqa: PLC0415  # slow: see its module

                self._find_widget = live_widget
            self._widget = self._find_widget()
            self._widget.join(self._slot.name, self._take_message, self._cell)
            self._widget.post(self._slot.name, {"hello": True})
            self._plain_after = 0.0 if self._widget.has_front_end is False else _TIME_TO_ANSWER

    def feed(self, piece: str) -> None:
        """Take the next piece of the reply."""
        super().feed(piece)
        self._length += len(piece)
        self._document.feed(piece)

    def restart(self) -> None:
        """Forget the text so far, and clear the page."""
        super().restart()
        self._document = Document()
        self._length = self._drawn = self._saved = 0
        self._wants_all = self._is_live
        if self._plain is not None:
            self._plain.remove()
            self._plain = None

    def draw(self, status: Status) -> None:
        """Show the new text, in the widget or in plain displays."""
        widget = self._widget
        if widget is not None and self._answered and not self._is_live:
            self._go_live(status)
        unfinished = self._render_unfinished() if self._slot.is_shown else None
        if unfinished is not None:
            self._slot.hold(unfinished)
        if widget is not None and self._is_live:
            self._draw_live(widget, status)
        elif self._slot.is_shown and self._clock() - self._began >= self._plain_after:
            self._draw_plain(status)

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Replace the view by one static output."""
        widget = self._widget
        self._finished = self.final(status, metadata)
        if widget is not None:
            words = len(_WORD.findall(self._finished[0]["text/plain"]))
            widget.post(self._slot.name, {"end": status.state, "words": words})
        if self._plain is not None:
            self._plain.remove()
        self._slot.finish(*self._finished)
        if widget is None:
            return
        if self._loop is None or self._loop.is_closed():
            self._leave()
        else:
            self._loop.call_later(_GRACE, self._leave)

    async def wait_for_front_end(self) -> None:
        """Wait for the front end's last message, if any have come during the cell.

        If a message comes just when an awaited cell ends and another begins, ipykernel (7.4.0) reports the end of the
        second as that of the first: the front end waits for the second for ever, and Run All never ends.
        """
        widget = self._widget
        if widget is None or self._loop is None or not (self._answered or widget.has_front_end):
            return
        latest = self._loop.time() + _LAST_MESSAGE_TIMEOUT
        while not self._gone and self._loop.time() < latest:  # noqa: ASYNC110 - an Event is for one thread
            await asyncio.sleep(_POLL)
        await asyncio.sleep(_POLL)  # ipykernel restores its state after each message

    def _leave(self) -> None:
        widget = self._widget
        assert widget is not None  # noqa: S101 - only called with a widget
        widget.leave(self._slot.name)
        widget.has_front_end = self._gone or self._answered
        if not self._gone and self._cell is not None:
            widget.keep(self._slot.name, self._cell, lambda: self._on_loop(self._show_again))

    def _show_again(self) -> None:
        """Send the finished output to a page that was opened after the reply ended."""
        if self._widget is not None and self._finished is not None:
            self._widget.post(self._slot.name, {"done": True, "cell": self._cell})
            self._slot.finish(*self._finished)

    def _render_unfinished(self) -> dict[str, str] | None:
        """Return the new content of the slot, if the reply has grown enough since the last time."""
        if self._saving is not None:
            if not self._saving.done():
                return None
            saving, self._saving = self._saving, None
            return saving.result()
        # Text goes on arriving until the next draw, and while this is rendered.
        grown, self._drawn = self._length - self._drawn, self._length
        if self._wants_slot and self._saved:
            self._wants_slot = False
        elif not self._length or self._length + 2 * grown < 2 * self._saved:
            return None
        self._saved = self._length
        render = partial(unfinished, "".join(self._pieces), with_html=self._needs_html)
        if self._length <= _LONG or self._loop is None:
            return render()
        self._saving = self._loop.run_in_executor(None, render)
        return None

    def _go_live(self, status: Status) -> None:
        self._is_live = True
        self._wants_all = True
        if self._plain is not None:
            self._plain.remove()
            self._plain = None
        if not self._needs_html:
            self._slot.drop_html()
        if not self._slot.is_shown:
            self._slot.show(status)

    def _draw_plain(self, status: Status) -> None:
        if self._plain is None:
            self._plain = PlainDisplay(
                self._output,
                self._slot,
                self._document,
                hint="" if self._receives_messages else "■ stops it",
                owns_cell=self._owns_cell,
                clock=self._clock,
            )
        self._plain.draw(status)

    def _draw_live(self, widget: LiveWidget, status: Status) -> None:
        said = (status.state, status.model, status.notes)
        if self._wants_all:
            self._wants_all = False
            patches = [*self._document.replay(), *self._document.patches()]
            self._send(widget, status, patches, said, from_the_start=True)
            return
        now = self._clock()
        if now < self._due:
            return
        if self._sent - self._painted >= _MOST_UNPAINTED:
            if now - self._asked > _ASK_AFTER:
                self._asked = now
                widget.post(self._slot.name, {"where": self._sent})
            return
        patches = self._document.patches()
        if patches or said != self._said:
            self._send(widget, status, patches, said)

    def _send(
        self,
        widget: LiveWidget,
        status: Status,
        patches: list[Patch],
        said: tuple[object, ...],
        *,
        from_the_start: bool = False,
    ) -> None:
        self._sent += 1
        self._asked = now = self._clock()
        # Draws are irregular: if one was late, the next may come earlier.
        self._due = max(self._due + _INTERVAL, now + _INTERVAL / 4)
        message: dict[str, Any] = {
            "n": self._sent,
            "t": round(status.elapsed, 1),
            "c": status.characters,
        }
        if from_the_start:
            self._short = ShortPatches()
        if patches:
            message["p"] = self._short.of(patches)
        if from_the_start:
            message["all"] = True
            if len(self._callers) > 1:
                message["cell"] = self._cell
        if from_the_start or said != self._said:
            self._said = said
            message["s"] = {
                "state": status.state,
                "model": clean(status.model, 80),
                "notes": [clean(note) for note in status.notes],
                "stop": self._stop is not None,
            }
        widget.post(self._slot.name, message)

    def _take_message(self, content: Mapping[str, Any]) -> None:
        # On ipykernel 7.0 to 7.3 this runs in a subshell's thread: it only sets flags; the cell's thread does the rest.
        caller = content.get("ready")
        if isinstance(caller, (int, float)) and caller not in self._callers:
            # A page that is opened later may show a document without our slot, or with an old one.
            self._wants_slot = bool(self._callers)
            self._callers.add(caller)
            self._needs_html = self._needs_html or not content.get("document")
            self._answered = True
            self._wants_all = True
            # A page that becomes ready only after a quick reply has ended has shown its finished output.
            self._gone = self._finished is not None
        if isinstance(content.get("painted"), int):
            self._painted = max(self._painted, content["painted"])
        if content.get("again"):
            self._wants_all = True
        if content.get("stop") and self._stop is not None:
            self._on_loop(self._stop)
        if content.get("bye"):
            self._gone = True

    def _on_loop(self, callback: Callable[[], None]) -> None:
        if self._loop is None:
            callback()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)
