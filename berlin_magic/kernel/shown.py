"""What the user's own code asks with ``show=True``: shown as the reply of a cell, once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from berlin_magic.conversations.turn import Turn
from berlin_magic.messages import Event

if TYPE_CHECKING:
    from berlin_magic.kernel.notebook import Notebook
    from berlin_magic.results.conversation import Conversation

__all__ = ["CellPresenter", "show_no_more"]


class CellPresenter:
    """Shows the replies of one conversation of a notebook (`berlin_magic.results.conversation.Presenter`)."""

    def __init__(self, shell: Any, notebook: Notebook, name: str) -> None:
        self._shell = shell
        self._notebook = notebook
        self._name = name

    async def show(
        self,
        talk: Conversation,
        turn: Turn,
        events: AsyncGenerator[Event, None],
        *,
        awaited: bool,
        readable: Callable[[str], str] | None,
    ) -> None:
        """Show a reply in the output of the running cell while it arrives."""
        from berlin_magic.kernel.ask import show_answer  # noqa: PLC0415 - loaded with the first question

        where = (self._shell, self._notebook, self._name)
        await show_answer(*where, talk, turn, events, awaited=awaited, readable=readable)

    def shown(self, value: object) -> None:
        """Take a value whose reply has been shown."""
        show_no_more(self._shell, value)


def show_no_more(shell: Any, value: object) -> None:
    """Let the running cell not display `value` if it is its last expression; ``Out`` and ``_`` are set all the same.

    IPython's display hook asks the formatter of ``_ipython_display_`` first, and displays nothing itself if that has.
    It knows types alone; so the function for the type looks whether it is this value, and is taken away again when it
    has been, or when the cell ends.
    """
    if shell is None:
        return
    printers: dict[type, Any] = shell.display_formatter.ipython_display_formatter.type_printers
    kind = type(value)
    former = printers.get(kind)

    def display(one: object) -> None:
        if one is value:
            forget()
        elif former is not None:
            former(one)
        else:
            raise NotImplementedError  # the formatter's word for "as usual"

    def forget(*_result: object) -> None:
        with suppress(ValueError):  # it is gone already
            shell.events.unregister("post_run_cell", forget)
        if printers.get(kind) is display:
            if former is None:
                del printers[kind]
            else:
                printers[kind] = former

    printers[kind] = display
    shell.events.register("post_run_cell", forget)
