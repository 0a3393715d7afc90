"""HTML as a list of events, without what means nothing: how two pieces of HTML are compared."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = {"p", "ul", "ol", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre", "table", "thead"}
_BLOCKS |= {"tbody", "tr", "th", "td", "div"}
_IGNORED = {"target", "rel", "class", "data-slot", "data-language", "dir"}


class _Events(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.events: list[tuple[str, ...]] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._pre += tag == "pre"
        if tag in {"span", "div", "tbody", "thead"}:
            return
        kept = sorted(f"{name}={value}" for name, value in attrs if name not in _IGNORED)
        self.events.append((f"<{tag}>", *kept))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # <br /> is <br>

    def handle_endtag(self, tag: str) -> None:
        self._pre -= tag == "pre"
        if tag not in {"span", "div", "tbody", "thead"}:
            self.events.append((f"</{tag}>",))

    def handle_data(self, data: str) -> None:
        text = data if self._pre else re.sub(r"[ \t\n]+", " ", data)
        if self.events and self.events[-1][0] == "text":
            text = self.events.pop()[1] + text
            text = text if self._pre else re.sub(r" +", " ", text)
        self.events.append(("text", text))


def normal(html: str) -> list[tuple[str, ...]]:
    """Return the events of `html`; white space at the edges of blocks, spans and classes do not count."""
    parser = _Events()
    parser.feed(html)
    parser.close()
    events = parser.events
    kept: list[tuple[str, ...]] = []
    for at, event in enumerate(events):
        if event[0] != "text":
            kept.append(event)
            continue
        text = event[1]
        before = events[at - 1][0].strip("</>") if at else "p"
        after = events[at + 1][0].strip("</>") if at + 1 < len(events) else "p"
        if before in _BLOCKS | {"br"} and before != "pre":
            text = text.lstrip(" \n")
        if after in _BLOCKS | {"br"} and after != "pre":
            text = text.rstrip(" \n")
        if text:
            kept.append(("text", text))
    return kept
