"""The notebooks run from top to bottom, as a stranger would run them, and leave no widget behind."""

from __future__ import annotations

import importlib.util
import itertools
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from berlin_magic.providers.local import models

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = ROOT / "notebooks" / "results.ipynb"  # the guide can give none of its results: it needs a model, or replays
MODEL = models.default()


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
async def test_the_notebook_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == RESULTS:
        monkeypatch.setenv("BERLIN_REPLAY", str(RESULTS))
        monkeypatch.setenv("BERLIN_REPLAY_MODE", "only")
    notebook = await run(path, tmp_path)
    check(notebook, replayed=path == RESULTS)
    if path.stem == "data":
        (stale,) = [cell for cell in notebook.cells if cell.source == "%berlin stale"]
        assert "`world` has changed since" in stale.outputs[0].data["text/plain"]


@pytest.mark.skipif(
    MODEL is None or importlib.util.find_spec("xllamacpp") is None,
    reason='no model is on this machine: `pip install -e ".[local]"`, and `berlin-server local get`',
)
@pytest.mark.local
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
async def test_the_notebook_with_results_runs_with_a_real_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MODEL is not None
    monkeypatch.setenv("BERLIN_MODELS", str(MODEL.path.parent))
    notebook = await run(RESULTS, tmp_path)
    check(notebook)
    told = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert told["mood"][0].data["text/plain"] in {"'good'", "'bad'"}
    assert "minutes" in told["recipes"][0].data["text/plain"]
    assert told["moods.to_frame()"][0].data["text/plain"].count("None") == 0


async def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    await NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).async_execute()
    return notebook


def check(notebook: nbformat.NotebookNode, *, replayed: bool = False) -> None:
    """Look at what the cells show; `replayed` from the file itself, code is not checked and rows have no replies."""
    cells = [cell for cell in notebook.cells if cell.source.startswith("%%berlin")]
    asked = [cell for cell in cells if "--dry-run" not in cell.source]
    assert asked
    for cell in cells:
        if cell not in asked:
            assert "(an estimate)" in cell.outputs[0].data["text/plain"] and "berlin" not in cell.outputs[0].metadata
    for cell in asked:
        output, *more = cell.outputs
        assert output.output_type == "display_data"
        assert {"text/plain", "text/markdown"} <= set(output.data)
        if "--check" in cell.source:
            card, *error = more
            said = "code from a file is not run" if replayed else "The check passed"
            assert said in card.data["text/plain"] and [one.ename for one in error] == ["CheckFailedError"] * replayed
        else:
            assert more == []
        if "--each" in cell.source:  # rows are in no conversation, and so not in the file
            assert "berlin" not in output.metadata
            assert ("without a reply" in output.data["text/plain"]) == replayed
        else:
            assert output.metadata.berlin.finish == "complete"
    assert "widgets" not in notebook.metadata or not notebook.metadata.widgets
    assert "widget-view" not in nbformat.writes(notebook)


def test_code_of_a_reply_in_a_notebook_is_replaced_if_a_reader_runs_it_in_jupyterlab() -> None:
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        for cell, below in itertools.pairwise(cells):
            if cell.source.startswith("%%berlin") and "-f code" in cell.source.splitlines()[0]:
                assert cell.metadata.get("berlin") == {"code_cell": below["id"]}, path.name
