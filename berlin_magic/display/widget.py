"""The widget of the live view: its model, as the front end knows it.

Importing this module imports ipywidgets, which takes a noticeable part of a second: do it in a thread.
"""

from __future__ import annotations

from importlib.resources import files

from anywidget import AnyWidget

from berlin_magic.display.markdown import stylesheet

__all__ = ["LiveWidget"]

_HERE = files("berlin_magic.display")


class LiveWidget(AnyWidget):
    """One reply in the front end. Everything that it shows comes as custom messages; it has no state of its own."""

    _esm = _HERE.joinpath("live.js").read_text(encoding="utf-8")
    _css = _HERE.joinpath("live.css").read_text(encoding="utf-8") + stylesheet()

    def close(self) -> None:
        """Close the model, and the layout that every widget brings along."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()
