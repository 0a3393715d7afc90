"""Store small records of secrets in a file that only its user can read."""

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

_RIGHTS_OF_OTHERS = 0o077
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
    """A JSON file with mode 0600, which the user's processes share: an object of objects of strings.

    On Windows, which has no modes, other users can't open the folder in the user's profile.

    Parameters
    ----------
    path : Path
        The path of the file; file and folder are created at the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Records:
        """Return all records, in the order in which they were written; none if there is no file.

        A damaged file counts as empty, with a warning. This does not block. If others can read the file, its mode is
        corrected.

        Raises
        ------
        OSError
            If the file is there and can't be read.
        """
        records = self._read()
        if records is None:
            warnings.warn(f"berlin_magic: {self.path} is damaged, and what was stored there is lost", stacklevel=2)
        with suppress(OSError):
            if os.name != "nt" and self.path.stat().st_mode & _RIGHTS_OF_OTHERS:
                self.path.chmod(0o600)
        return records or {}

    def change(self, change: Callable[[Records], object]) -> None:
        """Read the file, let `change` change the records, and replace the file.

        A damaged file is renamed first, with a warning.

        Raises
        ------
        OSError
            If it can't be written; it is not changed then.
        """
        with self._locked():
            records = self._read()
            if records is None:
                _with_retries(lambda: self.path.replace(self._damaged))
                message = f"berlin_magic: {self.path} was damaged; it is now {self._damaged.name}, and a new one begins"
                warnings.warn(message, stacklevel=2)
                records = {}
            change(records)
            write_json(self.path, records)

    def forget(self, unwanted: Callable[[str], bool]) -> None:
        """Delete the records whose name is `unwanted`, and a damaged file that was renamed.

        Raises
        ------
        OSError
            As `change`.
        """
        if self.path.exists():
            self.change(lambda records: [records.pop(name) for name in list(filter(unwanted, records))])
        with suppress(FileNotFoundError, NotADirectoryError):
            _with_retries(self._damaged.unlink)

    @property
    def _damaged(self) -> Path:
        return self.path.with_name(self.path.name + ".damaged")

    def _read(self) -> Records | None:
        """Return the records; None if the file is damaged."""
        try:
            value = json.loads(_with_retries(self.path.read_bytes))
            return {name: {key: Secret(_text(item)) for key, item in record.items()} for name, record in value.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, RecursionError):
            return None

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self.path.with_name(self.path.name + ".lock"))


def write_json(path: Path, value: object) -> None:
    """Replace the file at `path` by one with `value` as JSON, which only its owner can read.

    A reader meanwhile gets the whole old file or the whole new one.

    Raises
    ------
    OSError
        If it can't be written; the old file stays.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
        _with_retries(lambda: Path(temporary).replace(path))
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _with_retries(work: Callable[[], T]) -> T:
    """Return the result of `work`, with retries on Windows, which locks a file that another process has just opened."""
    for _ in range(_TRIES):
        try:
            return work()
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(0.05)
    return work()
