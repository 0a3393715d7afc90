"""Landlock: a process of Linux gives up rights, for itself and for all that it starts.

From Linux 5.13 on any process may do so (docs.kernel.org/userspace-api/landlock.html). What is given up here is to
write outside of a folder, to look into processes from before (their memory, environment and open files), and, from
Linux 6.12 on, to send signals to them; and what root may do beyond that.
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
_OF_ALL = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
_OF_SEMAPHORES = "/dev/shm"  # noqa: S108 - where those of `multiprocessing` are
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, of linux/capability.h


def confine(folder: str) -> bool:
    """Let this process write in `folder` alone; return whether the system can do that."""
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
    for path, rights in [(folder, writing), (_OF_SEMAPHORES, writing), *((name, files) for name in _OF_ALL)]:
        if Path(path).exists():
            where = os.open(path, os.O_PATH)
            libc.syscall(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", rights, where), 0)
            os.close(where)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(
        struct.pack("Ii", _CAPABILITIES, 0), bytes(24)
    )  # else root can read the memory of any process, and more
    confined = libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(confined)
