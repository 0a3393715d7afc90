"""What a long conversation costs: a question at its end, and loading, listing and exporting it.

Each figure stands beside one of the same run that it should be near: a question at turn 100, the text itself, and
twice the cost for twice the length. Building the list of messages, which has to be sent, is not counted in the
question.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure, Options, fresh
from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.export import exported
from berlin_magic.conversations.replay import Digests
from berlin_magic.conversations.storage import notebook_file
from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.journal import StoredJournal
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
    talk.read(notebook_file.read(path).record())
    return talk


def listed(talk: Conversation) -> dict[str, float]:
    """Return the seconds that everything takes which looks at all turns."""
    return {
        "stale marks": timed(talk.stale),
        "history": timed(lambda: [(turn.prompt, len(talk.place_of(turn).versions)) for turn in talk]),
        "export": timed(lambda: exported(talk, talk.messages, ".md")),
        "slice": timed(lambda: talk[1:]),
        "record": timed(talk.record),
    }


def costs(turns: int) -> dict[str, float]:
    """Return what everything costs, in seconds of CPU, bytes and MB."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversations.db"
        store = Store(path)
        talk = Conversation()
        talk.journal = StoredJournal(store, "c", "n", "")
        for at, seconds in costs_of_questions(talk, turns).items():
            found[f"question at {at}"] = seconds * 1e3
        store.flush(60)
        gc.collect()
        gc.freeze()  # what was asked to measure it is not looked at by the collector afterwards
        text = sum(len(turn.prompt) + turn.length for turn in talk)
        found["load"] = timed(partial(loaded, path))
        found |= listed(loaded(path))
        gc.collect()
        gc.freeze()  # as above
        for cells in (500, 1000):
            file = notebook_of(talk, Path(folder) / "n.ipynb", min(cells, turns))
            found[f"file of {cells}"] = timed(partial(read_again, file))
        tracemalloc.start()
        kept = loaded(path)
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(kept) == turns
        found["memory"], found["peak"] = (now - text) / 1e6, (peak - text) / 1e6
    return found


def figures(options: Options) -> Iterator[Figure]:
    turns = 1_000 if options.short else 10_000
    runs = [fresh(costs, turns) for _ in range(options.rounds)]
    found = {name: [run[name] for run in runs] for name in runs[0]}
    reference = found.pop("question at 100")
    for name in [name for name in found if name.startswith("question")]:
        yield Figure(f"{name.replace('at', 'at turn')}", "ms", found.pop(name), "one at turn 100", reference, 1.5)
    most = 60 * turns / 10_000
    yield Figure(f"memory of {turns:,} turns beyond their text", "MB", found.pop("memory"), bound=most, exact=True)
    yield Figure("the same while it is loaded", "MB", found.pop("peak"), exact=True)
    once = found["file of 500"]
    for name, seconds in found.items():
        if name == "file of 1000":
            yield Figure(f"{name} asking cells", "s", seconds, "one of 500", once, 2.5)
        else:
            yield Figure(name, "s", seconds, bound=None if name in {"export", "record"} else 0.6)
