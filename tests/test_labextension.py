"""The JupyterLab extension as it is shipped: small, whole, of the package's version, and there with the wheel."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import berlin_magic

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "labextension"


@pytest.fixture(scope="module")
def package():
    return json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))


def test_the_extension_has_the_version_of_the_package(package):
    assert package["version"] == berlin_magic.__version__


def test_what_is_loaded_is_there(package):
    assert (EXTENSION / package["jupyterlab"]["_build"]["load"]).is_file()


def test_what_is_shipped_is_small():
    assert sum(path.stat().st_size for path in EXTENSION.rglob("*") if path.is_file()) < 150_000


class Environment:
    """A new virtual environment in which the packages of this one can be imported, and no Node can be found."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder)
        self._python = folder / "bin" / "python"
        self.data = folder / "share" / "jupyter" / "labextensions" / "berlin-magic"
        [packages] = folder.glob("lib/python*/site-packages")
        (packages / "zz_outer.pth").write_text("\n".join(site.getsitepackages()))
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON"))},
            "PATH": str(self._python.parent),
            "HOME": str(folder),
        }

    def pip(self, *arguments: str) -> str:
        return self._run(sys.executable, "-m", "pip", "--quiet", f"--python={self._python}", *arguments)

    def labextensions(self) -> str:
        return self._run(str(self._python), "-m", "jupyterlab.labextensions", "list")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self._python.parent,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the virtual environment is laid out as on POSIX")
def test_installing_the_package_brings_the_extension_and_uninstalling_takes_it_away(tmp_path):
    environment = Environment(tmp_path)
    try:
        # Ignore what is installed: the outer environment has this package, too.
        environment.pip("install", "--no-deps", "--ignore-installed", str(ROOT))
    except AssertionError as error:
        if "hatchling" in str(error) and not os.environ.get("CI"):  # no package index in reach
            pytest.skip(str(error))
        raise
    listed = environment.labextensions()
    [line] = [line for line in listed.splitlines() if "berlin-magic" in line]
    assert "enabled" in line
    assert "OK" in line
    assert "python, berlin-magic" in line
    shipped = {path.relative_to(environment.data) for path in environment.data.rglob("*") if path.is_file()}
    assert shipped == {path.relative_to(EXTENSION) for path in EXTENSION.rglob("*") if path.is_file()}
    [package] = tmp_path.glob("lib/python*/site-packages/berlin_magic")
    assert not [path for path in package.rglob("*") if path.name in {"remoteEntry.js", "labextension"}]
    environment.pip("uninstall", "--yes", "berlin-magic")
    assert not environment.data.exists()
    assert "berlin-magic" not in environment.labextensions()
