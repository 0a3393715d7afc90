r"""Write safe Markdown from a parsed text, so plain that every parser reads it in the same way.

Parsers differ: what one takes for code another takes for HTML, and front ends look for math in the source before
they parse it. So nothing of the text is copied into the source unchanged, except the content of code, and letters:

- a mark that means something in Markdown, HTML or TeX is written as a numeric character reference, which is text to
  every parser;
- code is in a fence longer than any run of back quotes in it; code in a line that a search for math could
  misread (nbconvert's looks for ``$$`` and ``\\[`` before it looks for code) is written as text;
- code that would do something if a parser that knows no fences took it for HTML is written as the elements ``<pre>``
  and ``<code>``, with character references in them;
- a dollar that is no math stays text in a typesetter's eyes too (`_text`);
- links carry their addresses in themselves: there are no reference definitions; there is no title;
- math is TeX with known commands only, and inert as Markdown (`tex.inert`).
"""

from __future__ import annotations

import re

from markdown_it.token import Token

from berlin_magic.display.markdown.block import Block
from berlin_magic.display.markdown.controls import show_marks
from berlin_magic.display.markdown.flanking import can_begin
from berlin_magic.display.markdown.highlight import language
from berlin_magic.display.markdown.inline import References, image_of, parse, words_and_tokens, words_of
from berlin_magic.display.markdown.links import addresses, link_target
from berlin_magic.display.markdown.tex import BLOCK_MARK, inert
from berlin_magic.display.markdown.tree import Node
from berlin_magic.display.markdown.tree import parse as parse_blocks

__all__ = ["to_markdown"]

_MARK = re.compile(
    r"[<>&$`\\*\[\]|~^{}@\x00-\x08\x0b-\x1f\x7f]|(?<![^\W_])_|_(?![^\W_])|!(?=\[)|==|\+\+|::"
    r"|(?<=[a-z]):(?=/)|/(?=/)|(?<=www)\.",
    re.IGNORECASE,
)
_LINE_START = re.compile(r"(?m)^([ \t]*)(?:([-+#=:%_@>])|(\d{1,20})([.)]))")
_CODE_RISK = re.compile(r"\$\$|\\\\?[()\[\]]|\\(?:begin|end)|@@|[\x00-\x08\x0a-\x1f]|~[TD]")
_TAG = re.compile(r"<[A-Za-z!/?]")
_ACTIVE_TAG = re.compile(
    r"<[!/?]?(?:[!?]|(?:script|style|link|meta|base|title|textarea|plaintext|xmp|noscript|noembed|noframes|iframe|frame"
    r"|frameset|object|embed|applet|param|form|input|button|select|option|isindex|keygen|body|html|head|template|slot"
    r"|svg|math|portal|audio|video|source|track|img|image|picture|marquee|bgsound|layer|dialog|area|map|pre|code)\b)",
    re.IGNORECASE,
)
_ACTIVE_ATTRIBUTE = re.compile(
    r"(?:\bon\w+|\b(?:style|class|id|name|is|src|srcset|srcdoc|href|action|formaction|data|poster|background|ping|lowsrc"
    r"|dynsrc|codebase|archive|manifest|content|http-equiv|target|contenteditable|autofocus))\s*=",
    re.IGNORECASE,
)
_ACTIVE_LINK = re.compile(
    r"!\[[^\[\]!]{0,300}\]\s{0,9}[(\[]"
    r"|\]\s{0,9}\((?:[^()\n]*[:&]|\s{0,9}<?\s{0,9}[/\\])"
    r"|\]:[ \t]{0,9}\S{0,300}[:&]"
)
_BROKEN_ADDRESS = re.compile(r"[()\[\]$*`'\"\\|~<>!]|(?<=@)@")
_MARKS = {"em": "*", "strong": "**", "s": "~~"}
_STARS = {"*", "**"}
_ALONE = re.compile(r"<[a-z/]+>\Z")  # a tag alone on its line would begin a block of HTML
_INTERRUPTS = re.compile(r"(?:[-*]|1[.)]) \S")  # a list that may follow a paragraph without an empty line
_TASK = re.compile(r"\[([ xX])\][ \t\n]+(?=\S)")
_SPACE = re.compile(r"\s+")
_DELIMITER = re.compile(r"\\[(\[]|\\begin")


_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9+#.-]{0,19}(?!\S)")
_CODE_FRAME = (
    '<div class="berlin-code" style="display:grid;grid:auto/minmax(max-content,1fr);overflow:auto;margin-bottom:1em;'
    'font-family:monospace;--jp-layout-color0:var(--jp-cell-editor-background)">'
)
"""Let code scroll on a background (JupyterLab takes it from this variable) if there is no style sheet."""
_TABLE_FRAME = '<div style="overflow:auto">'
_NARROW = 70  # characters of a row that needs no scroll bar


def to_markdown(text: str, *, framed: bool = False) -> str:
    """Return `text` as Markdown in which nothing runs, loads or navigates by itself, whichever parser reads it.

    Parameters
    ----------
    text : str
        Untrusted Markdown.
    framed : bool
        Write elements around the reply and around each code block, with the name of its language, for style sheets.

    Returns
    -------
    str
        CommonMark with GFM's tables, task lists and strikethrough, and math in dollars.
    """
    root, references = parse_blocks(text)
    lines = _Writer(references, framed=framed).blocks(root.children)
    if framed:  # in Markdown an empty line ends the HTML block, so that the text between is Markdown again
        lines = ['<div class="berlin-reply">', "", *lines, "", "</div>"]
    return "\n".join(lines) + "\n" if lines else ""


class _Writer:
    """Writes blocks as lines, without the prefixes of the containers around them."""

    def __init__(self, references: References, *, framed: bool) -> None:
        self._references = references
        self._framed = framed

    def blocks(self, nodes: list[Node], *, tight: bool = False) -> list[str]:
        lines: list[str] = []
        before: Node | None = None
        for node in nodes:
            new = self._block(node, alternate=self._follows_list(before, node, lines))
            if new:
                joined = not lines or (tight and node.block.kind == "list" and _INTERRUPTS.match(new[0]))
                lines += new if joined else ["", *new]
                before = node
        return lines

    @staticmethod
    def _follows_list(before: Node | None, node: Node, lines: list[str]) -> bool:
        """Whether a list comes right after another of its kind, and so needs another marker."""
        if before is None or before.block.kind != "list" or node.block.kind != "list":
            return False
        last = next((line for line in reversed(lines) if re.match(r"[-*] |\d+[.)] ", line)), "")
        return last.startswith("- ") if not node.block.ordered else bool(re.match(r"\d+\. ", last))

    def _block(self, node: Node, *, alternate: bool) -> list[str]:
        block = node.block
        match block.kind:
            case "quote":
                lines = [f"> {line}" if line else ">" for line in self.blocks(node.children) or [""]]
            case "details":
                lines = self._details(node)
            case "list":
                lines = self._list(node, alternate=alternate)
            case "code":
                lines = self._code_block("".join(node.texts), block.info)
            case "table":
                lines = self._table(node)
            case "rule":
                lines = ["***"]
            case "math":
                lines = _formula(block)
            case "heading":
                lines = ["#" * block.level + " " + self._inline(block.text).replace("\n", " ")]
            case _:
                lines = self._paragraph(node)
        return lines

    def _details(self, node: Node) -> list[str]:
        lines = ["<details>"]
        children = node.children
        if children and children[0].block.kind == "summary":  # in an HTML block, where Markdown's marks are text
            words = words_of(parse(children[0].block.text, self._references))
            lines.append(f"<summary>{_text(_SPACE.sub(' ', words))}</summary>")
            children = children[1:]
        return [*lines, "", *self.blocks(children), "", "</details>"] if children else [*lines, "</details>"]

    def _paragraph(self, node: Node) -> list[str]:
        block = node.block
        box = _TASK.match(block.text) if block.first else None
        texts = node.texts or [block.text[box.end() :] if box else block.text]
        content = "".join(self._inline(text) for text in texts)
        lines = [line.strip() for line in _starts(content).split("\n")]
        lines = [f"&#8203;{line}" if _ALONE.match(line) else line for line in lines if line]
        if box and lines:
            lines[0] = f"[{box[1].lower()}] {lines[0]}"
        return lines

    def _list(self, node: Node, *, alternate: bool) -> list[str]:
        block = node.block
        lines: list[str] = []
        has_gap = False
        number = block.start
        for item in node.children:
            if block.ordered:
                marker = f"{number}{')' if alternate else '.'} "
                number = min(number + 1, 999_999_999)
            else:
                marker = "* " if alternate else "- "
            content = self.blocks(item.children, tight=block.tight) or [""]
            if not content[0] or content[0].startswith((" ", "\t")):
                content = ["&#8203;", "", *content] if content[0] else ["&#8203;"]
            pad = " " * len(marker)
            if lines and (not block.tight or "" in content or has_gap):
                lines.append("")
            has_gap = "" in content
            lines += [marker + content[0], *(f"{pad}{line}" if line else "" for line in content[1:])]
        return lines

    def _code_block(self, code: str, info: str) -> list[str]:
        lines = _fence(code, info)
        if not self._framed:
            return lines
        name = _LABEL.match(info)
        return [_CODE_FRAME + (f"<small>{name[0]}</small>" if name else ""), "", *lines, "</div>"]

    def _table(self, node: Node) -> list[str]:
        sides = {"": ":--", "left": ":--", "center": ":-:", "right": "--:"}
        rows = [node.block.head, *node.rows]
        cells = [[self._inline(cell, cell=True).replace("\n", " ") for cell in row] for row in rows]
        lines = ["| " + " | ".join(cell or " " for cell in row) + " |" for row in cells]
        lines.insert(1, "| " + " | ".join(sides[side] for side in node.block.columns) + " |")
        if self._framed and max(map(len, lines)) > _NARROW:
            lines = [_TABLE_FRAME, "", *lines, "</div>"]
        return lines

    # -- inline --------------------------------------------------------------------------------------------------

    def _inline(self, text: str, *, cell: bool = False) -> str:
        parts: list[str] = []
        ends: list[str] = []
        marks: list[tuple[int, Token]] = []
        for item in words_and_tokens(parse(text, self._references)):
            if isinstance(item, str):
                _append(parts, _text(item, link=not ends))
                continue
            if item.nesting and item.tag in _MARKS:
                marks.append((len(parts), item))
            _append(parts, self._token(item, ends, cell=cell))
        _check_marks(parts, marks)
        return "".join(parts)

    def _token(self, token: Token, ends: list[str], *, cell: bool) -> str:
        match token.type:
            case "softbreak" | "hardbreak":
                text = _break(token, cell=cell)
            case "code_inline":
                text = _code(show_marks(token.content), cell=cell)
            case "math_inline":
                text = self._math(token, cell=cell)
            case "link_open":
                address = str(token.attrs.get("href", ""))
                target = link_target(address)
                ends.append(f" ({_text(address)})" if target is None and address else _end(target))
                text = "" if target is None else "["
            case "link_close":
                text = ends.pop()
            case "image":
                text = self._image(token, inside=any(end.startswith("]") for end in ends))
            case _ if token.nesting and token.tag in _MARKS:
                text = _MARKS[token.tag]
            case "element_open" | "element_close":
                text = f"<{'/' if token.nesting < 0 else ''}{token.tag}>"
            case _:
                text = _text(token.content)
        return text

    @staticmethod
    def _math(token: Token, *, cell: bool) -> str:
        tex = (inert(token.content) or "").replace("\n", " ")
        if cell:
            tex = tex.replace("\\|", r"\Vert ").replace("|", r"\vert ").rstrip()
        if not tex or (cell and r"\begin{array}" in tex):  # where a bar is the rule between two columns
            return _text(f"${token.content}$")
        space = " " if tex.endswith("\\") else ""
        return f"$${tex}{space}$$" if token.markup == "$$" else f"${tex}{space}$"

    def _image(self, token: Token, *, inside: bool) -> str:
        address, described = image_of(token)
        shown = _text(_SPACE.sub(" ", described).strip())
        target = link_target(address)
        return shown if target is None or inside else f"[{shown}{_end(target)}"


def _check_marks(parts: list[str], marks: list[tuple[int, Token]]) -> None:
    """Write emphasis as elements if other parsers would not see it, by the characters around its marks.

    Parameters
    ----------
    parts : list of str
        What is written; changed in place.
    marks : list of tuple
        Where the marks are in it, with the token of each.
    """
    begun: list[tuple[int, bool]] = []
    for at, token in marks:
        before = next((parts[place][-1] for place in range(at - 1, -1, -1) if parts[place] not in _STARS), "")
        after = next((parts[place][0] for place in range(at + 1, len(parts)) if parts[place] not in _STARS), "")
        if token.nesting > 0:
            begun.append((at, can_begin(before, after)))
            continue
        start, seen = begun.pop()
        if not seen or not can_begin(after, before):
            parts[start], parts[at] = f"<{token.tag}>", f"</{token.tag}>"


def _break(token: Token, *, cell: bool) -> str:
    if token.type == "softbreak":
        return "\n"
    return "<br>" if cell or token.markup.startswith("<") else "\\\n"


def _formula(block: Block) -> list[str]:
    tex = inert(block.tex())
    if tex:
        tex = "{}" + tex if BLOCK_MARK.match(tex) else tex
        return ["$$", *tex.split("\n"), "$$"]
    return _starts(_text(block.source())).split("\n")


def _end(target: str | None) -> str:
    """Return the end of a link; no character in its address means anything to any parser."""
    if target is None:
        return ""
    safe = _BROKEN_ADDRESS.sub(lambda found: f"%{ord(found[0]):02X}", target).replace("&", "&amp;")
    return f"]({safe})"


def _append(parts: list[str], part: str) -> None:
    """Append to what is written; an exclamation mark before a link would make it an image."""
    if part.startswith("[") and parts and parts[-1].endswith("!"):
        parts[-1] = parts[-1][:-1] + "&#33;"
    if part:
        parts.append(part)


def _text(text: str, *, link: bool = False) -> str:
    """Return text of which no parser takes anything for markup, and no typesetter for math.

    What matters to a typesetter is the text that is shown, where a dollar written as a reference is a dollar again.
    So if there are marks that could be delimiters, a zero-width space follows each back slash: it makes what
    follows, if it ever is read as TeX, no command. Bare addresses, which parsers delimit differently, become links
    if `link` is true.
    """
    if text.count("$") > 1 or _DELIMITER.search(text):
        text = text.replace("\\", "\\\u200b")
    parts: list[str] = []
    at = 0
    for start, end, target in addresses(text) if link else ():
        _append(parts, _escape(text[at:start]))
        _append(parts, f"[{_escape(text[start:end])}{_end(target)}")
        at = end
    return "".join(parts) + _escape(text[at:])


def _escape(text: str) -> str:
    return _MARK.sub(lambda found: "".join(f"&#{ord(char)};" for char in found[0]), text)


def _starts(text: str) -> str:
    """Escape what would be a block's mark at the beginning of a line."""
    return _LINE_START.sub(
        lambda found: f"&#{ord(found[2])};" if found[2] else f"{found[3]}&#{ord(found[4])};",
        text,
    )


def _code(content: str, *, cell: bool) -> str:
    """Return a code span, or text if a parser could look into it."""
    if _does_something(content):
        return f"<code>{_escape(content)}</code>"
    if not content.strip() or _CODE_RISK.search(content) or (cell and ("|" in content or "\\" in content)):
        return _text(content)
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if longest or content[0] in " \t" or content[-1] in " \t\\" else ""
    return f"{marks}{pad}{content}{pad}{marks}"


def _does_something(code: str) -> bool:
    """Whether code, taken for HTML or Markdown, has in it what runs or loads something, or a link that does."""
    if _ACTIVE_LINK.search(code):
        return True
    tag = _TAG.search(code)
    return tag is not None and bool(_ACTIVE_TAG.search(code) or _ACTIVE_ATTRIBUTE.search(code, tag.start()))


_PYGMENTS_NAMES = {
    "cmd": "bat",
    "fs": "fsharp",
    "jinja2": "jinja",
    "jsonc": "json",
    "kt": "kotlin",
    "patch": "diff",
    "svelte": "html",
    "svg": "xml",
    "vb": "vbnet",
}
"""nbconvert 7.17 shows the name of a language that Pygments does not know as the first line of the code."""


def _fence(code: str, info: str) -> list[str]:
    if _does_something(code):
        shown = _escape(code.removesuffix("\n"))
        return [*f"<pre><code>{shown}".split("\n"), "</code></pre>"]
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    marks = "`" * (longest + 1)
    lines = code.removesuffix("\n").split("\n") if code else []
    name = language(info)
    return [marks + _PYGMENTS_NAMES.get(name, name), *lines, marks]
