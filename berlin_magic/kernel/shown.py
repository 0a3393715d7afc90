"""What the user's own code asks with ``show=True``: shown as the reply of a cell, once."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from berlin_magic.kernel.notebook import Notebook
    from berlin_magic.results.conversation import IncomingReply

__all__ = ["CellPresenter", "show_no_more"]


class CellPresenter:
    """Shows the replies of one conversation of a notebook (`berlin_magic.results.conversation.Presenter`)."""

    def __init__(self, shell: Any, notebook: Notebook, name: str) -> None:
        self._shell = shell
        self._notebook = notebook
        self._name = name

    async def show(self, incoming: IncomingReply) -> None:
        """Show a reply in the output of the running cell while it arrives."""
        from berlin_magic.kernel.ask import show_answer  # noqa: PLC0415 - loaded with the first question

        await show_answer(self._shell, self._notebook, self._name, incoming)

    def shown(self, value: object) -> None:
        """Take a value whose reply has been shown."""
        show_no_more(self._shell, value)


def show_no_more(shell: Any, value: object) -> None:
    """Let the running cell not display `value` if it is its last expression; ``Out`` and ``_`` are set all the same.

    The last expression goes to `sys.displayhook`, where IPython's own would at least write ``Out[n]:`` in a terminal.
    Another stands before it until it has seen this value, or until the cell ends.
    """
    from berlin_magic.kernel.cell_result import set_out  # noqa: PLC0415 - loaded with the first question

    if shell is None:
        return
    former = sys.displayhook

    def display(one: object) -> None:
        if one is not value:
            former(one)
            return
        forget()
        if not shell.displayhook.quiet():  # a semicolon behind the expression
            set_out(shell, value)

    def forget(*_result: object) -> None:
        with suppress(ValueError):  # it is gone already
            shell.events.unregister("post_run_cell", forget)
        if sys.displayhook is display:
            sys.displayhook = former

    sys.displayhook = display
    shell.events.register("post_run_cell", forget)
