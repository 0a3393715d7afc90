r"""A growing document: what is shown of a text that is still arriving, as patches that are never sent twice.

The tree has *slots*: elements that may still get children. Slot 0 is the root, an element of the view's own. Each
slot shows its finished children, which never change, and after them a *tail*, which may be replaced. A patch is a
JSON list; they are applied in order:

==============================  ======================================================================================
``["open", slot, new, html]``   Clear the slot's tail, append `html`: exactly one element. It is, or has in it, the one
                                element with the attribute ``data-slot="<new>"``, which is slot `new` from now on.
``["add", slot, html]``         Clear the slot's tail, append `html` (any number of nodes, may begin or end with text).
``["tail", slot, keep, html]``  The slot's tail is now the first `keep` UTF-16 units of its former HTML, followed by
                                `html`. (A cleared tail is the empty string. A tail stands after all other children.)
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

from collections.abc import Iterable
from html import escape

__all__ = ["Document", "Patch"]

Patch = list[str | int]


class Document:
    """A text that arrives piece by piece, and the patches that show it.

    Parameters
    ----------
    image_hosts : iterable of str
        Names of hosts whose ``https`` images are shown; any other image is a link.
    """

    def __init__(self, *, image_hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(image_hosts)
        self._text = ""
        self._sent = 0

    def feed(self, text: str) -> None:
        """Take the next piece of text; cheap, renders nothing."""
        self._text += text

    def patches(self) -> list[Patch]:
        """Return what has to change in the tree since the last call, empty where nothing does."""
        new, self._sent = self._text[self._sent :], len(self._text)
        return [["add", 0, escape(new)]] if new else []

    def finish(self) -> list[Patch]:
        """Return the last patches: the text is complete, every slot is closed."""
        return self.patches()

    def replay(self) -> list[Patch]:
        """Return patches that build the tree, as the last `patches` left it, from nothing: for a view that comes late."""
        return [["add", 0, escape(self._text[: self._sent])]]
