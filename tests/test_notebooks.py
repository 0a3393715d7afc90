"""The notebooks run from top to bottom, as a stranger would run them, and leave no widget behind."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("BERLIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("BERLIN_DATABASE", str(tmp_path / "conversations.db"))
    monkeypatch.setenv("BERLIN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
async def test_the_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    await NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).async_execute()
    cells = [cell for cell in notebook.cells if cell.source.startswith("%%berlin")]
    asked = [cell for cell in cells if "--dry-run" not in cell.source]
    assert asked
    for cell in cells:
        if cell not in asked:
            assert "(an estimate)" in cell.outputs[0].data["text/plain"] and "berlin" not in cell.outputs[0].metadata
    for cell in asked:
        (output,) = cell.outputs
        assert output.output_type == "display_data"
        assert {"text/plain", "text/markdown"} <= set(output.data)
        assert output.metadata.berlin.finish == "complete"
    if path.stem == "data":
        (stale,) = [cell for cell in notebook.cells if cell.source == "%berlin stale"]
        assert "`world` has changed since" in stale.outputs[0].data["text/plain"]
    assert "widgets" not in notebook.metadata or not notebook.metadata.widgets
    assert "widget-view" not in nbformat.writes(notebook)
