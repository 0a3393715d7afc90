"""Which notebook it is, when path, file and store disagree: the rule of the documentation, case by case."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from berlin_magic.conversations.storage.database import Known
from berlin_magic.conversations.storage.notebook_file import FileCell, NotebookFile
from berlin_magic.conversations.storage.notebook_identity import Stamp, identified, path_text, stamp_of

HERE, THERE = Path("/notebooks/here.ipynb").absolute(), Path("/notebooks/there.ipynb").absolute()
STAMP, OTHER, NO_FILE = Stamp("1:10:", "100:5"), Stamp("1:11:", "200:5"), Stamp()


class Registry:
    def __init__(self, *known: Known) -> None:
        self.known = known

    def notebooks(self, *, path: str = "", file: str = "", cell: str = "") -> list[Known]:
        return [
            one
            for one in self.known
            if (path and one.path == path) or (file and one.file == file) or (not one.path and cell in one.cells)
        ]


def known(id_: str, path: Path | None, *cells: str, stamp: Stamp = NO_FILE) -> Known:
    return Known(id_, path_text(path), dict.fromkeys(cells, ""), *stamp)


def file_of(*cells: str, ids: tuple[str, ...] = ()) -> NotebookFile:
    return NotebookFile(list(ids), cells=[FileCell(cell, "") for cell in cells])


def which(
    file: NotebookFile | None,
    *there: Known,
    path: Path | None = HERE,
    stamp: Stamp = STAMP,
    cells: tuple[str, ...] = (),
    mentions_question: Callable[[Known], bool] | None = None,
) -> str:
    return identified(path, stamp, file, cells, Registry(*there), mentions_question=mentions_question)


def test_with_nothing_known_it_is_new_each_time() -> None:
    assert which(None) != which(None)
    assert which(None, known("X", THERE, "a"), path=None) != "X"


def test_an_id_in_a_file_is_taken_if_the_notebook_was_last_seen_at_its_path() -> None:
    assert which(file_of("a", ids=("X",)), known("X", HERE, "b", stamp=OTHER)) == "X"


def test_an_id_in_a_file_is_taken_if_the_file_was_moved() -> None:
    assert which(file_of("a", ids=("X",)), known("X", THERE, "b", stamp=STAMP)) == "X"


@pytest.mark.parametrize(
    "there",
    [
        (),
        (known("X", THERE, "a"),),
        (known("X", THERE, "a", stamp=OTHER),),
        (known("X", None, "a"),),
        (known("Y", HERE, "b"), known("X", THERE, "a", stamp=OTHER)),
    ],
    ids=["unknown", "elsewhere", "another file", "headless", "another notebook here"],
)
def test_an_id_in_any_other_file_proves_nothing(there: tuple[Known, ...]) -> None:
    assert which(file_of("a", ids=("X",)), *there) not in {"X", "Y"}


def test_a_fork_that_was_not_saved_since_is_found_again() -> None:
    original = known("X", THERE, "a", stamp=OTHER)
    assert which(file_of("a", ids=("X",)), original, known("F", HERE, "a")) == "F"
    assert which(file_of("a", ids=("X",)), original, known("F", HERE, "n", stamp=STAMP)) == "F"
    assert which(file_of("a", ids=("X", "F")), original, known("F", HERE, "n")) == "F"


def test_a_file_that_names_no_notebook_is_what_was_last_seen_there_if_they_share_a_cell() -> None:
    assert which(file_of("a", "b"), known("X", HERE, "b", "c")) == "X"
    assert which(file_of("n"), known("X", HERE, "b", "c")) != "X"


def test_a_notebook_that_was_never_saved_is_known_by_its_file_while_nobody_writes_to_it() -> None:
    assert which(file_of(), known("X", HERE, "a", stamp=STAMP)) == "X"
    assert which(file_of(), known("X", THERE, "a", stamp=STAMP)) == "X", "renamed before it was ever saved"
    assert which(file_of(), known("X", HERE, "a", stamp=OTHER)) != "X"
    assert which(file_of(), known("X", HERE, "a", stamp=Stamp(STAMP.file, "300:5"))) != "X", "its inode was used again"


def test_a_cell_that_has_run_in_this_kernel_tells_which_notebook_it_is() -> None:
    assert which(file_of(), known("X", HERE, "load", "a", stamp=OTHER), cells=("load",)) == "X"
    assert which(file_of(), known("X", HERE, "load", "a", stamp=OTHER), cells=("n",)) != "X"


def test_without_a_file_the_path_decides() -> None:
    assert which(None, known("X", HERE, "b"), stamp=Stamp()) == "X"


def test_a_text_notebook_is_the_same_file_or_tells_of_what_was_asked() -> None:
    there = known("X", HERE, stamp=OTHER)
    assert which(None, there, stamp=OTHER, mentions_question=lambda _: False) == "X"
    assert which(None, there, mentions_question=lambda one: one.id == "X") == "X"
    assert which(None, there, mentions_question=lambda _: False) != "X"


def test_without_a_path_the_running_cell_tells_a_notebook_that_never_had_one() -> None:
    there = known("X", None, "a", "b"), known("Y", HERE, "a")
    assert which(None, *there, path=None, cells=("a",)) == "X"
    assert which(None, *there, path=None, cells=("n",)) not in {"X", "Y"}
    assert which(None, *there, path=None) not in {"X", "Y"}


def test_a_stamp_says_whether_a_file_is_the_same_and_whether_it_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text('{"cells": []}')
    before = stamp_of(path)
    assert before.file and before == stamp_of(path)
    renamed = path.rename(tmp_path / "renamed.ipynb")
    assert stamp_of(renamed) == before
    copied = Path(shutil.copy2(renamed, path))
    assert stamp_of(copied).file != before.file
    status = renamed.stat()
    renamed.write_text('{"cells": [] }')
    os.utime(renamed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert stamp_of(renamed).file == before.file and stamp_of(renamed).state != before.state
    assert stamp_of(tmp_path / "nothing") == stamp_of(None) == Stamp()
