"""A file of secrets that only its user can read: small records by name, changed in one step."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.secret import Secret

__all__ = ["PrivateFile", "Records", "held", "held_briefly", "state_folder"]


def state_folder() -> Path:
    """Return ``BERLIN_STATE_DIR``, else the user's own folder for state; it need not exist yet.

    On Linux that is ``~/.local/state/berlin_magic``; on macOS and Windows it is in the user's application data, which
    Windows lets nobody else read.
    """
    if named := os.environ.get("BERLIN_STATE_DIR"):
        return Path(named).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415 - loading the extension needs no folder

    return user_state_path("berlin_magic", appauthor=False)


_PAUSE = 0.05  # seconds between two tries
_GRACE = 5.0  # seconds more, for a drive that is slow to answer
_MOMENT = 5.0  # seconds to wait for who writes a small file


@asynccontextmanager
async def held(path: Path, *, patience: float) -> AsyncIterator[bool]:
    """Hold the lock for the time of a ``with``; give whether it was to be had within `patience` seconds.

    The operating system holds it, by a file that stays: whoever dies with it, however suddenly, gives it back.

    Raises
    ------
    OSError
        Where the file can't be made, or its drive has no locks.
    """
    turn = _Turn(path)
    try:
        try:
            taken = await in_thread(lambda: turn.take(patience), timeout=patience + _GRACE)
        except TimeoutError:
            taken = False
        yield taken
    finally:
        turn.end()


@contextmanager
def held_briefly(path: Path) -> Iterator[None]:
    """Hold the lock for the time of a ``with`` that takes milliseconds, and wait for it here.

    Raises
    ------
    OSError
        As `held`; and where it is not to be had.
    """
    lock = FileLock(path, timeout=_MOMENT, mode=0o600)
    try:
        _make_folder(path)
        lock.acquire()
    except NotImplementedError as error:  # filelock's word for a drive that has no locks
        raise OSError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


class _Turn:
    """One try for the lock: it is waited for in one thread and may be given up in another, at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, thread_local=False, mode=0o600)
        self._trying = threading.Lock()
        self._over = threading.Event()

    def take(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        _make_folder(self._path)
        while not self._over.is_set():
            with self._trying:
                taken = self._tried()
            if taken and not self._over.is_set():
                return True
            if taken:
                self._lock.release()  # `end` came while it was being taken
            elif time.monotonic() >= deadline:
                break
            else:
                self._over.wait(_PAUSE)
        return False

    def end(self) -> None:
        """Give it back, or up. A try that is under way sees that it is over, and is not waited for."""
        self._over.set()
        if self._trying.acquire(blocking=False):
            try:
                self._lock.release()
            finally:
                self._trying.release()

    def _tried(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except NotImplementedError as error:  # as above
            raise OSError(str(error)) from error
        return True


def _make_folder(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


Records = dict[str, dict[str, Secret]]

T = TypeVar("T")

_OTHERS = 0o077
_TRIES = 20


class PrivateFile:
    """JSON, mode 0600: an object of objects of strings, shared by the user's processes.

    On Windows, where there are no modes, the folder in the user's profile keeps others out.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Records:
        """Return all records, in the order in which they were written; none where there is no file.

        A damaged file is set aside, with a warning.

        Raises
        ------
        OSError
            Where the file is there and can't be read.
        """
        records = self._read()
        if records is None:
            with self._locked():
                records = self._read()  # it may have been set aside meanwhile
                if records is None:
                    _patiently(lambda: self.path.replace(self._damaged))
                    name = self._damaged.name
                    message = f"berlin_magic: {self.path} was damaged; it is now {name}, and a new one is begun"
                    warnings.warn(message, stacklevel=2)
        elif not self._is_private():
            self._make_private()
        return records or {}

    def glance(self) -> Records:
        """Return all records as they are, without a lock and without a change; none where the file is damaged.

        Raises
        ------
        OSError
            As `read`.
        """
        records = self._read()
        if records is None:
            warnings.warn(f"berlin_magic: {self.path} is damaged, and what was stored there is lost", stacklevel=2)
        if not self._is_private():
            with suppress(OSError):
                self.path.chmod(0o600)
        return records or {}

    def change(self, change: Callable[[Records], None]) -> None:
        """Read the file, let `change` have its way with the records, and put the result in its place.

        Raises
        ------
        OSError
            Where it can't be written; it is what it was before.
        """
        self.read()  # which sets a damaged one aside
        with self._locked():
            records = self._read() or {}
            change(records)
            self._write(records)

    def forget(self, unwanted: Callable[[str], bool]) -> None:
        """Delete the records whose name is `unwanted`, and a damaged file that was set aside, whatever it holds.

        Raises
        ------
        OSError
            As `change`.
        """

        def drop(records: Records) -> None:
            for name in list(filter(unwanted, records)):
                del records[name]

        if self.path.exists():
            self.change(drop)
        with suppress(FileNotFoundError, NotADirectoryError):
            _patiently(self._damaged.unlink)

    @property
    def _damaged(self) -> Path:
        return self.path.with_name(self.path.name + ".damaged")

    def _is_private(self) -> bool:
        try:
            return os.name == "nt" or not self.path.stat().st_mode & _OTHERS
        except FileNotFoundError:
            return True

    def _make_private(self) -> None:
        try:
            self.path.chmod(0o600)
        except PermissionError:  # somebody else's, root's for one; in a folder of ours a copy can take its place
            with self._locked():
                if (records := self._read()) is not None:
                    self._write(records)

    def _read(self) -> Records | None:
        """Return the records; None where the file is damaged."""
        try:
            data = _patiently(self.path.read_bytes)
        except FileNotFoundError:
            return {}
        try:
            value = json.loads(data)
            return {
                str(name): {str(key): Secret(_text(item)) for key, item in record.items()}
                for name, record in value.items()
            }
        except (ValueError, AttributeError, RecursionError):
            return None

    def _write(self, records: Records) -> None:
        # `mkstemp` makes it 0600; whoever reads meanwhile reads the old one or the new one, whole.
        descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name, suffix=".new")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(records, file, indent=1)
            _patiently(lambda: Path(temporary).replace(self.path))
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise

    def _locked(self) -> AbstractContextManager[None]:
        return held_briefly(self.path.with_name(self.path.name + ".lock"))


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
