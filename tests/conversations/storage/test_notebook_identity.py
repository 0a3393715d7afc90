"""Which notebook it is, when path, file and store disagree: the rule of the documentation, case by case."""

from __future__ import annotations

from pathlib import Path

from berlin_magic.conversations.storage.database import Known
from berlin_magic.conversations.storage.notebook_file import NotebookFile
from berlin_magic.conversations.storage.notebook_identity import Identity, identified

HERE, THERE = Path("/notebooks/here.ipynb").absolute(), Path("/notebooks/there.ipynb").absolute()


class Registry:
    def __init__(self, *known: Known) -> None:
        self.known = known

    def notebooks(self, *, id_: str | None = None, path: str | None = None, cell: str | None = None) -> list[Known]:
        pathless = [one for one in self.known if not one.path and cell in one.cells]
        return [one for one in self.known if one.id == id_ or one.path == path] + pathless


def known(id_: str, path: Path, *cells: str) -> Known:
    return Known(id_, str(path), frozenset(cells))


def which(
    file: NotebookFile | None,
    *there: Known,
    path: Path | None = HERE,
    cell: str | None = None,
    ids: dict[Path, str] | None = None,
) -> Identity:
    return identified(path, file, cell, Registry(*there), lambda at: (ids or {}).get(at, ""))


def test_with_nothing_known_it_is_new_each_time() -> None:
    assert which(None).id != which(None).id
    assert which(NotebookFile(cells=["a"])).copy_of == ""
    assert which(None, known("X", THERE, "a"), path=None).id != "X"


def test_the_id_in_the_file_counts_wherever_it_lies() -> None:
    file = NotebookFile("X", ["a"])
    assert which(file) == Identity("X")
    assert which(file, known("X", THERE, "a")) == Identity("X"), "renamed: there is nothing there any more"
    assert which(file, known("Z", HERE, "a")) == Identity("X"), "another notebook was put at this path"
    assert which(file, known("X", THERE, "a"), ids={THERE: "Y"}) == Identity("X")


def test_where_the_original_still_lies_elsewhere_it_is_a_copy_with_an_id_of_its_own() -> None:
    file = NotebookFile("X", ["a"])
    found = which(file, known("X", THERE, "a"), ids={THERE: "X"})
    assert found.copy_of == "X" and found.id != "X"
    again = which(file, known("X", THERE, "a"), known(found.id, HERE, "a"), ids={THERE: "X"})
    assert again == Identity(found.id), "it was not saved since, and is the same fork"


def test_a_file_without_an_id_is_what_was_last_seen_there_if_they_share_a_cell() -> None:
    assert which(NotebookFile(cells=["a", "b"]), known("X", HERE, "b", "c")) == Identity("X")
    assert which(NotebookFile(cells=["n"]), known("X", HERE, "b", "c")).id != "X"


def test_without_a_readable_file_the_path_decides() -> None:
    assert which(None, known("X", HERE, "b")) == Identity("X")


def test_without_a_path_the_running_cell_tells_a_notebook_that_never_had_one() -> None:
    there = Known("X", "", frozenset("ab")), known("Y", HERE, "a")
    assert which(None, *there, path=None, cell="a") == Identity("X")
    assert which(None, *there, path=None, cell="n").id not in {"X", "Y"}
    assert which(None, *there, path=None).id not in {"X", "Y"}
