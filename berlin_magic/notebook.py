"""The notebook that a shell belongs to: its conversation, and the cell that is running."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from berlin_magic.chat import Conversation

__all__ = ["Cell", "cell_of", "conversation", "conversation_of"]

# Not kept by the magics: the conversation outlives `%reload_ext`.
_conversations: WeakKeyDictionary[Any, Conversation] = WeakKeyDictionary()


class Cell(NamedTuple):
    """The running cell: its id, where the front end tells it, and which execution this is."""

    id: str | None
    run: str | None


def conversation_of(shell: Any) -> Conversation:
    """Return the conversation of the notebook, or terminal session, that `shell` runs."""
    if shell not in _conversations:
        _conversations[shell] = Conversation()
    return _conversations[shell]


def conversation() -> Conversation:
    """Return the conversation of this notebook: the one that its ``%%berlin`` cells build.

    Raises
    ------
    RuntimeError
        Outside of IPython, where there is no notebook; make a `Conversation` of your own there.
    """
    from IPython import get_ipython  # noqa: PLC0415 - outside of IPython it is a slow import

    shell = get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    if shell is None:
        raise RuntimeError("No notebook here: outside of IPython, make a conversation with Conversation().")
    return conversation_of(shell)


def cell_of(shell: Any) -> Cell:
    """Return the cell that is running.

    JupyterLab sends the cell's nbformat id in the execute request's metadata as ``cellId``; nbclient, jupyter
    console and the terminal send none (platform page, "Which notebook, which cell").
    """
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    run = parent.get("header", {}).get("msg_id")
    return Cell(cell if isinstance(cell, str) and cell else None, run if isinstance(run, str) else None)
