"""The outlet: the output area of one cell, where everything that a view displays lands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

__all__ = ["Outlet"]

Bundle = Mapping[str, Any]
"""A display's data or its metadata, by mime type."""


class Outlet:
    """Displays in the cell that ran when it was made, whichever cell runs later.

    On ipykernel 6 a display of a background task goes to the cell that runs at the moment (seen on 6.31). So the
    outlet remembers the header of its cell's request and puts it in place for each of its own messages.

    Parameters
    ----------
    shell : InteractiveShell
        The shell whose `display_pub` is used.
    """

    def __init__(self, shell: Any) -> None:
        self._publisher = shell.display_pub
        self._parent: Any = getattr(self._publisher, "parent_header", None)

    def show(self, data: Bundle, metadata: Bundle | None = None, name: str = "") -> str:
        """Display `data` as a new output; return the id by which `update` finds it again, `name` if there is one."""
        name = name or uuid4().hex
        self._publish(data, metadata, name, update=False)
        return name

    def update(self, name: str, data: Bundle, metadata: Bundle | None = None) -> None:
        """Put `data` in the place of the output called `name`."""
        self._publish(data, metadata, name, update=True)

    def clear(self) -> None:
        """Take all outputs of the cell away as soon as the next one is there."""
        with self._in_its_cell():
            self._publisher.clear_output(wait=True)

    def _publish(self, data: Bundle, metadata: Bundle | None, name: str, *, update: bool) -> None:
        with self._in_its_cell():
            self._publisher.publish(
                data=dict(data),
                metadata=dict(metadata or {}),
                transient={"display_id": name},
                update=update,
            )

    @contextmanager
    def _in_its_cell(self) -> Iterator[None]:
        now = getattr(self._publisher, "parent_header", None)
        if now == self._parent or self._parent is None:
            yield
            return
        self._publisher.parent_header = self._parent
        try:
            yield
        finally:
            self._publisher.parent_header = now
