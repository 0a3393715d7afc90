"""The running cell, as the front end describes it in the execute request.

What front ends send in the request's ``metadata`` and beside it, as tried or read in November 2026:

- JupyterLab and Notebook 7: ``cellId``, the cell's nbformat id; ``deletedCells``, the ids of those that were deleted
  since the last execution. ``JPY_SESSION_NAME`` in the kernel's environment is the absolute path; stale after a rename.
- nbformat 4.4 and older, and notebooks kept as text (jupytext's ``.py`` and ``.md``), have no cell ids in the file:
  JupyterLab makes up new ones each time it opens it.
- VS Code: ``cellId`` is ``vscode-notebook-cell:<path>#…``, numbered in the order of opening; the path is also in
  ``__vsc_ipynb_file__`` in the user's namespace (read in its source).
- Colab: ``metadata.colab.cell_id`` (likewise).
- nbclient, papermill, jupyter console, the terminal: nothing. As a kernel that is started from within a notebook
  inherits that notebook's ``JPY_SESSION_NAME``, the path only counts if a cell id is sent, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from berlin_magic.conversations.deserialization import id_or_none

__all__ = ["Cell", "as_running_cell", "cell_of", "path_of", "request_of", "source_of"]


class Cell(NamedTuple):
    """The running cell.

    Attributes
    ----------
    id, run : str or None
        Id of the cell, if the front end sends it, and id of this execution.
    deleted : tuple of str
        The ids of cells that were deleted since the last execution.
    session : str
        The front end's session: JupyterLab begins another one when it opens a notebook again.
    """

    id: str | None
    run: str | None
    deleted: tuple[str, ...] = ()
    session: str = ""


def cell_of(shell: Any) -> Cell:
    """Return the cell that is running."""
    parent = request_of(shell)
    metadata = parent.get("metadata") or {}
    colab = metadata.get("colab")
    id_ = metadata.get("cellId") or (colab.get("cell_id") if isinstance(colab, dict) else None)
    header = parent.get("header") or {}
    deleted = metadata.get("deletedCells")
    gone = [one for one in map(id_or_none, deleted) if one and one != id_] if isinstance(deleted, list) else []
    return Cell(id_or_none(id_), id_or_none(header.get("msg_id")), tuple(gone), id_or_none(header.get("session")) or "")


def path_of(shell: Any) -> Path | None:
    """Return the path of the notebook's file; None if the front end does not send it."""
    if cell_of(shell).id is None:
        return None
    names = shell.user_ns
    for path in (names.get("__vsc_ipynb_file__"), names.get("__session__"), os.environ.get("JPY_SESSION_NAME")):
        if isinstance(path, str) and Path(path).suffix in _NOTEBOOKS:
            return Path(path).absolute()
    return None


_NOTEBOOKS = {".ipynb", ".md", ".markdown", ".Rmd", ".qmd", ".py", ".R", ".jl"}
"""Suffixes of notebook files: Jupyter's own, and those of jupytext's text formats."""


def source_of(shell: Any) -> str:
    """Return the text of the cell that is running, as the front end has sent it."""
    code = (request_of(shell).get("content") or {}).get("code")
    return code if isinstance(code, str) else ""


@contextmanager
def as_running_cell(shell: Any, parent: Any) -> Iterator[None]:
    """Make the cell whose request is `parent` the running one, so that outputs go to it.

    Without it, the output of a background task goes to the cell that runs at that moment (ipykernel 6.31).
    """
    now = request_of(shell)
    if not parent or now == parent:
        yield
        return
    shell.set_parent(parent)
    try:
        yield
    finally:
        shell.set_parent(now)


def request_of(shell: Any) -> dict[str, Any]:
    """Return the execute request of the running cell; empty outside of a kernel."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    return parent if isinstance(parent, dict) else {}
