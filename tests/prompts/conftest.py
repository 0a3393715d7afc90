"""What the tests of prompts share: none leaves a value behind that is still being described."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from berlin_magic.prompts import muting


@pytest.fixture(autouse=True)
def nothing_is_still_described() -> Iterator[None]:
    """Wait for the threads that a test has left, and hold it to having left none that never ends.

    While a value is described the streams of the process are replaced: the next test would see it.
    """
    yield
    for thread in threading.enumerate():
        if thread.name == "berlin_magic in_thread":
            thread.join(10)
            assert not thread.is_alive(), "a value is still being described"
    assert not isinstance(sys.stdout, muting._Stream)
