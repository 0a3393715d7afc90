"""Choose the view for one reply.

This module imports nothing slow; `prepare` imports what the view of a shell needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from berlin_magic.display.view import View

__all__ = ["is_watched", "open_view", "prepare"]

_RECEIVES_WHILE_AWAITING = 7  # ipykernel's first major version that takes comm messages while a cell is awaited


def open_view(
    shell: Any,
    *,
    stop: Callable[[], None] | None = None,
    awaited: bool = True,
    background: bool = False,
    owns_cell: bool | None = None,
) -> View:
    """Return the view for the front end of the running cell; call it on the cell's own thread.

    Parameters
    ----------
    shell : InteractiveShell
        The user's shell.
    stop : callable, optional
        Ends the reply; called on the cell's event loop when the user clicks Stop.
    awaited : bool
        Whether the cell is a ``%%berlin`` cell that is awaited on the kernel's loop, and so has no other output. False
        if it blocks the loop, or other code has called it.
    background : bool
        Whether the cell returns at once and the reply arrives while other cells run.
    owns_cell : bool, optional
        Whether the cell has no other output; None for what `awaited` says.

    Returns
    -------
    View
        In a terminal, text; under ``%%capture``, in an `ipywidgets.Output` or without a front end, only the final
        output; otherwise the live view.
    """
    if _is_terminal(shell):
        from berlin_magic.display.terminal import TerminalView  # noqa: PLC0415  # import only the view that is needed

        return TerminalView()
    if not is_watched(shell):
        from berlin_magic.display.static import StaticView  # noqa: PLC0415

        return StaticView(shell)
    from berlin_magic.display.live import LiveView  # noqa: PLC0415

    request = shell.kernel.get_parent()
    return LiveView(
        shell,
        stop=stop,
        receives_messages=background or (awaited and _receives_while_awaiting()),
        owns_cell=(awaited or background) if owns_cell is None else owns_cell,
        updates=_knows_updates(request),
        cell=_cell(request),
    )


def prepare(shell: Any) -> None:
    """Import what `open_view` needs for `shell`; this is slow, so call it in a thread."""
    if _is_terminal(shell):
        needed = ["terminal"]
    elif not is_watched(shell):
        needed = ["static"]
    else:
        needed = ["live", "widget"]
    for name in needed:
        import_module(f"berlin_magic.display.{name}")


def _is_terminal(shell: Any) -> bool:
    return getattr(shell, "kernel", None) is None


def is_watched(shell: Any) -> bool:
    """Return whether a user sees the output grow. With nbclient and papermill ``allow_stdin`` is false."""
    from IPython.core.displaypub import CapturingDisplayPublisher  # noqa: PLC0415  # not needed in a terminal

    if isinstance(shell.display_pub, CapturingDisplayPublisher):
        return False
    request = shell.kernel.get_parent()
    return bool(request.get("content", {}).get("allow_stdin", False)) and not _is_captured_by_widget(request)


def _is_captured_by_widget(request: Mapping[str, Any]) -> bool:
    """Return whether an `ipywidgets.Output`, which ignores updates, captures what is displayed now."""
    outputs = getattr(sys.modules.get("ipywidgets"), "Output", None)
    if outputs is None:
        return False
    from ipywidgets.widgets import widget  # noqa: PLC0415  # loaded already

    instances = list(getattr(widget, "_instances", {}).values())  # ipywidgets 8: no public name for them
    request_id = request.get("header", {}).get("msg_id")
    return any(isinstance(one, outputs) and one.msg_id == request_id for one in instances)


def _knows_updates(request: Mapping[str, Any]) -> bool:
    """Return whether the front end updates displays.

    JupyterLab, Notebook 7, VS Code and Colab send metadata of their own with a cell. jupyter console, qtconsole and
    Spyder send none, and ignore updates.
    """
    return bool(request.get("metadata"))


def _cell(request: Mapping[str, Any]) -> str | None:
    found = (request.get("metadata") or {}).get("cellId")
    return found if isinstance(found, str) else None


def _receives_while_awaiting() -> bool:
    return int(version("ipykernel").split(".")[0]) >= _RECEIVES_WHILE_AWAITING
