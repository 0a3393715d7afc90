"""Asking the question of a cell: what is kept of it, come what may."""

from __future__ import annotations

import pytest

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.kernel import ask
from berlin_magic.kernel.notebook import Notebook


def test_a_reply_that_has_arrived_is_shown_whatever_fails_when_its_metadata_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("whatever it is")

    monkeypatch.setattr(ask, "output_record", fail)
    talk = Conversation()
    turn = talk.ask_in("a", "1", "Question?")
    notebook = Notebook(None)
    notebook.history = False
    assert ask._record(notebook, turn, talk, "", "source")["turn"] == turn.id
