"""Keep the output of a growing reply readable in a file that is saved at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from berlin_magic.display import status_line
from berlin_magic.display.cell_output import CellOutput
from berlin_magic.display.markdown import to_html, to_markdown, to_plain
from berlin_magic.display.view import Status

__all__ = ["Slot", "unfinished"]


def unfinished(text: str, *, with_html: bool = False) -> dict[str, str]:
    """Return the data of an unfinished output: the text so far, and how to get the rest."""
    line = status_line.UNFINISHED
    data = {
        "text/markdown": f"{to_markdown(text).rstrip()}\n\n*({line})*",
        "text/plain": f"{to_plain(text)}\n\n({line})",
    }
    if with_html:
        data["text/html"] = f'<div class="berlin-reply">{to_html(text)}</div>\n{status_line.quiet(line)}'
    return data


class Slot:
    """One display with Markdown and text, in an element whose class contains the display's name.

    The widget finds the element by that class. HTML is optional: Markdown and text are enough for a file, and take half
    as many bytes.

    Parameters
    ----------
    output : CellOutput
        The cell's outputs.
    """

    def __init__(self, output: CellOutput) -> None:
        self.name = uuid4().hex[:16]
        self.is_shown = False
        self._output = output
        self._data: dict[str, str] = {}

    def show(self, status: Status) -> None:
        """Display the slot with its content."""
        if not self._data:
            self._data = {
                "text/markdown": "*(waiting for the first word)*",
                "text/plain": status_line.sentence(status),
            }
        self.is_shown = True
        self._output.show(self._bundle(), self._metadata, self.name)

    def hold(self, data: Mapping[str, str]) -> int:
        """Replace the content of the types in `data`; return the bytes sent."""
        self._data.update(data)
        bundle = self._bundle()
        self._output.update(self.name, bundle, self._metadata)
        return sum(len(value.encode()) for value in bundle.values())

    def drop_html(self) -> None:
        """Remove the HTML."""
        if self._data.pop("text/html", None) is not None and self.is_shown:
            self.hold({})

    def finish(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace the slot by the finished output."""
        if self.is_shown:
            self._output.update(self.name, data, metadata)
        else:
            self._output.show(data, metadata, self.name)

    @property
    def _metadata(self) -> dict[str, str]:
        return {"berlin_live": self.name}

    def _bundle(self) -> dict[str, str]:
        kind = "text/html" if "text/html" in self._data else "text/markdown"
        # In Markdown an empty line ends the HTML block, so that the text between is Markdown again.
        gap = "\n\n" if kind == "text/markdown" else ""
        return {**self._data, kind: f'<div class="berlin-slot-{self.name}">{gap}{self._data[kind]}{gap}</div>'}
