"""Notebooks without a kernel: files as front ends write them, and what a kernel's notebook makes of the cells run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.storage.notebook_file import command_record, output_record
from berlin_magic.display.static import Rendered, final_output
from berlin_magic.display.view import Status
from berlin_magic.kernel.notebook import Notebook
from berlin_magic.messages import Text


class Shell:
    """As much of a shell as a notebook needs: what the front end tells of the running cell."""

    def __init__(self) -> None:
        self.user_ns: dict[str, object] = {}
        self.parent: dict[str, Any] = {}

    def get_parent(self) -> dict[str, Any]:
        return self.parent


@dataclass
class Cell:
    """A cell of a notebook: the id that a front end sends for it now, its source, its outputs."""

    source: str
    sent: str | None = None
    id: str | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def question(name: str) -> str:
    return f"%%berlin\nQuestion {name}?"


class Kernel:
    """What a kernel does with the cells that a front end sends, with no server: each question gets an answer."""

    numbers = count(1)

    def __init__(self, path: Path | str | None, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JPY_SESSION_NAME", str(path or ""))
        self.shell = Shell()
        self.book = Notebook(self.shell)
        self.book.database = str(database)
        self.session = "session"
        self.told: list[str] = []
        self.sent: list[list[dict[str, Any]]] = []

    @property
    def asked(self) -> list[str]:
        """The questions that each request held, a letter each."""
        return [
            "".join(
                str(message["content"]).split()[1].rstrip("?")
                for message in messages
                if message["role"] == "user" and str(message["content"]).startswith("Question ")
            )
            for messages in self.sent
        ]

    def run(self, *cells: Cell, answer: str = "", times: int = 1) -> None:
        """Run cells that ask; `times` is how often each does."""
        for cell in cells:
            self.begin(cell)
            book = self.book
            book.open()
            here, talk = book.cell(), book.conversation()
            cell.outputs = []
            for _ in range(times):
                book.move_cell(here, talk)
                turn = talk.ask_in(here.id, here.run, cell.source.partition("\n")[2])
                book.announce(talk)
                self.told += book.take_warnings()
                self.sent.append(turn.asked)
                number = next(self.numbers)
                turn.take(Text(answer or f"Answer {number}."))
                turn.model, turn.provider, turn.request = "m", "p", f"request {number}"
                talk.end(turn, "complete", ended=2.0)
                metadata = output_record(talk, turn, notebook=book.id, source=cell.source)
                status = Status("complete", "m", "p", 0.1, turn.length, (), "", "")
                data, about = final_output(Rendered.of(turn.reply), status, metadata)
                cell.outputs.append({"output_type": "display_data", "data": data, "metadata": about})

    def command(self, cell: Cell) -> None:
        """Run a cell with `%berlin system …` or `%berlin reset`."""
        self.begin(cell)
        self.book.open()
        here, talk = self.book.cell(), self.book.conversation()
        self.book.move_cell(here, talk)
        word, _, rest = cell.source.removeprefix("%berlin ").partition(" ")
        if word == "system":
            talk.set_system(rest, cell=here.id, run=here.run)
        else:
            talk.reset(cell=here.id, run=here.run)
        place = talk.place_of_cell(here.id)
        assert place is not None
        record = command_record(talk, place.current.events, notebook=self.book.id)
        cell.outputs = [{"output_type": "display_data", "data": {"text/plain": "done"}, "metadata": {"berlin": record}}]

    def begin(self, cell: Cell) -> None:
        metadata = {"cellId": cell.sent} if cell.sent else {}
        header = {"msg_id": f"run {next(self.numbers)}", "session": self.session}
        self.shell.parent = {"header": header, "metadata": metadata, "content": {"code": cell.source}}
        if self.book._loading_cell is None and self.book._opened is None:  # the shell has no cell when a test makes it
            self.book._loading_cell = cell.sent
            self.book._path = None
        self.book.before_cell()

    @property
    def talk(self) -> Conversation:
        self.book.open()
        return self.book.conversation()

    def end(self) -> None:
        """Have everything on the disk, as when the process ends."""
        assert self.book.store is None or self.book.store.flush()


def save(path: Path, *cells: Cell, minor: int = 5, outputs: bool = True) -> Path:
    """Write a notebook file as a front end does."""
    entries = [
        {
            "cell_type": "code",
            **({"id": cell.id} if minor >= 5 else {}),
            "source": cell.source.splitlines(keepends=True),
            "outputs": cell.outputs if outputs else [],
            "metadata": cell.metadata,
            "execution_count": None,
        }
        for cell in cells
    ]
    path.write_text(json.dumps({"cells": entries, "metadata": {}, "nbformat": 4, "nbformat_minor": minor}))
    return path
