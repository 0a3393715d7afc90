"""The events of a reply under the name that they had in release 0.1; they are at home in `messages`."""

from __future__ import annotations

from berlin_magic.messages import Event, Finish, Notice, Reasoning, Usage

__all__ = ["Event", "Finish", "Notice", "Reasoning", "Usage"]
