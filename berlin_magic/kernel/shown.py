"""The replies to the user's own code, which asks with ``show=True``."""

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
        """Prevent that IPython displays `value`, whose reply has been shown."""
        show_no_more(self._shell, value)


def show_no_more(shell: Any, value: object) -> None:
    """Do not display `value` if it is the last expression of the running cell; set ``Out`` and ``_`` as usual.

    The last expression goes to `sys.displayhook`, where IPython's own would at least write ``Out[n]:`` in a terminal.
    It is replaced until this value comes, or until the cell ends.
    """
    from berlin_magic.kernel.cell_result import set_out  # noqa: PLC0415 - loaded with the first question

    if shell is None:
        return
    former = sys.displayhook

    def display(result: object) -> None:
        if result is not value:
            former(result)
            return
        forget()
        if not shell.displayhook.quiet():  # a semicolon behind the expression
            set_out(shell, value)

    def forget(*_result: object) -> None:
        with suppress(ValueError):  # already unregistered
            shell.events.unregister("post_run_cell", forget)
        if sys.displayhook is display:
            sys.displayhook = former

    sys.displayhook = display
    shell.events.register("post_run_cell", forget)
