"""What the code of a check has started: its processes, watched and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ["Printed", "Watch"]

_HEAD, _TAIL = 3000, 3000  # characters that are kept of what is printed
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class Printed:
    """What was printed: its beginning and its end, and how much it was."""

    def __init__(self) -> None:
        self.count = 0
        self._head = b""
        self._tail = b""

    def add(self, data: bytes) -> None:
        """Take more."""
        self.count += len(data)
        room = _HEAD - len(self._head)
        if room > 0:
            self._head, data = self._head + data[:room], data[room:]
        self._tail = (self._tail + data)[-_TAIL:]

    def write(self, text: str) -> int:
        """Take what the check prints."""
        self.add(text.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def __str__(self) -> str:
        left = self.count - len(self._head) - len(self._tail)
        middle = f"\n… {left:,} bytes …\n" if left > 0 else ""
        return self._head.decode(errors="replace") + middle + self._tail.decode(errors="replace")


class Watch:
    """Everything that the check has started, with its limits; it ends what exceeds them."""

    def __init__(self, order: Any, folder: Path) -> None:
        import psutil  # noqa: PLC0415 - found by the paths of the order

        self.psutil: Any = psutil
        self.printed = Printed()
        self.reason = ""
        self.ended = threading.Event()
        self._order = order
        self._folder = folder
        self._me = psutil.Process()
        self._seen: set[Any] = set()
        self._latest = time.monotonic() + order["seconds"]
        self.worker = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-B", "-X", "utf8", str(Path(__file__).with_name("__main__.py")), "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
            creationflags=_WINDOWS_FLAGS,
        )

    def look(self) -> str:
        """Return which limit is exceeded; empty for none."""
        order = self._order
        if time.monotonic() > self._latest:
            return f"It did not end within {order['seconds']:g} seconds."
        if self.printed.count > order["output"]:
            return f"It printed more than {order['output'] // 1000:,} kB."
        alive = self.alive()
        if len(alive) > order["children"]:
            return f"It started more than {order['children']} processes."
        held = 0
        for one in alive:
            with contextlib.suppress(self.psutil.Error):
                held += one.memory_info().rss
        if held > order["memory"]:
            return f"It used more than {order['memory'] // 1_000_000:,} MB of memory."
        if _size(self._folder, order["disk"]) > order["disk"]:
            return f"It wrote more than {order['disk'] // 1_000_000:,} MB of files."
        return ""

    def alive(self) -> list[Any]:
        """Return the processes that the code has started and that have not ended, its own included."""
        with contextlib.suppress(self.psutil.Error):
            self._seen.update(self._me.children(recursive=True))
        return [one for one in self._seen if self._is_alive(one)]

    def _is_alive(self, one: Any) -> bool:
        try:
            return bool(one.is_running() and one.status() != self.psutil.STATUS_ZOMBIE)
        except self.psutil.Error:
            return False

    def end(self, reason: str) -> None:
        """End the code and all that it has started, if that has not been done; `reason` says why."""
        self.reason = self.reason or reason
        self.kill()

    def kill(self) -> None:
        """Kill what the code has started, until nothing is left of it."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self.worker.pid, 9)
        for _ in range(500):
            if not (alive := self.alive()):
                break
            for one in alive:
                with contextlib.suppress(self.psutil.Error):
                    one.kill()
            time.sleep(0.002)


def _size(folder: Path, most: int) -> int:
    """Return the bytes in the files of a folder; a file counts for one block at least."""
    size = 0
    waiting = [folder]
    while waiting and size <= most:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    size += max(entry.stat(follow_symlinks=False).st_size, 4096)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                if size > most:
                    break
    return size
