"""Show a growing reply by plain display updates, if the front end has no widgets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from berlin_magic.display import status_line
from berlin_magic.display.cell_output import CellOutput
from berlin_magic.display.markdown import Document, Patch, stylesheet
from berlin_magic.display.patches import utf16_prefix
from berlin_magic.display.slot import Slot
from berlin_magic.display.view import Status

__all__ = ["Pages", "PlainDisplay"]

_BEGIN = re.compile(r"<(?!/|br\b|hr\b|img\b)")
_END = re.compile(r"</")


@dataclass(slots=True)
class _Slot:
    """Open element: its HTML before, in and after its children on this page."""

    name: int
    before: str = ""
    after: str = ""
    done: list[str] = field(default_factory=list)
    tail: str = ""
    begun_earlier: bool = False


class Pages:
    """The HTML of a growing `Document`, split into pages.

    If an element is open at the end of a page, it is closed there and opened again on the next one: a long list or code
    block continues over several pages.
    """

    def __init__(self) -> None:
        self._slots = [_Slot(0)]
        self._finished = 0

    def apply(self, patches: Iterable[Patch]) -> None:
        """Apply `patches` to the page. The format is described in `berlin_magic.display.markdown.growing`."""
        for patch in patches:
            self._apply(patch)

    @property
    def finished(self) -> int:
        """Characters of HTML on this page that will not change."""
        return self._finished

    def html(self) -> str:
        """Return the current page, with its unfinished end."""
        return _joined(self._slots, with_tails=True)

    def next_page(self) -> str:
        """Return the finished part of the current page, and begin the next one with the rest."""
        page = _joined(self._slots)
        for slot in self._slots:
            slot.done.clear()
            slot.begun_earlier = True
        self._finished = 0
        return page

    def _apply(self, patch: Patch) -> None:
        kind = patch[0]
        slot = next(slot for slot in self._slots if slot.name == patch[1])
        if kind == "tail":
            keep = int(patch[2])
            slot.tail = utf16_prefix(slot.tail, keep) + str(patch[3])
            return
        slot.tail = ""
        if kind == "add":
            self._finish(slot, str(patch[2]))
        elif kind == "open":
            before, content, after = _around(str(patch[3]), int(patch[2]))
            self._slots.append(_Slot(int(patch[2]), before, after, [content]))
            self._finished += len(str(patch[3]))
        elif kind == "fill":
            self._fill(slot, str(patch[2]))
        elif kind == "loose":
            slot.before = slot.before.replace("berlin-tight", "", 1)
        elif kind == "close":
            self._close(slot)

    def _finish(self, slot: _Slot, html: str) -> None:
        slot.done.append(html)
        self._finished += len(html)

    def _fill(self, slot: _Slot, html: str) -> None:
        # An earlier page is not changed again; the final output shows the block with its colours.
        if not slot.begun_earlier:
            self._finished += len(html) - sum(map(len, slot.done))
            slot.done = [html]

    def _close(self, slot: _Slot) -> None:
        at = self._slots.index(slot)
        inner = _joined(self._slots[at:])
        del self._slots[at:]
        self._slots[-1].done.append(inner)  # the root is never closed


def _joined(slots: Sequence[_Slot], *, with_tails: bool = False) -> str:
    """Return the HTML of nested elements; the outermost comes first in `slots`."""
    inner = ""
    for slot in reversed(slots):
        inner = f"{slot.before}{''.join(slot.done)}{inner}{slot.tail if with_tails else ''}{slot.after}"
    return inner


def _around(html: str, name: int) -> tuple[str, str, str]:
    """Split the HTML of an opened element into what is before, in and after its slot.

    Only closing tags follow the slot.
    """
    found = re.search(rf'<[^>]* data-slot="{name}"[^>]*>', html)
    assert found is not None  # noqa: S101 - the format says so
    outside = html[: found.start()]
    depth = len(_BEGIN.findall(outside)) - len(_END.findall(outside))
    end = [match.start() for match in _END.finditer(html, found.end())][-depth - 1]
    return html[: found.end()], html[found.end() : end], html[end:]


_ENVELOPE = 900  # bytes of a display update besides its content: headers, ids, keys
_PER_BYTE, _PER_SECOND, _AT_ONCE = 8, 6_000, 24_000
_INTERVAL = 0.1
_PAGE = 2_500
_PILE = 12_000
_TIGHT = "<style>.berlin-reply .berlin-tight>li>p{margin:0}</style>"


class PlainDisplay:
    """Show a growing document in a few displays: finished ones, one that is filling, one that is updated often.

    The last display is small and updated with every draw. When its finished part exceeds a page, that page moves to
    the display before it; when that one is full, a new one is begun. JupyterLab shows at most 50 outputs of a cell, so
    displays become larger as the reply grows. Draws that would cost more than a fixed number of bytes for each byte of
    text are skipped.

    Parameters
    ----------
    output : CellOutput
        The cell's outputs.
    slot : Slot
        The first display, which is shown already.
    document : Document
        The document to show; nothing else may take its patches.
    hint : str
        Added to the status line, e.g. how to stop the reply.
    owns_cell : bool
        Whether the cell shows nothing but this reply, so that its outputs may be cleared at the end. If not, there is
        a single display, which shows the end of a long reply while it arrives.
    clock : callable
        Monotonic time in seconds.
    """

    def __init__(
        self,
        output: CellOutput,
        slot: Slot,
        document: Document,
        *,
        hint: str = "",
        owns_cell: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output = output
        self._slot = slot
        self._document = document
        self._hint = hint
        self._owns_cell = owns_cell
        self._clock = clock
        self._pages = Pages()
        self._displays = [slot.name]
        self._pile = ""  # the HTML of the last display but one, if there is one
        self._turned = 0  # characters of HTML on finished pages
        self._sent = 0
        self._total = 0
        self._began = self._last = clock()
        self._shown: tuple[object, ...] = ()

    def draw(self, status: Status) -> None:
        """Update the displays, unless it is too early or would cost too much."""
        now = self._clock()
        fresh = (status.state, status.notes, status.characters, int(status.elapsed))
        is_first = not self._shown or (not self._total and status.characters)
        if fresh == self._shown or (now - self._last < _INTERVAL and not is_first):
            return
        budget = _AT_ONCE + _PER_SECOND * (now - self._began) + _PER_BYTE * status.characters
        if self._sent > budget and not is_first:
            return
        self._last, self._shown, self._total = now, fresh, status.characters
        self._pages.apply(self._document.patches())
        if self._pages.finished > _PAGE:
            self._turn_page()
        self._update(self._displays[-1], self._growing(status), status_line.sentence(status, self._hint))

    def remove(self) -> None:
        """Remove all displays if there are several; a single one is the slot, and stays."""
        if len(self._displays) > 1:
            # An update to an empty bundle would leave an empty output in the saved notebook.
            self._output.clear()
            self._slot.is_shown = False

    def _turn_page(self) -> None:
        page = self._pages.next_page()
        self._turned += len(page)
        if not self._owns_cell:
            return
        self._pile += page
        if len(self._displays) > 1:
            self._update(self._displays[-2], _reply(self._pile))
        if len(self._displays) == 1 or len(self._pile) > max(_PILE, self._turned // 8):
            if len(self._displays) == 1:
                self._pile = f"<style>{stylesheet()}</style>{self._pile}"  # for all displays, sent only now and then
                self._update(self._displays[-1], _reply(self._pile))
            else:
                self._pile = ""
            self._displays.append(self._output.show({"text/html": "", "text/plain": ""}))

    def _growing(self, status: Status) -> str:
        """Return the HTML of the display that is updated with every draw."""
        hint = " · ".join(filter(None, [self._hint, status_line.UNFINISHED if status.characters else ""]))
        hidden = self._turned and not self._owns_cell
        above = '<div style="opacity:.65">⋮ what stands above is shown at the end</div>' if hidden else ""
        return above + _reply(self._pages.html()) + status_line.as_html(status, hint)

    def _update(self, name: str, html: str, plain: str = "") -> None:
        if name == self._slot.name:
            size = self._slot.hold({"text/html": html})
        else:
            self._output.update(name, {"text/html": html, "text/plain": plain})
            size = len(html.encode()) + len(plain.encode())
        self._sent += _ENVELOPE + size


def _reply(html: str) -> str:
    return f'<div class="berlin-reply">{_TIGHT}{html}</div>' if html else ""
