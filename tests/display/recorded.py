"""A shell whose displays are kept as a front end would show them, and a clock that a test moves."""

from __future__ import annotations


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class RecordingPublisher:
    """Keeps the outputs of each cell: `parent_header` says whose they are, as ipykernel 6 does it."""

    def __init__(self) -> None:
        self.parent_header = {"msg_id": "first"}
        self.cells: dict[str, list[dict]] = {"first": []}
        self.sent = 0
        self.updates = 0
        self._clear: set[str] = set()

    @property
    def outputs(self) -> list[dict]:
        return self.cells["first"]

    def publish(self, data, metadata=None, *, transient=None, update=False):
        self.sent += sum(len(value) for value in data.values() if isinstance(value, str))
        name = (transient or {}).get("display_id")
        if update:
            self.updates += 1
            for outputs in self.cells.values():
                for output in outputs:
                    if output["name"] == name:
                        output.update(data=data, metadata=metadata)
            return
        cell = self.parent_header["msg_id"]
        if cell in self._clear:
            self._clear.discard(cell)
            self.cells[cell].clear()
        self.cells.setdefault(cell, []).append({"name": name, "data": data, "metadata": metadata})

    def clear_output(self, wait=False):
        assert wait
        self._clear.add(self.parent_header["msg_id"])


class RecordingShell:
    def __init__(self) -> None:
        self.display_pub = RecordingPublisher()
