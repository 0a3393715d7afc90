"""What a front end is asked to put into the next cell."""

from __future__ import annotations

from typing import Any

from shells import new_shell

from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.next_cell import put_into_next_cell


class Notebook:
    """A shell in a kernel whose front end watches, and sends the metadata of the running cell."""

    kernel: Any = None
    display_pub = None

    def __init__(self) -> None:
        self.kernel = self
        self.metadata: dict[str, Any] = {"cellId": "a"}
        self.put: list[str] = []

    def get_parent(self) -> dict[str, Any]:
        return {"content": {"allow_stdin": True}, "metadata": self.metadata, "header": {"msg_id": "1"}}

    def set_next_input(self, text: str) -> None:
        self.put.append(text)


class Magics:
    def __init__(self) -> None:
        self.shell = Notebook()
        self.next_cells: dict[str, str] = {}

    def put(self, text: str) -> str:
        return put_into_next_cell(self, text)  # type: ignore[arg-type]


def test_a_terminal_fills_in_the_next_prompt() -> None:
    shell = new_shell()

    assert put_into_next_cell(BerlinMagics(shell), "x = 1") == "code at the next prompt"
    assert shell.rl_next_input == "x = 1"


def test_a_front_end_that_can_not_replace_is_said_to_keep_the_former_cell() -> None:
    magics = Magics()

    assert magics.put("x = 1") == "code in the next cell"
    assert "same as before" in magics.put("x = 1")
    assert "can't replace" in magics.put("x = 2")
    assert magics.shell.put == ["x = 1", "x = 2"]


def test_our_extension_replaces_and_so_is_always_given_the_code() -> None:
    magics = Magics()
    magics.put("x = 1")
    magics.shell.metadata["berlin"] = {"code_cell": "b"}

    assert magics.put("x = 1") == magics.put("x = 2") == "code in the next cell"
    assert magics.shell.put == ["x = 1", "x = 1", "x = 2"]


def test_without_code_nothing_is_put_anywhere() -> None:
    magics = Magics()

    assert magics.put("") == "no Python code in the reply"
    assert magics.shell.put == []
