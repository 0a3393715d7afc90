r"""A growing document: what is shown of a text that is still arriving, as patches that are never sent twice.

The tree has *slots*: elements that may still get children. Slot 0 is the root, an element of the view's own. Each
slot shows its finished children, which never change, and after them a *tail*, which may be replaced. A patch is a
JSON list; they are applied in order:

==============================  ======================================================================================
``["open", slot, new, html]``   Clear the slot's tail, append `html`: exactly one element. It is, or has in it, the one
                                element with the attribute ``data-slot="<new>"``, which is slot `new` from now on.
``["add", slot, html]``         Clear the slot's tail, append `html` (any number of nodes, may begin or end with text).
``["tail", slot, keep, html]``  The slot's tail is now the first `keep` UTF-16 units of its former HTML, followed by
                                `html`. (A cleared tail is the empty string. A tail comes after all other children.)
``["fill", slot, html]``        Replace all children and the tail of the slot: a closed code block gets its colours.
``["loose", slot]``             The slot, a list, has blank lines between its items: drop its class ``berlin-tight``.
``["close", slot]``             Clear the slot's tail and forget the slot.
==============================  ======================================================================================

All of the HTML is made here, from the parsed text, of harmless elements and attributes: a view may hand it to
``innerHTML`` (of a ``<template>``, so that ``<li>`` and ``<tr>`` parse alone). For example the text ``"- a\n- b"``::

    ["open", 0, 1, "<ul class=\"berlin-tight\" data-slot=\"1\"></ul>"]
    ["open", 1, 2, "<li data-slot=\"2\"></li>"]
    ["tail", 2, 0, "<p>a</p>"]
    ["tail", 1, 0, "<li><p>b</p></li>"]

In JavaScript all of it is::

    const slots = new Map([[0, {el: root, tail: "", nodes: []}]]);
    const parse = html => { const t = document.createElement("template"); t.innerHTML = html; return t.content; };
    function tail(s, html) {
      for (const node of s.nodes) node.remove();
      const content = parse(s.tail = html);
      s.nodes = [...content.childNodes];
      s.el.append(content);
    }
    function apply([op, id, ...rest]) {
      const s = slots.get(id);
      if (op === "tail") return tail(s, s.tail.slice(0, rest[0]) + rest[1]);
      tail(s, "");
      if (op === "add") s.el.append(parse(rest[0]));
      else if (op === "open") {
        const content = parse(rest[1]);
        slots.set(rest[0], {el: content.querySelector(`[data-slot="${rest[0]}"]`), tail: "", nodes: []});
        s.el.append(content);
      }
      else if (op === "fill") s.el.replaceChildren(parse(rest[0]));
      else if (op === "loose") s.el.classList.remove("berlin-tight");
      else if (op === "close") slots.delete(id);
    }

What is shown depends on the text so far, not on how it was cut into pieces.
"""

from __future__ import annotations

import re
from collections import ChainMap
from html import escape

from berlin_magic.display.markdown.block import Block
from berlin_magic.display.markdown.blocks import BlockParser, stretch
from berlin_magic.display.markdown.controls import tidy
from berlin_magic.display.markdown.highlight import LIMIT, language
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.inline import References

__all__ = ["Document", "Patch"]

Patch = list[str | int]

# A line that is still being typed and of which nothing but marks is there yet: it may become a fence, a rule, a
# heading's underline, a table's delimiter row, an item, a formula. It is not shown before that is known.
_UNDECIDED = re.compile(r"[-=*_+#`~:|>$\\\s\d.)(\[\]]*(?:\\[a-z]*(?:\{[a-z*]*)?|</?[a-z]*)?\Z")
_HALF_INFO = re.compile(r"([\s>*+\-\d.)]*(?:`{3,}|~{3,}))[^`\n]*\Z")  # a language whose name is still being typed
_HALF_DEFINITION = re.compile(r"\[[^\[\]\n]{1,100}(?:\]:?[ \t]*)?\Z")
_ROW = 500  # characters of a line that begins with a pipe and is held back until the next line says if it is a table


class _Frozen:
    """Sink that turns final blocks into patches; a block that opens and closes within one batch is one patch."""

    def __init__(self, html: Html) -> None:
        self.html = html
        self.references: References = {}
        self.tails: dict[int, str] = {0: ""}  # of each slot that the view knows
        self.out: list[Patch] = []
        self._added: list[str] = []  # what the last patch adds, in pieces
        self._fresh: dict[int, tuple[Block, list[str]]] = {}  # opened since the last batch, outermost first
        self._code: list[str] | None = None  # of the open code block, as long as it may get colours
        self._size = 0

    def open(self, block: Block) -> None:
        self._fresh[block.id] = (block, [])
        if block.kind == "code":
            self._code = [] if language(block.info) else None
            self._size = 0

    def text(self, block: Block, text: str) -> None:
        if block.kind != "code":
            self._add(block.id, self.html.inline(text, self.references))
            return
        self._add(block.id, escape(text, quote=False))
        self._size += len(text)
        if self._code is not None:
            self._code.append(text)
            if self._size > LIMIT:
                self._code = None

    def row(self, block: Block, row: list[str]) -> None:
        self._add(block.id, self.html.row(block, row, self.references))

    def leaf(self, block: Block) -> None:
        self._add(block.parent, self.html.leaf(block, self.references))

    def loose(self, block: Block) -> None:
        if block.id in self.tails:
            self._patch("loose", block.id)

    def close(self, block: Block) -> None:
        coloured = None
        if block.kind == "code" and self._code is not None:
            coloured = self.html.highlighter.html("".join(self._code), block.info)
            self._code = None
        if block.id in self._fresh:
            _, parts = self._fresh.pop(block.id)
            content = "".join(parts) if coloured is None else coloured
            self._add(block.parent, self.html.wrap(block, content, self.references))
            return
        if coloured is not None:
            self._patch("fill", block.id, coloured)
        del self.tails[block.id]
        self._patch("close", block.id)

    def take(self) -> list[Patch]:
        """Return the patches since the last call."""
        for block, parts in self._fresh.values():
            content = "".join(parts)
            html = self.html.wrap(block, content, self.references, slot=block.id)
            self._patch("open", block.parent, block.id, html)
            self.tails[block.parent] = ""
            self.tails[block.id] = ""
        self._fresh.clear()
        self._join()
        out, self.out = self.out, []
        return out

    def _add(self, slot: int, html: str) -> None:
        if slot in self._fresh:
            self._fresh[slot][1].append(html)
            return
        self.tails[slot] = ""
        if not self.out or self.out[-1][:2] != ["add", slot]:
            self._patch("add", slot, "")
        self._added.append(html)

    def _patch(self, *patch: str | int) -> None:
        self._join()
        self.out.append(list(patch))

    def _join(self) -> None:
        if self._added:
            self.out[-1][2] = "".join(self._added)
            self._added = []


class _Tails:
    """Sink that collects unfinished blocks as one piece of HTML for each slot that the view knows."""

    def __init__(self, html: Html, frozen: _Frozen, *, pending: bool) -> None:
        self.html = html
        self.references: References = ChainMap({}, frozen.references)
        self.known = frozen.tails.keys()
        self.parts: dict[int, list[str]] = {slot: [] for slot in self.known}
        self.pending = pending

    def open(self, block: Block) -> None:
        self.parts[block.id] = []

    def text(self, block: Block, text: str) -> None:
        code = block.kind == "code"
        self.parts[block.id].append(
            escape(text, quote=False) if code else self.html.inline(text, self.references, pending=self.pending)
        )

    def row(self, block: Block, row: list[str]) -> None:
        self.parts[block.id].append(self.html.row(block, row, self.references))

    def leaf(self, block: Block) -> None:
        if self.pending and block.kind == "paragraph" and _HALF_DEFINITION.match(block.text):
            return
        if self.pending and block.kind == "math":
            self.parts[block.parent].append(self.html.half_formula(block))
        else:
            self.parts[block.parent].append(self.html.leaf(block, self.references, pending=self.pending))

    def loose(self, block: Block) -> None:
        """Nothing to do: what is not final is drawn again."""

    def close(self, block: Block) -> None:
        if block.id not in self.known:
            content = "".join(self.parts.pop(block.id))
            self.parts[block.parent].append(self.html.wrap(block, content, self.references))


class Document:
    """Text that arrives piece by piece, and the patches that show it."""

    def __init__(self) -> None:
        html = Html(live=True)
        self._html = html
        self._frozen = _Frozen(html)
        self._parser = BlockParser(self._frozen)
        self._pieces: list[str] = []
        self._line = ""  # the beginning of a line whose end is not here yet
        self._long = False  # the parser has the beginning of that line
        self._return = False  # the last character was a carriage return
        self._sent: list[Patch] = []
        self._finished = False

    def feed(self, text: str) -> None:
        """Take the next piece of text; cheap, renders nothing."""
        self._pieces.append(text)

    def patches(self) -> list[Patch]:
        """Return what has to change in the tree since the last call, an empty list if nothing has."""
        self._take()
        return self._patches()

    def finish(self) -> list[Patch]:
        """Return the last patches: the text is complete, every slot but the root is closed."""
        self._take()
        if not self._finished:
            self._finished = True
            self._end_line()
            self._parser.finish()
        return self._patches()

    def replay(self) -> list[Patch]:
        """Return patches that build the tree, as the last call left it, from nothing: for a view that comes late."""
        tails: list[Patch] = [["tail", slot, 0, html] for slot, html in self._frozen.tails.items() if html]
        return [list(patch) for patch in self._sent] + tails

    def _take(self) -> None:
        if not self._pieces or self._finished:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if self._return and text.startswith("\n"):
            text = text[1:]
        if text:
            self._return = text.endswith("\r")
        first, *others = tidy(text).split("\n")
        self._line += first
        for line in others:
            self._end_line(ended=True)
            self._line = line
        self._freeze_line()

    def _freeze_line(self) -> None:
        """Give the parser what it takes of a line without its end: whole stretches."""
        start, line = 0, self._line
        while (end := stretch(line, start)) < len(line):
            piece = line[start:end]
            if self._long:
                self._parser.more(piece)
            else:
                self._parser.begin(piece)
                self._long = True
            start = end
        self._line = line[start:]

    def _end_line(self, *, ended: bool = False) -> None:
        self._freeze_line()
        if self._long:
            self._parser.more(self._line)
            self._parser.end()
        elif self._line or ended:
            self._parser.line(self._line)
        self._line = ""
        self._long = False

    def _patches(self) -> list[Patch]:
        patches = self._frozen.take()
        self._sent += patches
        return patches + self._tails()

    def _tails(self) -> list[Patch]:
        sink = _Tails(self._html, self._frozen, pending=False)
        if not self._finished:
            fork = self._parser.fork(sink)
            if self._long:
                fork.more(self._line)
            elif self._line and not _UNDECIDED.match(self._line):
                in_code = fork.leaf is not None and fork.leaf.kind == "code"
                fork.line(self._line if in_code else _HALF_INFO.sub(r"\1", self._line))
            sink.pending = True
            leaf = fork.leaf
            if leaf is not None and leaf.kind == "math":
                leaf.filled = True
            elif leaf is not None and leaf.kind == "paragraph":
                before, _, last = leaf.text.rpartition("\n")
                if last.startswith("|") and len(last) <= _ROW:
                    leaf.text = before
            fork.finish()
        patches: list[Patch] = []
        for slot, parts in sink.parts.items():
            new, old = "".join(parts), self._frozen.tails[slot]
            if new != old:
                keep = _common(old, new)
                units = len(new[:keep].encode("utf-16-le")) // 2
                patches.append(["tail", slot, units, new[keep:]])
                self._frozen.tails[slot] = new
        return patches


def _common(old: str, new: str) -> int:
    """Return how many characters at the beginning of both are the same."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if new.startswith(old[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low
