"""Put text into the next cell, as far as the front end can.

A kernel asks for it with the payload ``set_next_input`` of its reply (ipykernel): JupyterLab, Notebook 7 and VS Code
insert a new cell, a terminal fills in the next prompt. None of them replaces the text of the next cell: ``replace``
means that of the asking cell. So our JupyterLab extension (`next_cell.js`) brings the new cell and the former one
together, and marks the asking cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from berlin_magic.display.selection import is_watched

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics

__all__ = ["put_into_next_cell"]


def put_into_next_cell(magics: BerlinMagics, text: str) -> str:
    """Put `text` into the next cell, and return a remark for the user. It is never run.

    If the same cell has done so before, the front end replaces that text if our extension is there.
    """
    shell: Any = magics.shell
    if not text:
        return "no Python code in the reply"
    if getattr(shell, "kernel", None) is None:
        shell.set_next_input(text)
        return "code at the next prompt"
    if not is_watched(shell):
        return "nobody is there to put the code into a cell: `-o` keeps the reply, with its code"
    parent = shell.get_parent()
    cell = (parent.get("metadata") or {}).get("cellId")
    replaces = _is_marked(parent)
    previous = magics.next_cells.get(cell) if cell else None
    if cell:
        magics.next_cells[cell] = text
    if previous == text and not replaces:
        return "the code is the same as before, and was not put into a cell again"
    shell.set_next_input(text)
    if previous is None or replaces:
        return "code in the next cell"
    return "code in a new cell: this front end can't replace that of the last run, below"


def _is_marked(parent: dict[str, Any]) -> bool:
    """Return whether our extension is there and knows the cell with the code: JupyterLab sends a cell's metadata."""
    marks = (parent.get("metadata") or {}).get("berlin")
    return isinstance(marks, dict) and bool(marks.get("code_cell"))
