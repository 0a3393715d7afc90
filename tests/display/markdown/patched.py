"""A view without a browser: applies patches as the live view does, and says what is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Slot:
    opening: str = ""
    closing: str = ""
    parts: list[str | _Slot] = field(default_factory=list)
    tail: str = ""

    def html(self) -> str:
        inside = "".join(part if isinstance(part, str) else part.html() for part in self.parts)
        return self.opening + inside + self.tail + self.closing


class Patched:
    def __init__(self) -> None:
        self.root = _Slot()
        self.slots = {0: self.root}
        self.filled = 0

    def apply(self, patches) -> None:
        for op, number, *rest in patches:
            slot = self.slots[number]
            if op == "tail":
                assert not re.search("[\ud800-\udfff]", rest[1])
                kept = slot.tail.encode("utf-16-le")[: rest[0] * 2].decode("utf-16-le")
                slot.tail = kept + rest[1]
                continue
            slot.tail = ""
            if op == "add":
                slot.parts.append(rest[0])
            elif op == "open":
                new, html = rest
                mark = f' data-slot="{new}"'
                before, found, after = html.partition(mark)
                assert found
                assert new not in self.slots
                start, _, inside = after.partition(">")
                tag = re.search(r"<(\w+)[^<>]*\Z", before)[1]
                content, _, end = inside.rpartition(f"</{tag}>")
                child = _Slot(before + start + ">", f"</{tag}>" + end, [content] if content else [])
                self.slots[new] = child
                slot.parts.append(child)
            elif op == "fill":
                self.filled += 1
                old = "".join(slot.parts)
                slot.parts = [rest[0]]
                assert re.sub("<[^>]*>", "", rest[0]) == old, "colours changed the code"
            elif op == "loose":
                assert ' class="berlin-tight"' in slot.opening
                slot.opening = slot.opening.replace(' class="berlin-tight"', "")
            else:
                assert op == "close"
                del self.slots[number]

    def html(self) -> str:
        return self.root.html()

    def frozen(self) -> str:
        """What is shown for good, without the ends of what is still open."""
        parts: list[str] = []

        def walk(slot: _Slot) -> None:
            parts.append(slot.opening)
            for part in slot.parts:
                if isinstance(part, str):
                    parts.append(part)
                else:
                    walk(part)
            if slot not in self.slots.values():
                parts.append(slot.closing)

        walk(self.root)
        return "".join(parts)
