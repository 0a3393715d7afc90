"""Take rights from this process with Landlock, a part of Linux.

From Linux 5.13 on any process can give up rights, for itself and for the processes that it starts
(docs.kernel.org/userspace-api/landlock.html). Here it gives up the right to write outside of a folder, to read the
memory, environment and open files of processes that ran before, from Linux 6.12 on to send them signals, and the
further rights of root.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

__all__ = ["confine"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls, the same on every architecture
_VERSION, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_TRUNCATE, _SIGNALS = 3, 6  # versions of Landlock
# The rights of linux/landlock.h: WRITE_FILE, REMOVE_DIR, REMOVE_FILE, and those to make a file of any of seven kinds.
_WRITING = 1 << 1 | 1 << 4 | 1 << 5 | 0x7F << 6
_TO_TRUNCATE, _TO_FILES = 1 << 14, 1 << 1
_SCOPE_SIGNAL = 1 << 1
_WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the semaphores of `multiprocessing` are there
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, of linux/capability.h


def confine(folder: str) -> bool:
    """Let this process write only in `folder`; return whether the system supports that."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    writing = _WRITING | (_TO_TRUNCATE if version >= _TRUNCATE else 0)
    attributes = struct.pack("QQQ", writing, 0, _SCOPE_SIGNAL)
    size = len(attributes) if version >= _SIGNALS else 8  # bytes that the version knows
    rules = libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    files = writing & (_TO_FILES | _TO_TRUNCATE)
    for path, rights in [(folder, writing), (_SHARED_MEMORY, writing), *((name, files) for name in _WRITABLE_DEVICES)]:
        if Path(path).exists():
            descriptor = os.open(path, os.O_PATH)
            libc.syscall(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
            os.close(descriptor)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(
        struct.pack("Ii", _CAPABILITIES, 0), bytes(24)
    )  # else root can read the memory of any process, and more
    confined = libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(confined)
