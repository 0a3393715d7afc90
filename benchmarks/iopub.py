"""Bytes and messages of a live reply on a real kernel's iopub, and the bytes of the outputs that stay in the file.

A reply arrives at 2 kB a second of simulated time, drawn 20 times a second, and the front end answers as JupyterLab
does (`tests/display/test_cost.py` holds bounds, too). So it is counted, not timed: 10 kB take 5 s, 100 kB take 50 s.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks.measure import ROOT, Figure, Options, fresh

KILO = 1000


def prose(characters: int) -> str:
    sentence = "The quick brown fox jumps over the lazy dog, and goes on for a while as the paragraphs of a model do. "
    return (f"{sentence * 4}\n\n" * (characters // 400 + 1))[:characters]


def mixed(characters: int) -> str:
    from display.replies import long_reply  # noqa: PLC0415

    return long_reply(characters)


KINDS = {"prose": prose, "half code and tables": mixed}


def costs(long: int) -> dict[str, list[float]]:
    """Return bytes, messages and drawn updates of each reply, and the widgets that all of them opened."""
    sys.path.insert(0, str(ROOT / "tests"))
    from display.test_cost import FrontEnd  # noqa: PLC0415

    front_end = FrontEnd()
    try:
        front_end.client.wait_for_ready(timeout=60)
        first = front_end.show("The first reply brings the code of the widget.", answered=True)
        found: dict[str, list[float]] = {"first": [first.bytes, first.messages]}
        widgets = 0
        for kind, text in KINDS.items():
            for size in (10 * KILO, long):
                cost = front_end.show(text(size), answered=True)
                found[f"{kind}, {size // KILO} kB"] = [cost.bytes, cost.messages, cost.drawn / (size / 2000)]
                widgets += cost.widgets
        return {**found, "widgets": [widgets]}
    finally:
        front_end.close()


def saved(size: int, count: int) -> dict[str, list[float]]:
    """Return the bytes of a notebook file of so many replies, and of one with plain Markdown outputs."""
    import nbformat  # noqa: PLC0415

    from berlin_magic.conversations.conversation import Conversation  # noqa: PLC0415
    from berlin_magic.conversations.storage.notebook_file import output_record  # noqa: PLC0415
    from berlin_magic.display.static import Rendered, final_output  # noqa: PLC0415
    from berlin_magic.display.view import Status  # noqa: PLC0415
    from berlin_magic.messages import Text  # noqa: PLC0415

    def length(outputs: list[tuple[dict[str, str], dict[str, object]]], sources: list[str]) -> int:
        book = nbformat.v4.new_notebook()
        for (data, metadata), source in zip(outputs, sources, strict=True):
            output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
            book.cells.append(nbformat.v4.new_code_cell(source, outputs=[output], id=f"cell-{len(book.cells)}"))
        return len(nbformat.writes(book).encode())

    found = {}
    for kind, text in KINDS.items():
        talk, ours, plain, sources = Conversation(), [], [], []
        reply = text(size)
        for number in range(count):
            question = f"What is there to know about number {number}?"
            sources.append(f"%%berlin\n{question}")
            turn = talk.ask_in(f"cell-{number}", f"run-{number}", question)
            turn.take(Text(reply))
            turn.model, turn.provider = "gpt-4o-mini", "OpenAI"
            talk.end(turn, "complete", ended=1.0)
            record = output_record(talk, turn, notebook="0" * 32, source=sources[-1])
            status = Status("complete", turn.model, turn.provider, 12.3, turn.length)
            ours.append(final_output(Rendered.of(reply), status, record))
            plain.append(({"text/markdown": reply, "text/plain": "<IPython.core.display.Markdown object>"}, {}))
        found[kind] = [length(ours, sources), length(plain, sources)]
    return json.loads(json.dumps(found))


BOUNDS = {10: 130_000, 20: 250_000, 100: 1_250_000}


def figures(options: Options) -> Iterator[Figure]:
    found = fresh(costs, 20 * KILO if options.short else 100 * KILO)
    first, first_messages = found.pop("first")
    yield Figure("first reply of a kernel, with the view's code", "bytes", [first], bound=60_000, exact=True)
    yield Figure("first reply of a kernel", "messages", [first_messages], bound=12, exact=True)
    widgets = found.pop("widgets")
    yield Figure("widgets opened by all further replies", "", widgets, bound=0, exact=True)
    for name, (size, messages, updates) in found.items():
        kilo = int(name.split()[-2])
        yield Figure(name, "bytes", [size], bound=BOUNDS[kilo], exact=True)
        # At least 8 updates a second, and at most 9; the rest is the slot, as often as the reply has doubled.
        seconds = kilo / 2
        yield Figure(name, "messages", [messages], bound=9 * seconds + 16, exact=True)
        yield Figure(f"{name}, seconds an update on screen", "s", [1 / updates], bound=1 / 8, exact=True)
    for kind, (ours, plain) in fresh(saved, 5 * KILO, 50).items():
        name = f"file of 50 replies of 5 kB, {kind}"
        yield Figure(name, "bytes", [ours], "plain Markdown outputs", [plain], 2.5, exact=True)
