"""Exchange messages with the front end of all live views of a kernel.

Importing this module imports ipywidgets, which takes a noticeable part of a second: do it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from anywidget import AnyWidget

from berlin_magic.display.markdown import stylesheet

__all__ = ["LiveWidget", "close_live_widget", "live_widget"]

_HERE = files("berlin_magic.display")

_MAX_KEPT = 8  # replies that ended while no page was open

Receiver = Callable[[Mapping[str, Any]], None]


class LiveWidget(AnyWidget):
    """The widget of all live views of this kernel; it is never displayed.

    One widget for each reply would send the same code each time. Also, a widget that is closed within two seconds,
    such as that of a quick reply, makes anywidget (0.11.0) log ``[anywidget] Failed to initialize model.``

    All messages are custom messages with the ``id`` of their reply; a message of the front end without one is for all
    replies.
    """

    _esm = _HERE.joinpath("live.js").read_text(encoding="utf-8")
    _css = _HERE.joinpath("live.css").read_text(encoding="utf-8") + stylesheet()

    def __init__(self) -> None:
        super().__init__()
        self.has_front_end: bool | None = None
        """Whether a front end answered to the last reply that ended; None before the first."""
        self._receivers: dict[str, Receiver] = {}
        self._kept: dict[str, tuple[str | None, Callable[[], None]]] = {}
        self.on_msg(self._receive)

    def join(self, name: str, receive: Receiver, cell: str | None = None) -> None:
        """Pass messages for the reply `name` in `cell` to `receive`, in the thread in which they come."""
        self._receivers[name] = receive
        self._kept = {one: (kept_cell, show) for one, (kept_cell, show) in self._kept.items() if kept_cell != cell}

    def leave(self, name: str) -> None:
        """Pass no more messages for the reply `name`."""
        self._receivers.pop(name, None)

    def keep(self, name: str, cell: str | None, show: Callable[[], None]) -> None:
        """Call `show` if a page is opened later: the reply `name` in `cell` has ended without one."""
        self._kept[name] = cell, show
        while len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    def post(self, name: str, message: Mapping[str, Any]) -> None:
        """Send `message` to the front end, for the reply `name`."""
        self.send({"id": name, **message})

    def close(self) -> None:
        """Close the model, and the layout that every widget has."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        self.has_front_end = True
        name = content.get("id")
        if content.get("bye"):
            self._kept.pop(str(name), None)
        for reply, receive in list(self._receivers.items()):
            if name is None or name == reply:
                receive(content)
        if name is None:
            self.send({"hello": True})  # else it would go on sending
            for _cell, show in list(self._kept.values()):
                show()


_current: LiveWidget | None = None


def live_widget() -> LiveWidget:
    """Return the kernel's widget; make it if it does not exist, or if the user has closed all widgets."""
    global _current  # noqa: PLW0603 - one for each kernel process
    if _current is None or _current.comm is None:
        _current = LiveWidget()
    return _current


def close_live_widget() -> None:
    """Close the kernel's widget, if there is one."""
    global _current
    widget, _current = _current, None
    if widget is not None:
        widget.close()
