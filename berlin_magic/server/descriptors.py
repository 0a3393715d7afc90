"""File descriptors: how many connections this process may have open."""

from __future__ import annotations

import sys
from contextlib import suppress

__all__ = ["most_connections", "raise_limit"]

_MOST = 4_000
_OTHERS = 64  # files, the loop's own, and connections that are just being refused
_WANTED = (65_536, 10_240)  # macOS allows a process no more than the second, although it reports a higher limit

if sys.platform == "win32":  # it has no such limit

    def raise_limit() -> None:
        """Do nothing."""

    def most_connections() -> int:
        """Return how many clients can be connected at once."""
        return _MOST

else:
    import resource

    def raise_limit() -> None:
        """Let this process open as many files as the system allows it: 256 is macOS's default, and few for a class."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for wanted in _WANTED:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            if soft != resource.RLIM_INFINITY and soft < most:
                with suppress(ValueError, OSError):
                    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                    return

    def most_connections() -> int:
        """Return how many clients can be connected at once: a reply takes one connection to its engine besides."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, max(8, (soft - _OTHERS) // 2))
