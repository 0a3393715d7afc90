"""The live view: the reply grows in a widget and ends as one plain output.

It opens as a plain display. A widget is made along with it, out of sight, and takes the display's place as soon as the
front end says that it is there: so nothing is lost where widgets are unknown, or where the kernel cannot hear the
front end while the cell runs (ipykernel 6, nested loops).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from berlin_magic.display.cell_output import Outlet
from berlin_magic.display.fallback import PlainDisplay
from berlin_magic.display.markdown import Document, Patch
from berlin_magic.display.static import Rendered, final_output
from berlin_magic.display.view import Status, View
from berlin_magic.errors import clean

if TYPE_CHECKING:
    from berlin_magic.display.widget import LiveWidget

__all__ = ["LiveView"]

_MOST_UNPAINTED = 8  # messages that the front end may be behind before draws are skipped
_PATIENCE = 5.0  # seconds without an answer after which the front end is asked where it is
_TIME_TO_ANSWER = 2.0  # seconds in which most front ends have answered
_GRACE = 2.0  # seconds that a closing widget waits for the front end's last word
_FAREWELL = 0.5  # seconds of them that the cell waits
_LOOK = 0.005  # seconds between two looks whether it has come


class LiveView(View):
    """Shows a reply in a notebook while it arrives.

    Parameters
    ----------
    shell : InteractiveShell
        The kernel's shell.
    stop : callable, optional
        Called, on the cell's loop, when the user clicks Stop; without it there is no button.
    hears : bool
        Whether messages of the front end reach the kernel while the reply arrives. If not, no widget is made.
    owns_cell : bool
        Whether the cell shows nothing but this reply.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        shell: Any,
        *,
        stop: Callable[[], None] | None = None,
        hears: bool = True,
        owns_cell: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._stop = stop
        self._hears = hears
        self._pieces: list[str] = []
        self._rendered: Rendered | None = None
        self._document = Document()
        self._plain = PlainDisplay(
            Outlet(shell),
            self._document,
            hint="" if hears else "■ stops it",
            owns_cell=owns_cell,
            single_for=_TIME_TO_ANSWER if hears else 0.0,
            clock=clock,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._widget: LiveWidget | None = None
        self._is_live = False
        # Written by the front end's messages, which may come in another thread: only plain assignments.
        self._answered = False
        self._callers: set[Any] = set()
        self._gone = False
        self._painted = 0
        self._wants_all = False
        self._sent = 0
        self._asked = 0.0
        self._said: tuple[object, ...] = ()

    def begin(self, status: Status) -> None:
        """Open the display, and call for the widget."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._plain.begin(status)
        if self._hears:
            from berlin_magic.display.widget import LiveWidget  # noqa: PLC0415  # slow: see its module

            self._widget = LiveWidget()
            self._widget.on_msg(self._take_message)

    def feed(self, piece: str) -> None:
        """Take the next piece of the reply."""
        self._pieces.append(piece)
        self._document.feed(piece)

    def draw(self, status: Status) -> None:
        """Show what is new, in the widget or in its stead."""
        if self._widget is not None and self._answered and not self._is_live:
            self._go_live(self._widget)
        if self._is_live and self._widget is not None:
            self._draw_live(self._widget, status)
        else:
            self._plain.draw(status)

    def settle(self) -> None:
        """Render the whole reply."""
        self._rendered = Rendered.of("".join(self._pieces))

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Leave one static output, and no widget."""
        if self._rendered is None:
            self.settle()
        assert self._rendered is not None  # noqa: S101 - it is what settling leaves
        widget = self._widget
        if widget is not None and self._is_live:
            widget.send({"end": True})
        self._plain.replace(*final_output(self._rendered, status, metadata))
        if widget is None:
            return
        if self._answered and self._loop is not None and not self._loop.is_closed():
            # A message of the front end that is on its way would meet a closed comm, which the kernel logs as an error.
            self._loop.call_later(_GRACE, self._close)
        else:
            self._close()

    async def farewell(self) -> None:
        """Wait for the front end's last word, where words of it have come during the cell.

        A word that comes just when an awaited cell ends and another begins has ipykernel (7.4.0) tell the second's end
        as the first's: the front end waits for the second for ever, and Run All never ends.
        """
        if not (self._is_live and self._answered) or self._loop is None:
            return
        latest = self._loop.time() + _FAREWELL
        while not self._gone and self._loop.time() < latest:  # noqa: ASYNC110 - an Event is for one thread
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(_LOOK)  # ipykernel has something to put back after each of them

    def _go_live(self, widget: LiveWidget) -> None:
        model = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        self._plain.replace({"application/vnd.jupyter.widget-view+json": model, "text/plain": ""}, {})
        self._is_live = True
        self._wants_all = True

    def _draw_live(self, widget: LiveWidget, status: Status) -> None:
        said = (status.state, status.model, status.notes)
        if self._wants_all:
            self._wants_all = False
            patches = [*self._document.replay(), *self._document.patches()]
            self._send(widget, status, patches, said, from_the_start=True)
            return
        if self._sent - self._painted >= _MOST_UNPAINTED:
            if self._clock() - self._asked > _PATIENCE:
                self._asked = self._clock()
                widget.send({"where": self._sent})
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
        self._asked = self._clock()
        message: dict[str, Any] = {
            "n": self._sent,
            "t": round(status.elapsed, 1),
            "c": status.characters,
        }
        if patches:
            message["p"] = patches
        if from_the_start:
            message["all"] = True
        if from_the_start or said != self._said:
            self._said = said
            message["s"] = {
                "state": status.state,
                "model": clean(status.model, 80),
                "notes": [clean(note) for note in status.notes],
                "stop": self._stop is not None,
            }
        widget.send(message)

    def _take_message(self, _widget: object, content: Any, _buffers: object) -> None:
        # On ipykernel 7.0 to 7.3 this runs in a subshell's thread: note it, and leave the rest to the cell's thread.
        if not isinstance(content, dict):
            return
        caller = content.get("ready")
        if isinstance(caller, (int, float)) and caller not in self._callers:
            self._callers.add(caller)
            self._answered = True
            self._wants_all = True
        if isinstance(content.get("painted"), int):
            self._painted = max(self._painted, content["painted"])
        if content.get("again"):
            self._wants_all = True
        if content.get("stop") and self._stop is not None:
            self._on_loop(self._stop)
        if content.get("bye"):
            self._gone = True
            self._on_loop(self._close)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        if self._loop is None:
            callback()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def _close(self) -> None:
        widget, self._widget = self._widget, None
        if widget is not None:
            widget.close()
