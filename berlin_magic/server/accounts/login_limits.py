"""The limits on attempts to log in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Attempt", "LoginLimits"]

_NAME = 200  # characters of a name that are kept
_SOON = 1.0  # seconds until a check that is under way has ended, roughly
_REMEMBERED = 10_000


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt to log in, which counts as refused until it has succeeded."""

    at: float
    address: str
    account: str
    pending: bool = True


class LoginLimits:
    """Counts the attempts to log in within a window of time that were refused or are being checked.

    An attempt counts before its password is checked, so that a hundred at once are a hundred.

    Parameters
    ----------
    each : int
        Attempts on one account in the window from one address, whatever comes from others.
    account : int
        Attempts on one account from all addresses together.
    address : int
        Attempts from one address on all accounts together: a class may share one.
    checks, address_checks : int
        Passwords that may be checked at a time, of all addresses and of one: each takes a processor for a while.
    window : float
        Seconds.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        *,
        each: int = 10,
        account: int = 50,
        address: int = 100,
        checks: int = 64,
        address_checks: int = 40,
        window: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = each
        self._account = account
        self._address = address
        self._checks = checks
        self._address_checks = address_checks
        self._window = window
        self._clock = clock
        self._tries: deque[Attempt] = deque(maxlen=_REMEMBERED)

    def wait(self, address: str, account: str) -> float:
        """Return the seconds until `account` may be tried again from `address`; 0 if it may be now."""
        now = self._clock()
        while self._tries and self._tries[0].at <= now - self._window:
            self._tries.popleft()
        return max(self._waits(address, account[:_NAME], now), default=0.0)

    def begin(self, address: str, account: str) -> Attempt:
        """Count one attempt, whose password is to be checked now."""
        attempt = Attempt(self._clock(), address, account[:_NAME])
        self._tries.append(attempt)
        return attempt

    def end(self, attempt: Attempt, *, succeeded: bool) -> None:
        """Record how `attempt` ended; one that succeeded no longer counts."""
        attempt.pending = False
        if succeeded and attempt in self._tries:
            self._tries.remove(attempt)

    def _waits(self, address: str, account: str, now: float) -> Iterator[float]:
        from_address = [one for one in self._tries if one.address == address]
        on_account = [one for one in self._tries if one.account == account]
        both = [one for one in from_address if one.account == account]
        for tries, most in ((both, self._each), (on_account, self._account), (from_address, self._address)):
            if len(tries) >= most:
                # Those that are being checked may yet be right, and count no more then.
                checked = any(one.pending for one in tries[-most:])
                yield _SOON if checked else tries[-most].at + self._window - now
        for tries, most in ((from_address, self._address_checks), (list(self._tries), self._checks)):
            if sum(one.pending for one in tries) >= most:
                yield _SOON
