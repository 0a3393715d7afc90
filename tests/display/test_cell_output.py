from __future__ import annotations

from display.recorded import RecordingShell

from berlin_magic.display.cell_output import CellOutput


def test_displays_stay_in_their_cell_when_another_one_runs():
    shell = RecordingShell()
    output = CellOutput(shell)
    output.show({"text/plain": "1"})
    shell.display_pub.parent_header = {"msg_id": "second"}
    output.show({"text/plain": "2"})
    assert [output["data"]["text/plain"] for output in shell.display_pub.cells["first"]] == ["1", "2"]
    assert "second" not in shell.display_pub.cells
    assert shell.display_pub.parent_header == {"msg_id": "second"}


def test_clearing_clears_the_own_cell_only():
    shell = RecordingShell()
    output = CellOutput(shell)
    output.show({"text/plain": "old"})
    shell.display_pub.parent_header = {"msg_id": "second"}
    shell.display_pub.publish({"text/plain": "theirs"})
    output.clear()
    output.show({"text/plain": "new"})
    assert [output["data"]["text/plain"] for output in shell.display_pub.cells["first"]] == ["new"]
    assert [output["data"]["text/plain"] for output in shell.display_pub.cells["second"]] == ["theirs"]
