"""Which conversation a kernel finds: notebooks that were never saved, and cells whose ids do not last."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from notebooks_on_disk import Cell, Kernel, question, save

Start = Callable[[Path | str | None], Kernel]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a kernel for a notebook's path; what kernels before it have stored is on the disk."""
    kernels: list[Kernel] = []

    def start(path: Path | str | None) -> Kernel:
        for kernel in kernels:
            kernel.end()
        kernels.append(Kernel(path, tmp_path / "conversations.db", monkeypatch))
        return kernels[-1]

    return start


def lasting(*names: str) -> list[Cell]:
    """Cells as JupyterLab has them since nbformat 4.5: it sends the ids that it saves."""
    return [Cell(question(name), name * 4, name * 4) for name in names]


def reopened_in_jupyterlab(*cells: Cell) -> None:
    """Give cells without lasting ids new ones, as JupyterLab does at each opening of nbformat 4.4 and of text."""
    for cell in cells:
        cell.sent, cell.id = str(uuid4()), None


def reopened_in_vs_code(path: Path, *cells: Cell) -> None:
    """Number the cells in the order of opening, as VS Code does."""
    for number, cell in enumerate(cells):
        cell.sent = f"vscode-notebook-cell:{path}#W{number}sZmlsZQ%3D%3D"


def test_a_notebook_that_was_never_saved_goes_on_after_its_kernel_has_died(start: Start, tmp_path: Path) -> None:
    path = save(tmp_path / "Untitled.ipynb")
    a, b, c = lasting(*"abc")
    start(path).run(a, b)
    again = start(path)
    again.run(c)
    assert again.asked == ["abc"] and again.told == []


def test_a_notebook_deleted_and_made_anew_before_it_was_ever_saved_is_another(start: Start, tmp_path: Path) -> None:
    path = save(tmp_path / "Untitled.ipynb")
    a, b, c = lasting(*"abc")
    start(path).run(a, b)
    path.unlink()
    save(path)
    again = start(path)
    again.run(c)
    assert again.asked == ["c"]


def test_a_new_file_with_the_inode_of_a_deleted_one_is_another(start: Start, tmp_path: Path) -> None:
    path = save(tmp_path / "Untitled.ipynb")
    a, c = lasting(*"ac")
    start(path).run(a)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10_000_000))
    again = start(path)
    again.run(c)
    assert again.asked == ["c"]


def test_a_notebook_renamed_before_it_was_ever_saved_goes_on(start: Start, tmp_path: Path) -> None:
    path = save(tmp_path / "Untitled.ipynb")
    a, b = lasting(*"ab")
    start(path).run(a)
    again = start(path.rename(tmp_path / "named.ipynb"))
    again.run(b)
    assert again.asked == ["ab"]


def test_the_cell_that_loads_the_extension_tells_which_notebook_it_is(start: Start, tmp_path: Path) -> None:
    path = save(tmp_path / "Untitled.ipynb")
    load, a, b = Cell("%load_ext berlin_magic", "load"), *lasting(*"ab")
    kernel = start(path)
    kernel.begin(load)
    kernel.run(a)
    save(path)  # written to, and still without a cell
    again = start(path)
    again.begin(load)
    again.run(b)
    assert again.asked == ["ab"]


def three_with_made_up_ids(start: Start, path: Path, minor: int = 4) -> tuple[Kernel, list[Cell]]:
    cells = [Cell(question(name)) for name in "abc"]
    reopened_in_jupyterlab(*cells)
    if path.suffix == ".ipynb":
        save(path, *cells, minor=minor)
    else:
        path.write_text("\n".join("# %%\n# %%berlin\n# " + cell.source.partition("\n")[2] for cell in cells))
    kernel = start(path)
    kernel.run(*cells)
    assert kernel.asked == ["a", "ab", "abc"]
    return kernel, cells


@pytest.mark.parametrize("outputs", [True, False], ids=["saved", "stripped"])
def test_ids_made_up_at_each_opening_do_not_double_turns(start: Start, tmp_path: Path, outputs: bool) -> None:
    path = tmp_path / "old.ipynb"
    _, cells = three_with_made_up_ids(start, path)
    for _ in range(2):
        save(path, *cells, minor=4, outputs=outputs)
        reopened_in_jupyterlab(*cells)
        again = start(path)
        again.run(cells[1], cells[1], cells[2])
        assert again.asked == ["ab", "ab", "abc"] and len(again.talk) == 3 and again.told == []


@pytest.mark.parametrize("suffix", [".py", ".md"])
def test_a_notebook_kept_as_text_goes_on_and_its_cells_replace_their_turns(
    start: Start, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"text{suffix}"
    _, cells = three_with_made_up_ids(start, path)
    reopened_in_jupyterlab(*cells)
    again = start(path)
    again.run(cells[1])
    assert again.asked == ["ab"] and [turn.prompt for turn in again.talk] == [f"Question {name}?" for name in "abc"]


def test_a_text_notebook_deleted_and_made_anew_is_another(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "text.py"
    three_with_made_up_ids(start, path)
    path.rename(tmp_path / "elsewhere.py")
    path.write_text("# %%\nprint('something else')\n")
    again = start(path)
    again.run(Cell(question("n"), str(uuid4())))
    assert again.asked == ["n"]


def test_a_text_notebook_that_an_editor_has_replaced_goes_on(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "text.py"
    _, cells = three_with_made_up_ids(start, path)
    text = path.read_text()
    path.rename(tmp_path / "backup.py")
    path.write_text(text.replace("Question c?", "Question C?"))
    again = start(path)
    reopened_in_jupyterlab(*cells)
    again.run(cells[0])
    assert again.asked == ["a"] and len(again.talk) == 3


def test_a_tab_closed_and_opened_again_over_a_living_kernel_doubles_nothing(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "old.ipynb"
    kernel, cells = three_with_made_up_ids(start, path)
    save(path, *cells, minor=4)
    reopened_in_jupyterlab(*cells)
    kernel.session = "of the new tab"
    kernel.run(cells[1])
    assert kernel.asked[3:] == ["ab"] and len(kernel.talk) == 3


def test_the_same_question_in_a_new_cell_is_asked_after_the_first(start: Start, tmp_path: Path) -> None:
    kernel, _ = three_with_made_up_ids(start, tmp_path / "old.ipynb")
    kernel.run(Cell(question("b"), str(uuid4())))
    assert kernel.asked[3:] == ["abcb"] and len(kernel.talk) == 4


def test_an_edited_cell_without_an_id_is_known_by_the_record_in_its_output(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "old.ipynb"
    _, cells = three_with_made_up_ids(start, path)
    cells[1].source = question("B")
    save(path, *cells, minor=4)
    reopened_in_jupyterlab(*cells)
    again = start(path)
    again.run(cells[1])
    assert again.asked == ["aB"] and len(again.talk) == 3


def test_two_cells_with_the_same_question_keep_their_places(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "old.ipynb"
    cells = [Cell(question(name)) for name in "abab"]
    reopened_in_jupyterlab(*cells)
    save(path, *cells, minor=4)
    start(path).run(*cells)
    for outputs in (True, False):
        save(path, *cells, minor=4, outputs=outputs)
        reopened_in_jupyterlab(*cells)
        again = start(path)
        again.run(*cells)
        assert again.asked == ["a", "ab", "aba", "abab"] and len(again.talk) == 4


def test_numbers_that_vs_code_gives_anew_replace_no_other_cells_turn(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "code.ipynb"
    cells = lasting(*"abc")
    save(path, *cells)
    reopened_in_vs_code(path, *cells)
    start(path).run(*cells)
    new = Cell(question("n"), id="nnnn")
    cells.insert(1, new)
    save(path, *cells)
    reopened_in_vs_code(path, *cells)
    again = start(path)
    again.run(new)
    assert again.asked == ["abcn"] and len(again.talk) == 4
    again.run(cells[2], cells[3])
    assert again.asked[1:] == ["ab", "abc"] and len(again.talk) == 4


def test_vs_code_opening_a_notebook_again_over_a_living_kernel_replaces_no_other_cells_turn(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "code.ipynb"
    cells = lasting(*"abc")
    save(path, *cells)
    reopened_in_vs_code(path, *cells)
    kernel = start(path)
    kernel.run(*cells)
    cells.insert(1, Cell(question("n"), id="nnnn"))
    save(path, *cells)
    reopened_in_vs_code(path, *cells)
    kernel.run(cells[1])
    assert kernel.asked[3:] == ["abcn"] and len(kernel.talk) == 4
    save(path, *cells)  # the order in the file is that of a new kernel alone
    kernel.run(cells[2], Cell(question("x"), f"vscode-notebook-cell:{path}#W9sZmlsZQ%3D%3D"))
    assert kernel.asked[4:] == ["ab", "abcnx"] and len(kernel.talk) == 5


def test_a_cell_edited_in_vs_code_keeps_its_place(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "code.ipynb"
    cells = lasting(*"abc")
    save(path, *cells)
    reopened_in_vs_code(path, *cells)
    kernel = start(path)
    kernel.run(*cells)
    cells[1].source = question("B")
    kernel.run(cells[1])
    assert kernel.asked[3:] == ["aB"]
    save(path, *cells)
    cells[1].source = question("D")
    kernel.run(cells[1])
    assert kernel.asked[4:] == ["aD"] and len(kernel.talk) == 3


@pytest.mark.parametrize("first", ["headless", "vs code"])
def test_what_another_front_end_has_asked_is_replaced_when_jupyterlab_runs_the_cell(
    start: Start, tmp_path: Path, first: str
) -> None:
    path = tmp_path / "n.ipynb"
    cells = lasting(*"abc")
    save(path, *cells)
    if first == "vs code":
        reopened_in_vs_code(path, *cells)
    else:
        for cell in cells:
            cell.sent = None
    start(path if first == "vs code" else None).run(*cells)
    for cell in cells:
        cell.sent = cell.id
    save(path, *cells)
    again = start(path)
    again.run(cells[1], cells[2])
    assert again.asked == ["ab", "abc"] and len(again.talk) == 3 and again.told == []


def test_a_cell_that_asked_twice_headless_is_replaced_as_a_whole(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    cells = lasting(*"abcd")
    for cell in cells:
        cell.sent = None
    headless = start(None)
    for cell in cells:
        headless.run(cell, times=2 if cell is cells[1] else 1)
    for cell in cells:
        cell.sent = cell.id
    save(path, *cells)
    again = start(path)
    again.run(cells[3], cells[2])
    assert again.asked == ["abbcd", "abbc"] and len(again.talk) == 5
    assert [place.number for place in again.talk.places] == [0, 1, 2, 3]
    after = start(path)
    after.run(cells[1])
    assert after.asked == ["ab"] and len(after.talk) == 4


def test_what_was_found_out_of_cells_in_a_session_is_known_to_the_next_kernel(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "code.ipynb"
    cells = lasting(*"abc")
    save(path)
    reopened_in_vs_code(path, *cells)
    kernel = start(path)
    kernel.run(*cells)  # none of them is in the file yet
    save(path, *cells)
    kernel.run(cells[2])
    for cell in cells:
        cell.sent = cell.id
    again = start(path)
    again.run(cells[1], cells[2])
    assert again.asked == ["ab", "abc"] and len(again.talk) == 3
