"""What a growing document costs: bytes sent and CPU for each kB of text, by kind and length.

The reply arrives in pieces of 100 characters (2 kB and 20 draws a second) and is drawn after each; at the end it is
rendered for the file. If the cost is linear, a kind's figures do not change from 1 kB to 1 MB.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Figure, Options, fresh, in_rounds

PIECE = 100  # characters
PROSE = "Berlin is a city, and *this* is a sentence about it with `code` and a [link](https://e.example/).\n\n"
KINDS = {
    "prose": ("", PROSE),
    "code": ("```python\n", "    return frobnicate(argument, other=1)  # and why\n"),
    "list": ("", "- an item of this list with **bold** text\n"),
    "nested list": ("- outer\n", "  - an item of this list with **bold** text\n"),
    "table": ("| a | b | c |\n|---|---|---|\n", "| some cell | another one | 12.5 |\n"),
    "quote": ("", "> words that somebody else said, *long* ago\n"),
    "one paragraph": ("", "words without any line end, only *more* and more of them. "),
    "one word": ("", "x" * 50),
    "[a [b": ("", "[a [b "),
    "*a **b": ("", "*a **b "),
    "![a](": ("", "![a]("),
    "<a<": ("", "<a<"),
}
HOSTILE = {"[a [b", "*a **b", "![a](", "<a<"}


def reply(kind: str, size: int) -> str:
    first, more = KINDS[kind]
    return (first + more * (size // len(more) + 1))[:size]


def cost(kind: str, size: int) -> dict[str, float]:
    """Return CPU in milliseconds a kB while it grows and at its end, bytes sent a byte, and the longest draw in ms."""
    from berlin_magic.display.markdown import Document, to_html, to_markdown  # noqa: PLC0415

    text = reply(kind, size)
    to_html(text[:1000])  # imports, and warms up
    document, sent, longest = Document(), 0, 0.0
    start = time.process_time()
    for at in range(0, len(text), PIECE):
        document.feed(text[at : at + PIECE])
        before = time.process_time()
        sent += len(json.dumps(document.patches()))
        longest = max(longest, time.process_time() - before)
    sent += len(json.dumps(document.finish()))
    grown = time.process_time()
    html, markdown = to_html(text), to_markdown(text)
    end = time.process_time()
    return {
        "growing": (grown - start) * 1e6 / size,
        "end": (end - grown) * 1e6 / size,
        "sent": sent / size,
        "saved": (len(html) + len(markdown)) / size,
        "longest": longest * 1e3,
    }


def figures(options: Options) -> Iterator[Figure]:
    for size in (10_000,) if options.short else (1_000, 10_000, 100_000, 1_000_000):
        # A hostile paragraph of a megabyte is no use to anybody; that its cost is linear is seen at 100 kB.
        kinds = [kind for kind in KINDS if size <= 100_000 or kind not in HOSTILE]
        rounds = 1 if size == 1_000_000 else min(options.rounds, 3)
        found = in_rounds(rounds, {kind: partial(fresh, cost, kind, size) for kind in kinds})  # type: ignore[dict-item]
        prose: list[float] = []
        for kind, runs in found.items():
            mine = [run["growing"] + run["end"] for run in runs]  # type: ignore[index]
            prose = prose or mine
            bound = 3 if kind in HOSTILE else None
            title = f"{kind}, {size // 1000:,} kB"
            yield Figure(title, "ms/kB", mine, "prose", prose if kind != "prose" else [], bound)
            if size >= 100_000:
                yield Figure(f"{title}, longest draw", "ms", [run["longest"] for run in runs])  # type: ignore[index]
            yield Figure(f"{title}, sent and saved", "B/B", [runs[0]["sent"] + runs[0]["saved"]], exact=True)  # type: ignore[index]
