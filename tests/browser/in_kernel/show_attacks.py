"""Shows many replies at once in one cell: in live views, as Markdown of ours, and as `IPython.display.Markdown`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from IPython import get_ipython
from IPython.display import Markdown, display

from berlin_magic.display.live import LiveView
from berlin_magic.display.markdown import to_markdown
from berlin_magic.display.selection import prepare
from berlin_magic.display.static import StaticView
from berlin_magic.display.view import Status

STEP = 0.08  # seconds between two draws: 47 views stay below the rate that the Jupyter server lets through
PIECES = 5

SENTINEL = "$1 + 1$ is two.\n\nDone."  # harmless, and the last to be typeset
TEXTS = Path("attacks.json")  # a list of {"text": …, "cuts": […]}, beside the notebook


def _chosen(numbers: list[int]) -> list[dict]:
    texts = json.loads(TEXTS.read_text("utf-8"))
    return [texts[number] for number in numbers]


async def show_live(numbers: list[int], gate: str) -> None:
    """Let these replies grow in live views; finish them when there is a file called `gate`.

    While it is live, each view's model and one of its notes are hostile, too: they are the reply.
    """
    shell = get_ipython()
    prepare(shell)
    attacks = _chosen(numbers)
    views = [LiveView(shell, owns_cell=False) for _ in attacks]

    def status(text: str, state: str, *notes: str) -> Status:
        return Status(state, text[:500], "Test", 1.0, len(text), (text[:500], *notes))

    for view, attack in zip(views, attacks, strict=True):
        view.begin(status(attack["text"], "waiting"))
    while not all(view._is_live for view in views):
        await asyncio.sleep(STEP)
        for view, attack in zip(views, attacks, strict=True):
            view.draw(status(attack["text"], "waiting"))
    pieces = [_pieces(attack["text"], attack.get("cuts")) for attack in attacks]
    for step in range(max(map(len, pieces))):
        for view, attack, parts in zip(views, attacks, pieces, strict=True):
            if step < len(parts):
                view.feed(parts[step])
                view.draw(status(attack["text"], "streaming"))
        await asyncio.sleep(STEP)
    while not Path(gate).exists():  # noqa: ASYNC240  # a look at a file, in a test
        for view, attack in zip(views, attacks, strict=True):
            view.draw(status(attack["text"], "streaming", "all of it"))
        await asyncio.sleep(STEP)
    for view, attack in zip(views, attacks, strict=True):
        view.finish(Status("complete", "test-model", "Test", 1.0, len(attack["text"])), {})


def show_status_lines(numbers: list[int]) -> None:
    """Leave final outputs whose status lines are hostile: model and note are the reply."""
    _show_static(numbers, lambda text: Status("stopped", text, "Test", 1.0, 8, (text,)))


def show_reasoning(numbers: list[int]) -> None:
    """Leave final outputs whose folded reasoning is the reply."""
    _show_static(numbers, lambda text: Status("complete", "test-model", "Test", 1.0, 8, reasoning=text))


def _show_static(numbers: list[int], status: Callable[[str], Status]) -> None:
    for attack in _chosen(numbers):
        view = StaticView(get_ipython())
        view.feed("A reply." if attack["text"] != SENTINEL else SENTINEL)
        view.finish(status(attack["text"] if attack["text"] != SENTINEL else ""), {})


def show_ours(numbers: list[int]) -> None:
    """Display the Markdown that we write of these replies, as a front end gets it that prefers it."""
    for attack in _chosen(numbers):
        display({"text/markdown": to_markdown(attack["text"]), "text/plain": ""}, raw=True)


def show_unguarded(numbers: list[int]) -> None:
    """Display these replies as they are, as other tools do."""
    for attack in _chosen(numbers):
        markdown = Markdown("")
        markdown.data = attack["text"]  # given to its constructor, a text that begins with http is an address to load
        display(markdown)


def _pieces(text: str, cuts: list[int] | None) -> list[str]:
    """Cut a text; what may be a formula gets something after it, as one that is still open is not typeset."""
    ends = cuts or [len(text) * n // PIECES for n in range(1, PIECES)]
    pieces = [text[start:end] for start, end in pairwise([0, *ends, len(text)])]
    return [*pieces, "\n\nDone."] if "$" in text or "\\" in text else pieces
