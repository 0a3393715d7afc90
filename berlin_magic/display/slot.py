"""The slot: the output of a growing reply, which reads well in a file that is saved at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from berlin_magic.display import status_line
from berlin_magic.display.cell_output import Outlet
from berlin_magic.display.markdown import to_html, to_markdown, to_plain
from berlin_magic.display.view import Status

__all__ = ["Slot", "unfinished"]


def unfinished(text: str, *, with_html: bool = False) -> dict[str, str]:
    """Return the data of an output in the middle of a reply: what has arrived, and how to get the rest."""
    line = status_line.UNFINISHED
    data = {
        "text/markdown": f"{to_markdown(text).rstrip()}\n\n*({line})*",
        "text/plain": f"{to_plain(text)}\n\n({line})",
    }
    if with_html:
        data["text/html"] = f'<div class="berlin-reply">{to_html(text)}</div>\n{status_line.quiet(line)}'
    return data


class Slot:
    """One display with Markdown and text, in an element whose class has the display's name.

    There the front end's half of a live view finds it. The HTML that another view of the reply may show in it is
    optional: Markdown and text are enough for a file, and half as much to send.

    Parameters
    ----------
    outlet : Outlet
        Where to display.
    """

    def __init__(self, outlet: Outlet) -> None:
        self.name = uuid4().hex[:16]
        self.is_shown = False
        self._outlet = outlet
        self._data: dict[str, str] = {}

    def show(self, status: Status) -> None:
        """Display the slot, with what it holds."""
        if not self._data:
            self._data = {
                "text/markdown": "*(waiting for the first word)*",
                "text/plain": status_line.sentence(status),
            }
        self.is_shown = True
        self._outlet.show(self._bundle(), self._metadata, self.name)

    def hold(self, data: Mapping[str, str]) -> int:
        """Put `data` in the place of what the slot holds of the same types; return how many bytes that took."""
        self._data.update(data)
        bundle = self._bundle()
        self._outlet.update(self.name, bundle, self._metadata)
        return sum(len(value.encode()) for value in bundle.values())

    def drop_html(self) -> None:
        """Hold no HTML any more."""
        if self._data.pop("text/html", None) is not None and self.is_shown:
            self.hold({})

    def finish(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Put the finished output in the place of the slot."""
        if self.is_shown:
            self._outlet.update(self.name, data, metadata)
        else:
            self._outlet.show(data, metadata, self.name)

    @property
    def _metadata(self) -> dict[str, str]:
        return {"berlin_live": self.name}

    def _bundle(self) -> dict[str, str]:
        kind = "text/html" if "text/html" in self._data else "text/markdown"
        # In Markdown the empty lines end the block of HTML, so that what is between them is Markdown again.
        gap = "\n\n" if kind == "text/markdown" else ""
        return {**self._data, kind: f'<div class="berlin-slot-{self.name}">{gap}{self._data[kind]}{gap}</div>'}
