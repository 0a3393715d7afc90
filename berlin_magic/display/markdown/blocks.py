r"""The block structure of Markdown, found line by line.

It is the parsing strategy that the CommonMark specification describes (its appendix, "A parsing strategy", phase 1),
with GFM's tables and display math, written so that a text can grow: a line, once taken, is never looked at again,
and what is finished goes to a `Sink` at once. The content of the leaves is parsed by markdown-it (`inline`).

Four things differ from CommonMark, all of them bounds on the cost; no text in the specification or in any reply seen
so far reaches them:

- a line of more than one `stretch` (`LONG_LINE` characters, or very many marks) is paragraph or code, never a heading
  or a table row;
- a paragraph of more than `SEGMENT` characters, or very many marks, is cut into segments (`paragraph`);
- containers nest `DEPTH` deep; what is deeper is text. (markdown-it drops it.)
- a text made of little but marks is structure for as long as `EFFORT` lasts; the rest is shown as it is, as code.
"""

from __future__ import annotations

import re
from dataclasses import replace

from berlin_magic.display.markdown.block import CLOSING, CONTAINERS, OPENED, Block, Lines, Sink
from berlin_magic.display.markdown.controls import show_marks
from berlin_magic.display.markdown.elements import DETAILS, DETAILS_END, SUMMARY, SUMMARY_END
from berlin_magic.display.markdown.formula import BEGIN
from berlin_magic.display.markdown.inline import define
from berlin_magic.display.markdown.lines import CODE_INDENT, Cursor
from berlin_magic.display.markdown.paragraph import MARKS, SEGMENT, most_marks, reach, split
from berlin_magic.display.markdown.table import alignments, cells

__all__ = ["DEPTH", "LONG_LINE", "BlockParser", "stretch"]

LONG_LINE = 4000  # characters
DEPTH = 40  # containers, the root included; a list and its item are two
EFFORT, EFFORT_A_CHARACTER = 30_000, 0.15  # in marks: reading one costs some microseconds, with all that it may begin
_EFFORT_A_BLOCK, _EFFORT_A_LINE, _EFFORT_A_CONTAINER, _EFFORT_A_DEFINITION = 1.5, 0.2, 0.1, 5.0
_EFFORT_AN_EMPTY_CELL = 0.5
MATH_LIMIT = 10_000  # characters of one display formula
_SUMMARY = 1000  # characters

_COSTLY = "[[]*_`$\\!<>&~|:"
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})\Z")
_HEADING = re.compile(r"(#{1,6})(?:[ \t]+|\Z)")
_HEADING_END = re.compile(r"(?:^|[ \t]+)#+[ \t]*\Z")
_SETEXT = re.compile(r"(?:=+|-+)[ \t]*\Z")
_FENCE = re.compile(r"(`{3,})([^`]*)\Z|(~{3,})(.*)\Z", re.DOTALL)
_MARKER = re.compile(r"(?:[-+*]|(\d{1,9})([.)]))(?=[ \t]|\Z)", re.ASCII)
_MATH_OPEN = re.compile(rf"\$\$|\\\[|{BEGIN}")


def stretch(line: str, start: int = 0) -> int:
    """Return where what is read of a line at a time ends: at its own end, unless it is very long."""
    end = reach(line, LONG_LINE, start)
    return end if line.find("|", start, end) < 0 else min(len(line), start + LONG_LINE)  # it may be a row of a table


class BlockParser:
    """Parser that turns lines into blocks.

    Parameters
    ----------
    sink : Sink
        Receives every block.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.stack = [Block("root")]
        self.leaf: Block | None = None
        self._next = 1
        self._blank = False  # the line before was blank, in a sense that makes lists loose
        self._blanks: Lines = None  # blank lines of indented code that belong to it only if more code follows
        self._long = False  # in the middle of a line of more than one stretch
        self._effort = float(EFFORT)  # of `EFFORT`, what is left
        self._rest: Block | None = None  # the code that shows the rest of the text
        self._no_formula = False  # what began like a formula is not one, and is read again

    def fork(self, sink: Sink) -> BlockParser:
        """Return a copy that goes on from here on its own and gives its blocks to `sink`."""
        other = BlockParser(sink)
        other.stack = [replace(block) for block in self.stack]
        if self.leaf is not None:
            other.leaf = replace(self.leaf, before=replace(self.leaf.before) if self.leaf.before else None)
        other._next = self._next
        other._blank = self._blank
        other._blanks = self._blanks
        other._long = self._long
        other._effort = self._effort
        other._rest = replace(self._rest) if self._rest else None
        return other

    # -- what comes in -------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Take one whole line, without its end."""
        if self._rest is not None:
            self._code(self._rest, text)
        elif (at := stretch(text)) < len(text):
            self.begin(text[:at])
            while at < len(text):
                start, at = at, stretch(text, at)
                self.more(text[start:at])
            self.end()
        else:
            self._take(text)

    def begin(self, text: str) -> None:
        """Take the first stretch of a line that is longer."""
        self._long = True
        if self._rest is not None:
            self._code(self._rest, text)
        else:
            self._take(text)

    def more(self, text: str) -> None:
        """Take the next stretch, or the rest, of a line that was begun."""
        if self.leaf is None:
            return
        if self.leaf.kind == "code":
            self.sink.text(self.leaf, show_marks(text))
            return
        self._spend(text)
        self._extend(self.leaf, text)
        self._show_the_rest_if_spent()

    def end(self) -> None:
        """End a line that was begun."""
        self._long = False
        if self.leaf is not None and self.leaf.kind == "code":
            self.sink.text(self.leaf, "\n")

    def finish(self) -> None:
        """End the text."""
        self._give_back()
        self._close_to(1)

    # -- one line ------------------------------------------------------------------------------------------------

    def _spend(self, text: str) -> None:
        """Count what it costs to read a text."""
        self._effort += EFFORT_A_CHARACTER * len(text)
        self._effort -= _EFFORT_A_LINE + _EFFORT_A_CONTAINER * len(self.stack)
        if self.leaf is None or self.leaf.kind != "code":
            self._effort -= sum(map(text.count, _COSTLY))

    def _show_the_rest_if_spent(self) -> None:
        if self._effort < 0 and self._rest is None:
            self._close_to(1)
            self._rest = Block("code", fence="```")
            self._add(self._rest)

    def _take(self, text: str) -> None:
        self._spend(text)
        self._show_the_rest_if_spent()
        if self._rest is not None:
            self._code(self._rest, text)
            return
        if self._formula_takes(text):
            return
        self._give_back()
        line = Cursor(text)
        matched = self._match(line)
        whole = matched == len(self.stack)
        if whole and self.leaf is not None and self.leaf.kind == "code" and self._code_takes(self.leaf, line):
            return
        if whole and self._summary_takes(line):
            return
        begins = DETAILS.match(line.content) is not None
        open_before = self._innermost_details(matched)
        ends = (begins or open_before) and self._cut_end_of_details(line)
        if not (ends and line.blank):
            self._take_rest(line, matched)
        if ends:
            self._close_to(self._innermost_details(len(self.stack)) if begins else open_before)
            self._blank = False

    def _take_rest(self, line: Cursor, matched: int) -> None:
        """Open blocks, or go on with the open leaf."""
        whole = matched == len(self.stack)
        opened = self._open_blocks(line, matched)
        if opened is None:
            return
        if opened == 0 and line.blank:
            deepest = self.stack[matched - 1]
            self._close_to(matched)
            self._blank = deepest.kind != "quote"
            return
        if opened and line.blank:
            self._blank = False
            return
        leaf = self.leaf
        if leaf is not None and leaf.kind == "paragraph" and opened == 0:
            self._extend(leaf, "\n" + line.rest.lstrip(" \t"))  # also a lazy continuation, if not whole
        elif leaf is not None and leaf.kind == "table" and opened == 0 and whole and not self._long:
            row = cells(line.rest)[: len(leaf.columns)]
            missing = len(leaf.columns) - len(row)
            self._effort -= _EFFORT_AN_EMPTY_CELL * missing
            self.sink.row(leaf, row + [""] * missing)
        else:
            if opened == 0:
                self._close_to(matched)
            paragraph = Block("paragraph")
            self._add(paragraph)
            self._extend(paragraph, line.rest.lstrip(" \t"))
        self._blank = False

    def _innermost_details(self, among: int) -> int:
        """Return the number of the innermost details among the first containers, 0 if none of them is a details."""
        return max((number for number, block in enumerate(self.stack[:among]) if block.kind == "details"), default=0)

    def _cut_end_of_details(self, line: Cursor) -> bool:
        text = line.rest.rstrip(" \t")
        if self._long or line.indent >= CODE_INDENT or not text.lower().endswith(DETAILS_END):
            return False
        line.cut(len(text) - len(DETAILS_END))
        return True

    def _summary_takes(self, line: Cursor) -> bool:
        """Give the line to the open summary; return False if no summary is open, or if it ends before this line."""
        leaf = self.leaf
        if leaf is None or leaf.kind != "summary":
            return False
        if line.blank or self._long or len(leaf.text) > _SUMMARY:
            self._close_leaf()
            return False
        self._summarize(leaf, line)
        if not line.blank:
            self._take_rest(line, len(self.stack))
        return True

    def _summarize(self, leaf: Block, line: Cursor) -> None:
        """Move the text of a summary from the line to the leaf, and close that if it ends."""
        end = SUMMARY_END.search(line.rest)
        leaf.text += "\n" + (line.rest[: end.start()] if end else line.rest)
        line.drop(end.end() if end else len(line.rest))
        if end:
            leaf.text = leaf.text.strip()
            self._close_leaf()

    def _match(self, line: Cursor) -> int:
        """Walk the open containers as far as the line continues them; return how many."""
        for number, block in enumerate(self.stack):
            if block.kind == "quote":
                if not self._quote(line):
                    return number
            elif block.kind == "item":
                if line.blank:
                    if not block.filled:
                        return number
                    line.skip(min(line.indent, block.offset))
                elif line.indent >= block.offset:
                    line.skip(block.offset)
                else:
                    return number
        return len(self.stack)

    @staticmethod
    def _quote(line: Cursor) -> bool:
        if line.indent >= CODE_INDENT or not line.content.startswith(">"):
            return False
        line.skip(line.indent)
        line.drop(1)
        if line.indent:
            line.skip(1)
        return True

    def _code_takes(self, leaf: Block, line: Cursor) -> bool:
        """Give the line to the open code block; return whether it has taken all of it."""
        self._blank = False
        if leaf.fence:
            mark = line.content.rstrip(" \t")
            if (
                line.indent < CODE_INDENT
                and len(mark) >= len(leaf.fence)
                and not mark.strip(leaf.fence[0])
                and not self._long
            ):
                self._close_leaf()
            else:
                line.skip(min(line.indent, leaf.offset))
                self._code(leaf, line.rest)
            return True
        if line.blank:
            line.skip(min(line.indent, CODE_INDENT))
            self._blanks = (self._blanks, line.rest)
            self._blank = True
            return True
        if line.indent >= CODE_INDENT:
            line.skip(CODE_INDENT)
            self._code(leaf, "".join(blank + "\n" for blank in _in_order(self._blanks)) + line.rest)
            self._blanks = None
            return True
        self._close_leaf()
        return False

    def _code(self, leaf: Block, text: str) -> None:
        self.sink.text(leaf, show_marks(text if self._long else text + "\n"))

    def _formula_takes(self, text: str) -> bool:
        """Give the line to the open formula; return False if none is open, or if the line can't be part of it."""
        leaf, line = self.leaf, Cursor(text)
        if leaf is None or leaf.kind != "math" or self._match(line) < len(self.stack):
            return False
        if self._long or line.blank or len(leaf.text) > MATH_LIMIT or _fence(line):
            return False
        if self._ends_formula(leaf, line.rest):
            self._close_leaf()
        else:
            leaf.text += line.rest + "\n"
            leaf.lines = (leaf.lines, text)
        return True

    @staticmethod
    def _ends_formula(leaf: Block, rest: str) -> bool:
        """Take the rest of the formula, if it ends in this line: nothing but a punctuation mark may follow there."""
        closing = CLOSING.get(leaf.fence) or leaf.fence.replace("begin", "end")
        inside, found, after = rest.partition(closing)
        after = after.strip(" \t")
        if not found or len(after) > 1 or after not in ".,;:":
            return False
        if leaf.fence in CLOSING:
            inside += after
        leaf.text += inside
        leaf.filled = True
        return True

    def _give_back(self) -> None:
        """Read the lines of a formula that did not end again, as what they are without it."""
        leaf = self.leaf
        if leaf is None or leaf.kind != "math" or leaf.filled:
            return
        held = _in_order(leaf.lines)
        long, self._long, self._no_formula = self._long, False, True
        first, leaf.lines = leaf.fence + leaf.info, None
        if leaf.before is not None:
            self.leaf = leaf.before
            first = "\n" + first
        else:
            leaf.kind, leaf.fence, leaf.info, leaf.text = "paragraph", "", "", ""
        assert self.leaf is not None  # noqa: S101 - the paragraph that was just put there
        self._extend(self.leaf, first)
        for line in held:
            self._take(line)
        self._long, self._no_formula = long, False

    def _open_blocks(self, line: Cursor, matched: int) -> int | None:
        """Open the blocks that begin in this line.

        Returns
        -------
        int or None
            How many containers were opened; None if a leaf has taken the rest of the line.
        """
        opened = 0
        while True:
            whole = opened > 0 or matched == len(self.stack)
            lazy = self.leaf is not None and self.leaf.kind == "paragraph" and opened == 0
            paragraph = self.leaf if lazy and whole else None
            if line.blank:
                return opened
            if line.indent >= CODE_INDENT:
                if lazy:
                    return opened
                self._close_to(matched if opened == 0 else len(self.stack))
                line.skip(CODE_INDENT)
                code = Block("code")
                self._add(code)
                self._code(code, line.rest)
                self._blank = False
                return None
            if self._container(line, matched, opened, paragraph):
                opened += 1
                continue
            if self._one_line(line, matched if opened == 0 else len(self.stack), paragraph):
                self._blank = False
                return None
            return opened

    def _container(self, line: Cursor, matched: int, opened: int, paragraph: Block | None) -> bool:
        """Open the container that begins here, if there is room for it; a summary counts as one."""
        content = line.content
        keep = matched if opened == 0 else len(self.stack)
        if keep + 2 > DEPTH:
            return False
        if content.startswith(">"):
            self._close_to(keep)
            self._quote(line)
            self._add(Block("quote"))
            return True
        if content.startswith("<") and not self._long:
            return self._details(line, keep)
        mark = _MARKER.match(content)
        if mark is None or self._is_rule(content, paragraph):
            return False
        after = content[mark.end() :]
        if paragraph is not None and (not after.strip(" \t") or (mark[1] and int(mark[1]) != 1)):
            return False
        indent = line.indent
        line.skip(indent)
        line.drop(mark.end())
        padding = line.indent
        if line.blank:
            line.skip(padding)
            padding = 1
        else:
            padding = padding if padding <= CODE_INDENT else 1
            line.skip(padding)
        self._close_to(keep)
        kind = mark[2] or mark[0]
        top = self.stack[-1]
        if top.kind != "list" or top.marker != kind:
            self._add(
                Block("list", ordered=bool(mark[1]), start=int(mark[1] or 1), marker=kind),
            )
        self._add(Block("item", offset=indent + mark.end() + padding))
        return True

    def _details(self, line: Cursor, keep: int) -> bool:
        parent = self.stack[keep - 1]
        if tag := DETAILS.match(line.content):
            block = Block("details")
        elif parent.kind == "details" and not parent.filled and (tag := SUMMARY.match(line.content)):
            block = Block("summary")
        else:
            return False
        self._close_to(keep)
        line.skip(line.indent)
        line.drop(tag.end())
        self._add(block)
        if block.kind == "summary":
            self._summarize(block, line)
        return True

    def _is_rule(self, content: str, paragraph: Block | None) -> bool:
        if paragraph is not None and not paragraph.filled and _SETEXT.match(content):
            return True
        return bool(_RULE.match(content))

    def _one_line(self, line: Cursor, keep: int, paragraph: Block | None) -> bool:
        """Open the leaf that this line begins, other than a paragraph."""
        if self._long:
            return False
        content = line.content
        if heading := _HEADING.match(content):
            title = _HEADING_END.sub("", content[heading.end() :])
            block = Block("heading", level=len(heading[1]), text=title.strip(" \t"))
        elif fence := _FENCE.match(content):
            indent = line.indent
            self._close_to(keep)
            info = (fence[2] if fence[1] else fence[4]).strip()
            self._add(Block("code", fence=fence[1] or fence[3], info=info, offset=indent))
            return True
        elif not self._no_formula and (formula := _MATH_OPEN.match(content)):
            return self._open_formula(content, formula[0], keep, paragraph)
        elif paragraph is not None and not paragraph.filled and self._underlined(paragraph, content):
            return True
        elif _RULE.match(content):
            block = Block("rule")
        else:
            return False
        self._close_to(keep)
        self._add(block)
        self._close_leaf()
        return True

    def _open_formula(self, content: str, opening: str, keep: int, paragraph: Block | None) -> bool:
        """Open the formula that this line begins, or take it, if it ends there; return False if the line is text."""
        if paragraph is not None and paragraph.text.count("$$") % 2 and opening == "$$":
            return False  # a formula of the paragraph ends here
        rest = content[len(opening) :]
        block = Block("math", fence=opening, info=rest)
        ends = self._ends_formula(block, rest)
        if not ends and (CLOSING.get(opening) or opening.replace("begin", "end")) in rest:
            return False  # it is in the middle of a text
        if ends and not block.text.strip():
            return False
        if paragraph is not None and not ends:
            self.leaf, block.before = None, paragraph
        else:
            self._close_to(keep)
        self._add(block)
        if ends:
            self._close_leaf()
        else:
            block.text = rest + "\n"
        return True

    def _underlined(self, paragraph: Block, content: str) -> bool:
        """Turn the open paragraph into a table or a heading if this line makes it one."""
        columns = alignments(content)
        if columns:
            before, _, last = paragraph.text.rpartition("\n")
            head = cells(last) if "|" in last else []
            if len(head) == len(columns):
                paragraph.text = before
                self._close_leaf()
                self._add(Block("table", columns=columns, head=head))
                return True
        if not _SETEXT.match(content):
            return False
        text = define(paragraph.text, self.sink.references)
        if not text.strip(" \t\n"):
            paragraph.text = ""
            return False
        paragraph.kind = "heading"
        paragraph.level = 1 if content[0] == "=" else 2
        paragraph.text = text.strip(" \t\n")
        self._close_leaf()
        return True

    # -- the stack -----------------------------------------------------------------------------------------------

    def _add(self, block: Block) -> None:
        if block.kind != "item" and self.stack[-1].kind == "list":
            self._close_to(len(self.stack) - 1)
        parent = self.stack[-1]
        if parent.kind == "item":
            if parent.filled and self._blank:
                self._loosen(self.stack[-2])
            block.first = not parent.filled
            parent.filled = True
        else:
            if parent.kind == "list" and parent.filled and self._blank:
                self._loosen(parent)
            parent.filled = True
        block.inner = parent.kind in {"item", "quote"}
        self._effort -= _EFFORT_A_BLOCK
        block.id, block.parent = self._next, parent.id
        self._next += 1
        if block.kind in CONTAINERS:
            self.stack.append(block)
        else:
            self.leaf = block
        if block.kind in OPENED:
            self.sink.open(block)

    def _loosen(self, block: Block) -> None:
        if block.tight:
            block.tight = False
            self.sink.loose(block)

    def _close_to(self, count: int) -> None:
        """Close the leaf and all containers but the first `count`."""
        self._close_leaf()
        while len(self.stack) > count:
            self.sink.close(self.stack.pop())

    def _close_leaf(self) -> None:
        leaf, self.leaf = self.leaf, None
        self._blanks = None
        if leaf is None:
            return
        if leaf.kind in OPENED:
            self.sink.close(leaf)
        elif leaf.kind != "paragraph":
            if leaf.before is not None:
                self.leaf, leaf.before = leaf.before, None
                self._close_leaf()
            self.sink.leaf(leaf)
        elif leaf.filled:
            self.sink.text(leaf, leaf.text.rstrip(" \t\n"))
            self.sink.close(leaf)
        else:
            if leaf.text.startswith("["):
                self._effort -= _EFFORT_A_DEFINITION
            leaf.text = define(leaf.text, self.sink.references).strip(" \t\n")
            if leaf.text:
                self.sink.leaf(leaf)

    def _extend(self, paragraph: Block, text: str) -> None:
        paragraph.text += text
        paragraph.marks += most_marks(text)
        while len(paragraph.text) > SEGMENT or (
            paragraph.marks > MARKS and len(paragraph.text) > reach(paragraph.text, SEGMENT)
        ):
            segment, paragraph.text = split(paragraph.text)
            paragraph.marks = most_marks(paragraph.text)
            if not paragraph.filled:
                paragraph.filled = True
                self.sink.open(paragraph)
            self.sink.text(paragraph, segment)


def _in_order(lines: Lines) -> list[str]:
    found = []
    while lines is not None:
        lines, line = lines
        found.append(line)
    return found[::-1]


def _fence(line: Cursor) -> bool:
    return line.indent < CODE_INDENT and _FENCE.match(line.content) is not None
