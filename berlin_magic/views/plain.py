"""Live display without a widget: plain display updates, for front ends that do not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from berlin_magic.rendering import Document, stylesheet
from berlin_magic.view import Status
from berlin_magic.views import status_line
from berlin_magic.views.outlet import Outlet
from berlin_magic.views.pages import Pages

__all__ = ["PlainDisplay"]

_ENVELOPE = 900  # bytes of a display update that are not its content: headers, ids, keys
_PER_BYTE, _PER_SECOND, _AT_ONCE = 8, 6_000, 24_000
_INTERVAL = 0.1
_PAGE = 2_500
_PILE = 12_000
_TIGHT = "<style>.berlin-reply .berlin-tight>li>p{margin:0}</style>"


class PlainDisplay:
    """Shows a growing document in a few displays: finished ones, one that fills up, one that is updated all the time.

    The last display is small and updated with every draw; when what is finished in it exceeds a page, that page goes
    to the display before it, and when that one is full, a new one is begun. JupyterLab shows 50 outputs of a cell at
    most, so a full display is the larger, the longer the reply. Draws that would cost more than a fixed number of
    bytes for each byte of text are skipped.

    Parameters
    ----------
    outlet : Outlet
        Where to display.
    document : Document
        What to display; its patches are taken here.
    hint : str
        Added to the status line, e.g. how to stop the reply.
    owns_cell : bool
        Whether the cell shows nothing but this reply, so that its outputs may be cleared at the end. If not, there is
        a single display, which shows the end of a long reply while it arrives.
    single_for : float
        Seconds in which everything stays in one display, however long it gets: something is expected to take its place.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        outlet: Outlet,
        document: Document,
        *,
        hint: str = "",
        owns_cell: bool = True,
        single_for: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outlet = outlet
        self._document = document
        self._hint = hint
        self._owns_cell = owns_cell
        self._single_for = single_for
        self._clock = clock
        self._pages = Pages()
        self._displays: list[str] = []
        self._pile = ""  # the HTML of the last display but one, where there is one
        self._turned = 0  # characters of HTML on finished pages
        self._sent = 0
        self._total = 0
        self._began = self._last = clock()
        self._shown: tuple[object, ...] = ()

    def begin(self, status: Status) -> None:
        """Open the first display."""
        self._displays.append(self._outlet.show(self._bundle(status)))

    def draw(self, status: Status) -> None:
        """Bring the displays up to date, unless it is too early or too dear."""
        now = self._clock()
        fresh = (status.state, status.notes, status.characters, int(status.elapsed))
        is_first_text = not self._total and status.characters
        if fresh == self._shown or (now - self._last < _INTERVAL and not is_first_text):
            return
        budget = _AT_ONCE + _PER_SECOND * (now - self._began) + _PER_BYTE * status.characters
        if self._sent > budget and not is_first_text:
            return
        self._last, self._shown, self._total = now, fresh, status.characters
        self._pages.apply(self._document.patches())
        if self._pages.finished > _PAGE and now - self._began >= self._single_for:
            self._turn_page()
        self._update(self._displays[-1], self._bundle(status))

    def replace(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Put one output in the place of all displays."""
        if len(self._displays) == 1:
            self._outlet.update(self._displays[0], data, metadata)
        else:
            # An update to an empty bundle would leave an empty output in the saved notebook.
            self._outlet.clear()
            self._displays = [self._outlet.show(data, metadata)]

    def _turn_page(self) -> None:
        page = self._pages.turn()
        self._turned += len(page)
        if not self._owns_cell:
            return
        self._pile += page
        if len(self._displays) > 1:
            self._update(self._displays[-2], {"text/html": _reply(self._pile), "text/plain": ""})
        if len(self._displays) == 1 or len(self._pile) > max(_PILE, self._turned // 8):
            if len(self._displays) == 1:
                self._pile = f"<style>{stylesheet()}</style>{self._pile}"  # for all displays, sent only now and then
                self._update(self._displays[-1], {"text/html": _reply(self._pile), "text/plain": ""})
            else:
                self._pile = ""
            self._displays.append(self._outlet.show({"text/html": "", "text/plain": ""}))

    def _bundle(self, status: Status) -> dict[str, str]:
        hidden = self._turned and not self._owns_cell
        above = '<div style="opacity:.65">⋮ what stands above is shown at the end</div>' if hidden else ""
        return {
            "text/html": above + _reply(self._pages.html()) + status_line.as_html(status, self._hint),
            "text/plain": status_line.sentence(status, self._hint),
        }

    def _update(self, name: str, data: Mapping[str, str]) -> None:
        self._outlet.update(name, data)
        self._sent += _ENVELOPE + sum(len(value.encode()) for value in data.values())


def _reply(html: str) -> str:
    return f'<div class="berlin-reply">{_TIGHT}{html}</div>' if html else ""
