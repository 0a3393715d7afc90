"""Watch the processes that a check has started."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ["WINDOWS_FLAGS", "Descendants", "Printed", "Watch"]

_HEAD, _TAIL = 3000, 3000  # characters that are kept of what is printed
WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class Printed:
    """Printed output, of which the beginning and the end are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._head = b""
        self._tail = b""

    def add(self, data: bytes) -> None:
        """Append printed bytes."""
        self.count += len(data)
        room = _HEAD - len(self._head)
        if room > 0:
            self._head, data = self._head + data[:room], data[room:]
        self._tail = (self._tail + data)[-_TAIL:]

    def write(self, text: str) -> int:
        """Append text that the check prints."""
        self.add(text.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def __str__(self) -> str:
        left = self.count - len(self._head) - len(self._tail)
        middle = f"\n… {left:,} bytes …\n" if left > 0 else ""
        return self._head.decode(errors="replace") + middle + self._tail.decode(errors="replace")


class Descendants:
    """The processes that one process has started, directly or not.

    Parameters
    ----------
    process : psutil.Process
        The process; orphans among its descendants become its children.
    psutil : module
        The module, which is found by the paths of the order.
    """

    def __init__(self, process: Any, psutil: Any) -> None:
        self._process = process
        self._psutil = psutil
        self._seen: set[Any] = set()

    def alive(self) -> list[Any]:
        """Return those that still run.

        A process may start another between the listing and its own end. So there is none left only if all had ended
        before the listing, and it shows no new one.
        """
        while True:
            had_ended, known = not self._running(), len(self._seen)
            with contextlib.suppress(self._psutil.Error):
                self._seen.update(self._process.children(recursive=True))
            if (running := self._running()) or (had_ended and len(self._seen) == known):
                return running

    def _running(self) -> list[Any]:
        return [process for process in tuple(self._seen) if self._is_running(process)]

    def _is_running(self, process: Any) -> bool:
        try:
            return bool(process.is_running() and process.status() != self._psutil.STATUS_ZOMBIE)
        except self._psutil.Error:
            return False


class Watch:
    """The processes that the check has started, and their limits."""

    def __init__(self, order: Any, folder: Path) -> None:
        import psutil  # noqa: PLC0415 - found by the paths of the order

        self.psutil: Any = psutil
        self.printed = Printed()
        self.reason = ""
        self.ended = threading.Event()
        self._order = order
        self._folder = folder
        self._descendants = Descendants(psutil.Process(), psutil)
        self._deadline = time.monotonic() + order["seconds"]
        self.worker = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-B", "-X", "utf8", str(Path(__file__).with_name("__main__.py")), "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
            creationflags=WINDOWS_FLAGS,
        )

    def exceeded_limit(self) -> str:
        """Return a sentence about the limit that is exceeded; empty if none is."""
        order = self._order
        if time.monotonic() > self._deadline:
            return f"It did not end within {order['seconds']:g} seconds."
        if self.printed.count > order["output"]:
            return f"It printed more than {order['output'] // 1000:,} kB."
        alive = self.alive()
        if len(alive) > order["children"]:
            return f"It started more than {order['children']} processes."
        used = 0
        for process in alive:
            with contextlib.suppress(self.psutil.Error):
                used += process.memory_info().rss
        if used > order["memory"]:
            return f"It used more than {order['memory'] // 1_000_000:,} MB of memory."
        if _size(self._folder, order["disk"]) > order["disk"]:
            return f"It wrote more than {order['disk'] // 1_000_000:,} MB of files."
        return ""

    def alive(self) -> list[Any]:
        """Return the processes of the code that still run, the worker included."""
        return self._descendants.alive()

    def end(self, reason: str) -> None:
        """End the processes of the code; the first `reason` is kept."""
        self.reason = self.reason or reason
        self.kill()

    def kill(self) -> None:
        """Kill the processes of the code until none is left."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self.worker.pid, 9)
        for _ in range(500):
            if not (alive := self.alive()):
                break
            for process in alive:
                with contextlib.suppress(self.psutil.Error):
                    process.kill()
            time.sleep(0.002)


def _size(folder: Path, most: int) -> int:
    """Return the bytes in the files of a folder, each at least one block; stop counting above `most`."""
    size = 0
    folders = [folder]
    while folders and size <= most:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    size += max(entry.stat(follow_symlinks=False).st_size, 4096)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                if size > most:
                    break
    return size
