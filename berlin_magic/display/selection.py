"""Views: the ways to show one reply, and the choice between them.

Nothing slow is imported with this package; `prepare` imports what the view of a shell will need.
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

_HEARS_WHILE_AWAITING = 7  # ipykernel's first major version that takes comm messages while a cell is awaited


def open_view(
    shell: Any,
    *,
    stop: Callable[[], None] | None = None,
    awaited: bool = True,
    background: bool = False,
) -> View:
    """Return the view that fits the place where the cell runs; call it on the cell's own thread.

    Parameters
    ----------
    shell : InteractiveShell
        The user's shell.
    stop : callable, optional
        Ends the reply; called on the cell's event loop when the user clicks Stop.
    awaited : bool
        Whether the cell is a ``%%berlin`` cell that is awaited on the kernel's loop, and so shows nothing else. False
        where it blocks the loop or is called by other code.
    background : bool
        Whether the cell returns at once and the reply arrives while other cells run.

    Returns
    -------
    View
        In a terminal, text; under ``%%capture``, in an `ipywidgets.Output` and if no front end reads along, the final
        output alone; otherwise the live view.
    """
    if _is_terminal(shell):
        from berlin_magic.display.terminal import TerminalView  # noqa: PLC0415  # each place imports only its own

        return TerminalView()
    if not is_watched(shell):
        from berlin_magic.display.static import StaticView  # noqa: PLC0415

        return StaticView(shell)
    from berlin_magic.display.live import LiveView  # noqa: PLC0415

    request = shell.kernel.get_parent()
    return LiveView(
        shell,
        stop=stop,
        hears=background or (awaited and _hears_while_awaiting()),
        owns_cell=awaited or background,
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
    """Return whether someone sees the output grow. nbclient and papermill say so by ``allow_stdin: false``."""
    from IPython.core.displaypub import CapturingDisplayPublisher  # noqa: PLC0415  # not needed in a terminal

    if isinstance(shell.display_pub, CapturingDisplayPublisher):
        return False
    request = shell.kernel.get_parent()
    return bool(request.get("content", {}).get("allow_stdin", False)) and not _is_captured_by_widget(request)


def _is_captured_by_widget(request: Mapping[str, Any]) -> bool:
    """Whether the front end puts what is displayed now into an `ipywidgets.Output`, which ignores updates."""
    outputs = getattr(sys.modules.get("ipywidgets"), "Output", None)
    if outputs is None:
        return False
    from ipywidgets.widgets import widget  # noqa: PLC0415  # loaded already

    instances = list(getattr(widget, "_instances", {}).values())  # ipywidgets 8: no public name for them
    request_id = request.get("header", {}).get("msg_id")
    return any(isinstance(one, outputs) and one.msg_id == request_id for one in instances)


def _knows_updates(request: Mapping[str, Any]) -> bool:
    """Whether the front end is one that updates displays.

    JupyterLab, Notebook 7, VS Code and Colab send something of their own with a cell. jupyter console, qtconsole and
    Spyder send nothing, and show for ever what was displayed first.
    """
    return bool(request.get("metadata"))


def _cell(request: Mapping[str, Any]) -> str | None:
    found = (request.get("metadata") or {}).get("cellId")
    return found if isinstance(found, str) else None


def _hears_while_awaiting() -> bool:
    return int(version("ipykernel").split(".")[0]) >= _HEARS_WHILE_AWAITING
