"""Keep small records of secrets in a file that only its user can read."""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

from berlin_magic.credentials.file_lock import file_lock
from berlin_magic.credentials.secret import Secret

__all__ = ["PrivateFile", "Records", "state_folder", "write_json"]

Records = dict[str, dict[str, Secret]]

T = TypeVar("T")

_OTHERS = 0o077
_TRIES = 20


def state_folder() -> Path:
    """Return ``BERLIN_STATE_DIR``, else the user's own folder for state; it need not exist yet.

    On Linux that is ``~/.local/state/berlin_magic``; on macOS and Windows it is in the user's application data, which
    Windows lets nobody else read.
    """
    if named := os.environ.get("BERLIN_STATE_DIR"):
        return Path(named).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415 - loading the extension needs no folder

    return user_state_path("berlin_magic", appauthor=False)


class PrivateFile:
    """JSON, mode 0600: an object of objects of strings, shared by the user's processes.

    On Windows, which has no modes, the folder in the user's profile keeps others out.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Records:
        """Return all records, in the order in which they were written; none if there is no file.

        A damaged file has none either, and a warning says so. This waits for nothing and changes nothing, but that it
        closes to others a file that they can read.

        Raises
        ------
        OSError
            If the file is there and can't be read.
        """
        records = self._read()
        if records is None:
            warnings.warn(f"berlin_magic: {self.path} is damaged, and what was stored there is lost", stacklevel=2)
        with suppress(OSError):
            if os.name != "nt" and self.path.stat().st_mode & _OTHERS:
                self.path.chmod(0o600)
        return records or {}

    def change(self, change: Callable[[Records], object]) -> None:
        """Read the file, let `change` change the records, and put the result in its place.

        A damaged file is set aside first, with a warning.

        Raises
        ------
        OSError
            If it can't be written; it is what it was before.
        """
        with self._locked():
            records = self._read()
            if records is None:
                _patiently(lambda: self.path.replace(self._damaged))
                message = f"berlin_magic: {self.path} was damaged; it is now {self._damaged.name}, and a new one begins"
                warnings.warn(message, stacklevel=2)
                records = {}
            change(records)
            write_json(self.path, records)

    def forget(self, unwanted: Callable[[str], bool]) -> None:
        """Delete the records whose name is `unwanted`, and a damaged file that was set aside, whatever it holds.

        Raises
        ------
        OSError
            As `change`.
        """
        if self.path.exists():
            self.change(lambda records: [records.pop(name) for name in list(filter(unwanted, records))])
        with suppress(FileNotFoundError, NotADirectoryError):
            _patiently(self._damaged.unlink)

    @property
    def _damaged(self) -> Path:
        return self.path.with_name(self.path.name + ".damaged")

    def _read(self) -> Records | None:
        """Return the records; None if the file is damaged."""
        try:
            value = json.loads(_patiently(self.path.read_bytes))
            return {name: {key: Secret(_text(item)) for key, item in record.items()} for name, record in value.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, RecursionError):
            return None

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self.path.with_name(self.path.name + ".lock"))


def write_json(path: Path, value: object) -> None:
    """Put a file with `value` as JSON in the place of the one at `path`, for its owner alone.

    Whoever reads meanwhile reads the old one or the new one, whole.

    Raises
    ------
    OSError
        If it can't be written; the old one is still there.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
        _patiently(lambda: Path(temporary).replace(path))
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _patiently(work: Callable[[], T]) -> T:
    """Return what `work` returns. Windows refuses for a moment what another process has just opened."""
    for _ in range(_TRIES):
        try:
            return work()
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(0.05)
    return work()
