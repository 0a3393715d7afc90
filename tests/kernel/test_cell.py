"""Which cell and which file each front end tells of, by the shape of its execute requests.

JupyterLab's, nbclient's and jupyter console's were seen; those of VS Code and Colab are as their sources and their
users' records have them, and were not run here.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from berlin_magic.kernel.cell import cell_of, path_of, source_of

HEADER = {"msg_id": "run-1", "session": "page-1"}
FILE = str(Path("folder/notebook.ipynb").absolute())
VS_CODE = {"cellId": f"vscode-notebook-cell:{FILE}#W2sZmlsZQ%3D%3D"}
COLAB = {"colab": {"cell_id": "AbCd_1-2"}}


def shell_with(metadata: dict[str, Any] | None, **names: object) -> SimpleNamespace:
    parent: dict[str, Any] = {"header": HEADER, "content": {"code": "%%berlin\nHello?"}}
    if metadata is not None:
        parent["metadata"] = metadata
    return SimpleNamespace(get_parent=lambda: parent, user_ns=names)


@pytest.mark.parametrize(
    ("metadata", "id_", "deleted"),
    [
        (
            {"cellId": "4a5b", "deletedCells": ["6c7d", "4a5b"], "trusted": True, "recordTiming": False},
            "4a5b",
            ("6c7d",),
        ),
        (VS_CODE, VS_CODE["cellId"], ()),
        (COLAB, "AbCd_1-2", ()),
        ({"colab": "something else"}, None, ()),
        ({}, None, ()),
        (None, None, ()),
    ],
    ids=["JupyterLab", "VS Code", "Colab", "unknown", "console", "nothing"],
)
def test_the_cell_is_the_one_that_the_front_end_names(metadata, id_, deleted):
    shell = shell_with(metadata)
    assert cell_of(shell) == (id_, "run-1", deleted, "page-1")
    assert source_of(shell) == "%%berlin\nHello?"


def test_the_file_is_told_by_vs_code_in_a_variable_and_by_jupyterlab_in_the_environment(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert path_of(shell_with(VS_CODE, __vsc_ipynb_file__=FILE)) == Path(FILE)
    assert path_of(shell_with(COLAB)) is None
    monkeypatch.setenv("JPY_SESSION_NAME", FILE)
    assert path_of(shell_with({"cellId": "4a5b"})) == Path(FILE)
    assert path_of(shell_with({})) is None, "a kernel that was started within a notebook inherits its environment"
