"""What a long conversation costs: a question at its end, and loading, listing and exporting it.

Run: python benchmarks/conversation.py [TURNS]. Each figure stands beside one of the same run that it should be near: a
question at turn 100, the text itself, and twice the cost for twice the length. Building the list of messages, which has
to be sent, is not counted in the question.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.export import exported
from berlin_magic.conversations.replay import Digests
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.storage.database import Store, StoredJournal
from berlin_magic.messages import Text

QUESTION, ANSWER = "And what about number {0}? ".ljust(60, "."), "It is a number like {0}, only larger. " * 10


def ask(talk: Conversation, number: int, digests: Digests) -> float:
    """Ask as a cell does, without what is sent; return the seconds of CPU."""
    gc.disable()
    start = time.process_time()
    turn = talk.ask_in(f"cell-{number}", f"run-{number}", QUESTION.format(number))
    turn.request = digests.of(turn, "model")
    turn.take(Text(ANSWER.format(number)))
    talk.end(turn, "complete", ended=time.time())
    notebook_file.output_record(talk, turn, notebook="n", source="%%berlin\n" + turn.prompt)
    spent = time.process_time() - start
    gc.enable()
    return spent


def costs_of_questions(talk: Conversation, turns: int) -> dict[int, float]:
    """Return what a question costs after so many turns: the median of 50."""
    digests = Digests()
    spent = [ask(talk, number, digests) for number in range(turns)]
    return {at: median(spent[at - 50 : at]) for at in (100, turns // 2, turns)}


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def loaded(path: Path) -> Conversation:
    talk = Conversation()
    talk.read(Store(path).record("c") or {})
    return talk


def notebook_of(talk: Conversation, path: Path, cells: int) -> Path:
    """Write a file with so many asking cells."""
    content = []
    for turn in list(talk)[:cells]:
        source = "%%berlin\n" + turn.prompt
        metadata = {"berlin": notebook_file.output_record(talk, turn, notebook="n", source=source)}
        output = {"output_type": "display_data", "data": {"text/plain": turn.reply}, "metadata": metadata}
        content.append({"cell_type": "code", "id": turn.cell, "source": source, "outputs": [output], "metadata": {}})
    path.write_text(json.dumps({"cells": content, "nbformat": 4, "nbformat_minor": 5}))
    return path


def read_again(path: Path) -> Conversation:
    talk = Conversation()
    talk.read(notebook_file.read(path).told())
    return talk


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversations.db"
        store = Store(path)
        talk = Conversation()
        talk.journal = StoredJournal(store, "c", "n", "")
        costs = costs_of_questions(talk, turns)
        for at, seconds in costs.items():
            ratio = seconds / costs[100]
            print(f"a question at turn {at:>6,}: {seconds * 1e3:6.2f} ms, {ratio:4.2f} of that at turn 100")
        store.flush(60)
        gc.collect()
        gc.freeze()  # what was asked to measure it is not looked at by the collector afterwards
        text = sum(len(turn.prompt) + turn.length for turn in talk)
        print(
            f"load         {turns:,} turns, {text / 1e6:.1f} MB of text: {timed(partial(loaded, path)):5.2f} s of CPU"
        )
        again = loaded(path)
        for name, work in {
            "stale marks": again.stale,
            "history": lambda: [(turn.prompt, len(again.place_of(turn).versions)) for turn in again],
            "export": lambda: exported(again, again.messages, ".md"),
            "slice": lambda: again[1:],
            "record": again.record,
        }.items():
            print(f"{name:12} {timed(work):5.2f} s of CPU")
        tracemalloc.start()
        kept = loaded(path)
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        beyond, most = (now - text) / 1e6, (peak - text) / 1e6
        print(f"memory       {beyond:5.1f} MB beyond the text of {len(kept):,} turns, {most:.1f} MB while it is loaded")
        for cells in (500, 1000, 2000):
            file = notebook_of(talk, Path(folder) / "n.ipynb", min(cells, turns))
            spent = timed(partial(read_again, file))
            print(f"a file of {cells:>5,} asking cells is read in {spent:5.3f} s of CPU")


if __name__ == "__main__":
    main()
