"""What it costs to show a growing reply: bytes sent and time taken for each byte of text, and the longest draw.

Run: python benchmarks/rendering.py. The reply arrives in pieces of 100 characters (2 kB a second, 20 draws a second)
and is drawn after each. Where the cost is linear, the columns of a row do not change from 10 kB to 1 MB.
"""

from __future__ import annotations

import json
import time

from berlin_magic.display.markdown import Document, to_html, to_markdown

PIECE = 100  # characters
KINDS = {
    "paragraphs": (
        "",
        "Berlin is a city, and *this* is a sentence about it with `code` and a [link](https://e.example/).\n\n",
    ),
    "code": ("```python\n", "    return frobnicate(argument, other=1)  # and why\n"),
    "list": ("", "- an item of this list with **bold** text\n"),
    "nested list": ("- outer\n", "  - an item of this list with **bold** text\n"),
    "table": ("| a | b | c |\n|---|---|---|\n", "| some cell | another one | 12.5 |\n"),
    "quote": ("", "> words that somebody else said, *long* ago\n"),
    "one paragraph": ("", "words without any line end, only *more* and more of them. "),
    "one word": ("", "x" * 50),
}


def reply(kind: str, size: int) -> str:
    first, more = KINDS[kind]
    return (first + more * (size // len(more) + 1))[:size]


def stream(text: str) -> tuple[float, float, float]:
    """Return bytes sent for each byte, milliseconds for each kB, and the longest draw in milliseconds."""
    document, sent, longest = Document(), 0, 0.0
    start = time.perf_counter()
    for at in range(0, len(text), PIECE):
        document.feed(text[at : at + PIECE])
        before = time.perf_counter()
        sent += len(json.dumps(document.patches()))
        longest = max(longest, time.perf_counter() - before)
    sent += len(json.dumps(document.finish()))
    return sent / len(text), (time.perf_counter() - start) * 1e6 / len(text), longest * 1e3


def main() -> None:
    for kind in KINDS:
        for size in (10_000, 100_000, 1_000_000):
            text = reply(kind, size)
            each, pace, longest = stream(text)
            start = time.perf_counter()
            html, markdown = to_html(text), to_markdown(text)
            final = (time.perf_counter() - start) * 1e6 / size
            print(
                f"{kind:14} {size:>9,} B: {each:5.2f} B/B sent, {pace:6.2f} ms/kB, longest draw {longest:6.1f} ms; "
                f"at the end {(len(html) + len(markdown)) / size:5.2f} B/B, {final:5.2f} ms/kB"
            )


if __name__ == "__main__":
    main()
