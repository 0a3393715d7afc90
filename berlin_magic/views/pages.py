"""A growing document cut into pages: pieces of HTML that each stand alone, for front ends that know no patches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from berlin_magic.rendering import Patch

__all__ = ["Pages"]


_BEGIN = re.compile(r"<(?!/|br\b|hr\b|img\b)")
_END = re.compile(r"</")


@dataclass(slots=True)
class _Slot:
    """An element that is still open: what stands before, in and after its children on this page."""

    name: int
    before: str = ""
    after: str = ""
    done: list[str] = field(default_factory=list)
    tail: str = ""
    begun_earlier: bool = False


class Pages:
    """The patches of a `Document`, applied to strings; what is finished can be taken away as a page of its own.

    An element that is open where a page ends is closed there and opened again on the next one: a long list or code
    block goes on over several pages.
    """

    def __init__(self) -> None:
        self._slots = [_Slot(0)]
        self._finished = 0

    def apply(self, patches: Iterable[Patch]) -> None:
        """Bring the page up to date. The format is described in `berlin_magic.rendering.growing`."""
        for patch in patches:
            self._apply(patch)

    @property
    def finished(self) -> int:
        """Characters of HTML on this page that will not change any more."""
        return self._finished

    def html(self) -> str:
        """Return the current page, with its unfinished end."""
        return self._html(with_tails=True)

    def turn(self) -> str:
        """Return what is finished of the current page, and begin the next one with what is not."""
        page = self._html(with_tails=False)
        for slot in self._slots:
            slot.done.clear()
            slot.begun_earlier = True
        self._finished = 0
        return page

    def _html(self, *, with_tails: bool) -> str:
        inner = ""
        for slot in reversed(self._slots):
            tail = slot.tail if with_tails else ""
            inner = f"{slot.before}{''.join(slot.done)}{inner}{tail}{slot.after}"
        return inner

    def _apply(self, patch: Patch) -> None:
        kind = patch[0]
        slot = next(slot for slot in self._slots if slot.name == patch[1])
        if kind == "tail":
            keep = int(patch[2])
            slot.tail = _utf16_prefix(slot.tail, keep) + str(patch[3])
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
        # What is on an earlier page cannot be filled again; the final output shows it as it should be.
        if not slot.begun_earlier:
            self._finished += len(html) - sum(map(len, slot.done))
            slot.done = [html]

    def _close(self, slot: _Slot) -> None:
        at = self._slots.index(slot)
        inner = ""
        for closed in reversed(self._slots[at:]):
            inner = f"{closed.before}{''.join(closed.done)}{inner}{closed.after}"
        del self._slots[at:]
        if self._slots:
            self._slots[-1].done.append(inner)
        else:
            self._slots = [_Slot(0, done=[inner])]


def _around(html: str, name: int) -> tuple[str, str, str]:
    """Split the HTML of an opened element: what stands before, in and after its slot.

    The slot is the last thing in that HTML: after it come only the ends of the elements that it is in.
    """
    found = re.search(rf'<[^>]* data-slot="{name}"[^>]*>', html)
    if found is None:  # a document that breaks its own format: show it whole
        return html, "", ""
    outside = html[: found.start()]
    depth = len(_BEGIN.findall(outside)) - len(_END.findall(outside))
    end = [match.start() for match in _END.finditer(html, found.end())][-depth - 1]
    return html[: found.end()], html[found.end() : end], html[end:]


def _utf16_prefix(text: str, units: int) -> str:
    """Return the first `units` UTF-16 code units of `text`, as JavaScript's ``slice`` counts them."""
    if text.isascii() or units == 0:
        return text[:units]
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "replace")
