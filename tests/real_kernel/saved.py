"""A notebook file as a front end writes it, and cells run as from that file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from real_kernel.rig import Kernel, Run

LOAD = "%load_ext berlin_magic"


@dataclass
class Saved:
    """A notebook with cells by their ids; `save` writes the file, as JupyterLab would."""

    path: Path
    cells: dict[str, str]
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def run(self, kernel: Kernel, *ids: str, good: bool = True) -> list[Run]:
        """Run cells, all where none is named, as JupyterLab does: with their ids."""
        runs = []
        for id_ in ids or self.cells:
            run = kernel.run(self.cells[id_], cell=id_)
            assert run.status == "ok" or not good, run.error or run.stderr
            self.outputs[id_] = [
                {"output_type": "display_data", "data": output["data"], "metadata": output["metadata"]}
                for output in run.outputs
            ]
            runs.append(run)
        return runs

    def save(self, path: Path | None = None) -> Path:
        path = path or self.path
        cells = [
            {
                "cell_type": "code",
                "id": id_,
                "source": source.splitlines(keepends=True),
                "outputs": self.outputs.get(id_, []),
                "metadata": {},
                "execution_count": None,
            }
            for id_, source in self.cells.items()
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        return path
