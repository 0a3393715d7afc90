from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from berlin_magic.providers.local import engine

FAKE = Path(__file__).with_name("fake")


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Run models with a package that only seems to; give the folder where models are looked for."""
    monkeypatch.syspath_prepend(FAKE)
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("BERLIN_MODELS", str(folder))
    yield folder
    processes = list(engine._processes)
    engine.release_all()
    for process in processes:
        process.kill()
        process.wait()
