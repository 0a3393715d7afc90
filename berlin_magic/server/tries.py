"""Login tries: how often a wrong password may be tried."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["LoginTries"]

_NAME = 200  # characters of a name that are kept


class LoginTries:
    """Counts refused logins within a window of time, for each account and for the server as a whole.

    Parameters
    ----------
    each : int
        Refused logins that one account may have in the window.
    total : int
        Refused logins that all accounts together may have in the window; bounds the memory, too.
    window : float
        Seconds.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        *,
        each: int = 10,
        total: int = 300,
        window: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = each
        self._total = total
        self._window = window
        self._clock = clock
        self._refused: deque[tuple[float, str]] = deque(maxlen=total)

    def wait(self, account: str) -> float:
        """Return the seconds until `account` may be tried again; 0 where it may be now."""
        now = self._clock()
        while self._refused and self._refused[0][0] <= now - self._window:
            self._refused.popleft()
        mine = [at for at, name in self._refused if name == account[:_NAME]]
        blocking = [mine[-self._each]] if len(mine) >= self._each else []
        if len(self._refused) >= self._total:
            blocking.append(self._refused[0][0])
        return max((at + self._window - now for at in blocking), default=0.0)

    def refused(self, account: str) -> None:
        """Count one refused login of `account`."""
        self._refused.append((self._clock(), account[:_NAME]))
