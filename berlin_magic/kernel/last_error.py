"""The last error of the user's own code, and the cell that raised it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import Interrupted
from berlin_magic.conversations.storage.cell_source import questions_in
from berlin_magic.errors import BerlinError

__all__ = ["Failure", "LastFailure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, and the source of the cell that raised it; empty if that is not known."""

    error: BaseException
    source: str = ""


class LastFailure:
    """Remembers the last error of a cell. Errors of our own magics are left out: a question is seldom about them.

    Python's `sys.last_value` does not fit: IPython puts the errors of mistyped magics there, too.
    """

    def __init__(self) -> None:
        self._found: Failure | None = None
        self._ignored = (UsageError, BerlinError, Interrupted)

    @property
    def found(self) -> Failure | None:
        """The last error; without a source if it was raised before the extension was loaded."""
        if self._found is None and isinstance(error := getattr(sys, "last_value", None), BaseException):
            return None if isinstance(error, self._ignored) else Failure(error)
        return self._found

    def after_cell(self, result: Any) -> None:
        """Record how a cell has ended; for IPython's event ``post_run_cell``."""
        error = result.error_before_exec or result.error_in_exec
        source = getattr(result.info, "raw_cell", None) or ""
        if isinstance(error, BaseException) and not isinstance(error, self._ignored) and not questions_in(source):
            self._found = Failure(error, source)
