"""Display outputs in one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

__all__ = ["CellOutput"]

Bundle = Mapping[str, Any]
"""A display's data or its metadata, by mime type."""


class CellOutput:
    """Outputs of the cell that was running when this object was made.

    On ipykernel 6 a background task displays in the cell that is running at that moment (seen on 6.31). So the header
    of the cell's request is kept, and set again for each message.

    Parameters
    ----------
    shell : InteractiveShell
        The shell whose `display_pub` is used.
    """

    def __init__(self, shell: Any) -> None:
        self._publisher = shell.display_pub
        self._parent: Any = getattr(self._publisher, "parent_header", None)

    def show(self, data: Bundle, metadata: Bundle | None = None, name: str = "") -> str:
        """Display `data` as a new output; return its name for `update`, which is `name` if given."""
        name = name or uuid4().hex
        self._publish(data, metadata, name, update=False)
        return name

    def update(self, name: str, data: Bundle, metadata: Bundle | None = None) -> None:
        """Replace the output called `name`."""
        self._publish(data, metadata, name, update=True)

    def clear(self) -> None:
        """Remove all outputs of the cell as soon as it displays the next one."""
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
