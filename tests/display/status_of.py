"""A status, with the few fields that a test cares about."""

from __future__ import annotations

from berlin_magic.display.view import Status


def status_of(state="streaming", characters=0, elapsed=2.0, notes=(), model="gpt-test"):
    return Status(state, model, "Test", elapsed, characters, notes)
