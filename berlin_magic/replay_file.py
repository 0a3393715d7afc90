"""Replies to replay, out of a file: a notebook, a saved conversation or an export."""

from __future__ import annotations

from pathlib import Path

from berlin_magic import formats, notebook_file
from berlin_magic.errors import ReplayFileError
from berlin_magic.replay import Replays
from berlin_magic.turns import Turns

__all__ = ["replays_from"]


def replays_from(path: Path) -> Replays:
    """Return the replies that a file holds.

    Parameters
    ----------
    path : Path
        ``.ipynb``; ``.json`` of `Conversation.save`; or a list of messages (``.json``, ``.jsonl``), which tells no
        model and no options: there the messages alone decide.

    Raises
    ------
    ReplayFileError
        Where it can't be read, or is none of these.
    """
    replays = Replays()
    try:
        if path.suffix == ".ipynb":
            file = notebook_file.read(path)
            for record in (*file.records.values(), file.apart):
                turns = Turns()
                turns.read(record)
                replays.add_turns(turns.every_turn())
            return replays
        text = path.read_text(encoding="utf-8")
        record_ = formats.record_in(text) if path.suffix != ".jsonl" else None
        if record_ is None:
            replays.add_messages(formats.messages_in(text, path.suffix))
        else:
            turns = Turns()
            turns.read(record_)
            replays.add_turns(turns.every_turn())
    except OSError as error:
        raise ReplayFileError(f"Replies can't be replayed from {path}: {error.strerror}.\nCheck the path.") from None
    except ValueError as error:
        raise ReplayFileError(
            f"Replies can't be replayed from {path}: {error}.\nGive a notebook, or an export of a conversation."
        ) from None
    return replays
