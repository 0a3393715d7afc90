"""Terminal IPython, in a real terminal (tmux): the reply streams as text, and Ctrl-C ends it with one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]


class Terminal:
    """One IPython in one tmux session."""

    def __init__(self, folder: Path) -> None:
        self._socket = f"berlin-{uuid.uuid4().hex}"
        keep = {name: value for name, value in os.environ.items() if not name.startswith("BERLIN_")}
        self._environment = keep | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder), "TERM": "xterm-256color"}
        for name in ("BERLIN_STATE_DIR", "BERLIN_DATA_DIR", "BERLIN_MODELS"):
            self._environment[name] = str(folder / name)
        command = f"{sys.executable} -m IPython --no-banner --no-confirm-exit"
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", "100", "-y", "50", command)
        self.wait(lambda screen: "In [1]:" in screen)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            env=self._environment,
        )
        return done.stdout

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-S", "-200")

    def wait(self, condition: Callable[[str], bool], timeout: float = 30) -> str:
        end = time.monotonic() + timeout
        while not condition(screen := self.screen):
            assert time.monotonic() < end, screen
            time.sleep(0.05)
        return screen

    def enter(self, *lines: str, prompt: int | None) -> None:
        """Type a cell and run it; wait for the next prompt, numbered `prompt`, where there is one to wait for."""
        for line in lines[:-1]:
            self._tmux("send-keys", "-l", line)
            self._tmux("send-keys", "Enter")
        self._tmux("send-keys", "-l", lines[-1])
        self._tmux("send-keys", "Escape", "Enter")
        if prompt is not None:
            self.wait(lambda screen: f"In [{prompt}]:" in screen)

    def key(self, name: str) -> None:
        self._tmux("send-keys", name)

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("tmux is not installed")
        pytest.skip("tmux is not installed: no terminal to try")
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_the_reply_streams_as_text_and_ctrl_c_ends_it_with_one_line(terminal: Terminal) -> None:
    terminal.enter("%load_ext berlin_magic", prompt=2)
    terminal.enter("%%berlin", "a long answer", prompt=None)
    growing = terminal.wait(lambda screen: "A tour of the documentation" in screen)
    assert "In [3]:" not in growing  # it is still arriving
    terminal.key("C-c")
    screen = terminal.wait(lambda screen: "In [3]:" in screen)
    assert screen.count("Interrupted; what had arrived is kept, in the conversation too.") == 1
    assert "Traceback" not in screen
    terminal.enter("%berlin history", prompt=4)
    assert "you: a long answer" in terminal.screen.rpartition("%berlin history")[2]
    terminal.enter("1 + 1", prompt=5)
    assert "Out[4]: 2" in terminal.screen


def after(terminal: Terminal, command: str) -> str:
    """Return what stands on the screen below the last time that `command` was entered."""
    return terminal.screen.rpartition(command)[2]


def test_cells_as_people_write_them_and_commands_in_a_terminal(terminal: Terminal) -> None:
    terminal.enter("%load_ext berlin_magic", prompt=2)
    terminal.enter("  %%Berlin", "  What is it?", prompt=3)
    assert "built-in guide" in after(terminal, "What is it?")
    terminal.enter("%%berlin What's this?", "", prompt=4)
    assert "built-in guide" in after(terminal, "%%berlin What's this?")
    terminal.enter("%berlin What is this?", prompt=5)
    told = after(terminal, "In [4]: %berlin What is this?")
    assert "nothing was sent" in told and "%%berlin" in told and "Traceback" not in told
    terminal.enter("%berlin continue please", prompt=6)
    assert "'please' is one word too many" in after(terminal, "%berlin continue please")
    terminal.enter("get_ipython().run_cell_magic('berlin', '', 'half \\ud83d')", prompt=7)
    told = after(terminal, "ud83d')")
    assert "half a character" in told and "Traceback" not in told
    terminal.enter("%berlin show 1", prompt=8)
    assert "built-in guide" in after(terminal, "%berlin show 1")
    terminal.enter("%berlin", prompt=9)
    assert "2 turns" in after(terminal, "In [8]: %berlin")
    terminal.enter("Out[2].finish, _2 == Out[2], 8 in Out", prompt=10)
    assert "Out[9]: ('complete', True, False)" in terminal.screen


def test_what_code_asks_is_shown_once_and_is_the_value_of_its_cell(terminal: Terminal) -> None:
    terminal.enter("%load_ext berlin_magic", prompt=2)
    terminal.enter("talk = __import__('berlin_magic').conversation()", prompt=3)
    terminal.enter("await talk.ask('What is it?', show=True)", prompt=4)
    told = after(terminal, "show=True)")
    assert told.count("built-in guide") == 1 and "Out[3]" not in told
    terminal.enter("_.finish, _3 is _, Out[3] is _", prompt=5)
    assert "('complete', True, True)" in terminal.screen
    terminal.enter("talk.ask_sync('What is it?', show=True)", prompt=6)
    assert "Out[5]" not in after(terminal, "ask_sync")
    terminal.enter("_.finish, 5 in Out", prompt=7)
    assert "Out[6]: ('complete', True)" in terminal.screen
    terminal.enter("_[0], _[1]; _6", prompt=8)
    assert "Out[7]: ('complete', True)" in terminal.screen  # other values are shown as ever


def test_python_m_berlin_magic_enable_gives_every_ipython_the_magic(terminal: Terminal, tmp_path: Path) -> None:
    terminal.enter(f"!{sys.executable} -m berlin_magic enable", prompt=2)
    assert "Changed" in after(terminal, "berlin_magic enable")
    again = Terminal(tmp_path)
    try:
        again.enter("%berlin", prompt=2)
        assert "berlin-guide" in after(again, "In [1]: %berlin")
    finally:
        again.close()
