r"""Safe HTML of a reply.

Every element and attribute is written here; nothing of the text becomes one. What a typesetter of math looks for
(``$``, ``\``) is in an element of its own wherever it is not math, so that the typesetter finds nothing in it:
MathJax 2 and 3 do not look for delimiters across elements.
"""

from __future__ import annotations

import re
from html import escape

from markdown_it.token import Token

from berlin_magic.display.markdown.block import CLOSING, CONTAINERS, Block
from berlin_magic.display.markdown.controls import show_controls, show_marks
from berlin_magic.display.markdown.elements import INLINE
from berlin_magic.display.markdown.highlight import Highlighter
from berlin_magic.display.markdown.inline import References, image_of, parse, words_and_tokens
from berlin_magic.display.markdown.links import addresses, link_target
from berlin_magic.display.markdown.stylesheet import REPLY
from berlin_magic.display.markdown.tex import harmless
from berlin_magic.display.markdown.tree import Node
from berlin_magic.display.markdown.tree import parse as parse_blocks

__all__ = ["Html", "text_to_html", "to_html"]

_TASK = re.compile(r"\[([ xX])\][ \t\n]+(?=\S)")
_BOXES = {" ": "☐ ", "x": "☑ ", "X": "☑ "}
_ELEMENTS = {"em", "strong", "s"} | INLINE
_AUTO = ' dir="auto"'  # written left to right or right to left, as its first letter is
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9+#.-]{0,19}(?!\S)")
_DELIMITER = re.compile(r"[$\\]")
_LINK = '<a href="{}" target="_blank" rel="noopener noreferrer nofollow"{}>'


def to_html(text: str) -> str:
    """Return `text` as HTML in which nothing runs, loads or navigates by itself.

    Parameters
    ----------
    text : str
        Untrusted Markdown.

    Returns
    -------
    str
        One ``<div class="berlin-reply">``. It holds headings, paragraphs, lists, tables, quotes, code, emphasis,
        links to ``http``, ``https`` and ``mailto`` addresses, and, if it has code, tables or keys, one constant
        style sheet.
    """
    root, references = parse_blocks(text)
    body = Html().whole(root, references)
    style = f"<style>{REPLY}</style>\n" if any(tag in body for tag in ("<pre", "<table", "<kbd")) else ""
    return f'{style}<div class="berlin-reply">\n{body}</div>'


def text_to_html(text: str) -> str:
    r"""Return plain text as HTML: it has no markup, and no typesetter of math finds ``$`` or ``\(`` in it."""
    return _plain(show_controls(text))


class Html:
    """Writes blocks as HTML.

    Parameters
    ----------
    live : bool
        Write for a growing document: each paragraph of a list is an element, and the list's class says if it is tight.
    """

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self.highlighter = Highlighter()

    # -- blocks --------------------------------------------------------------------------------------------------

    def whole(self, root: Node, references: References) -> str:
        """Return a whole tree."""
        return "".join(self._node(child, references, tight=False) for child in root.children)

    def _node(self, node: Node, references: References, *, tight: bool) -> str:
        block = node.block
        if block.kind == "code":
            content = self.highlighter.html("".join(node.texts), block.info)
        elif block.kind == "table":
            content = "".join(self.row(block, row, references) for row in node.rows)
        elif block.kind == "paragraph" and node.texts:
            content = "".join(self.inline(text, references) for text in node.texts)
        elif block.kind in CONTAINERS:
            inner = tight if block.kind == "item" else block.kind == "list" and block.tight and not self._live
            content = "".join(self._node(child, references, tight=inner) for child in node.children)
        else:
            return self.leaf(block, references, tight=tight)
        return self.wrap(block, content, references)

    def wrap(self, block: Block, content: str, references: References, slot: int | None = None) -> str:
        """Return the element of a block that was opened, with `content` in it.

        Parameters
        ----------
        slot : int, optional
            The number of the slot that the element is to become.
        """
        mark = "" if slot is None else f' data-slot="{slot}"'
        match block.kind:
            case "quote" | "details":
                tag = f"blockquote{_AUTO}" if block.kind == "quote" else "details"
                html = f"<{tag}{mark}>\n{content}</{tag.split(maxsplit=1)[0]}>\n"
            case "item":
                html = f"<li{mark}>{content}</li>\n"
            case "list":
                tag = "ol" if block.ordered else "ul"
                start = f' start="{block.start}"' if block.ordered and block.start != 1 else ""
                tight = ' class="berlin-tight"' if self._live and block.tight else ""
                html = f"<{tag}{_AUTO}{start}{tight}{mark}>\n{content}</{tag}>\n"
            case "code":
                name = _LANGUAGE.match(block.info)
                label = f' data-language="{name[0]}"' if name else ""
                html = f'<div class="highlight"{label}><pre dir="ltr"><code{mark}>{content}</code></pre></div>\n'
            case "table":
                head = self._cells("th", block, block.head, references)
                html = (
                    f'<div class="berlin-table"><table{_AUTO}><thead><tr>{head}</tr></thead>'
                    f"<tbody{mark}>{content}</tbody></table></div>\n"
                )
            case _:
                html = f"<p{_direction(block)}{mark}>{content}</p>\n"
        return html

    def row(self, block: Block, row: list[str], references: References) -> str:
        """Return a row of a table."""
        return f"<tr>{self._cells('td', block, row, references)}</tr>\n"

    def _cells(self, tag: str, block: Block, row: list[str], references: References) -> str:
        return "".join(
            f'<{tag} style="text-align:{side}">' + self.inline(cell, references) + f"</{tag}>"
            if side
            else f"<{tag}>{self.inline(cell, references)}</{tag}>"
            for cell, side in zip(row, block.columns, strict=True)
        )

    def leaf(self, block: Block, references: References, *, pending: bool = False, tight: bool = False) -> str:
        """Return a whole paragraph, heading, rule or formula; an empty string if nothing of it is to be shown yet."""
        if block.kind == "rule":
            return "<hr>\n"
        if block.kind == "math":
            tex = harmless(block.tex().strip())
            if tex is not None:
                return f'<div class="berlin-math">\\[{escape(tex, quote=False)}\\]</div>\n'
            return f"<p{_direction(block)}>{_text(block.source())}</p>\n"
        text = block.text
        box = _TASK.match(text) if block.first and block.kind == "paragraph" else None
        content = self.inline(text[box.end() :] if box else text, references, pending=pending)
        if pending and not content:
            return ""
        if block.kind in {"heading", "summary"}:
            tag = "summary" if block.kind == "summary" else f"h{block.level}"
            return f"<{tag}{_direction(block)}>{content}</{tag}>\n"
        if box:
            content = _BOXES[box[1]] + content
        return f"{content}\n" if tight else f"<p{_direction(block)}>{content}</p>\n"

    @staticmethod
    def half_formula(block: Block) -> str:
        """Return a formula that is still being typed: its source, not yet for the typesetter."""
        opening = "" if block.fence in CLOSING else block.fence
        return f'<div class="berlin-half-math">{_text(opening + block.text)}</div>\n'

    # -- inline --------------------------------------------------------------------------------------------------

    def inline(self, text: str, references: References, *, pending: bool = False) -> str:
        """Return the content of a paragraph, a part of one, or a cell."""
        ends: list[str] = []
        return "".join(
            _text(item, link=not ends) if isinstance(item, str) else self._token(item, ends)
            for item in words_and_tokens(parse(text, references, pending=pending))
        )

    def _token(self, token: Token, ends: list[str]) -> str:
        """Return one token that is no text; `ends` are the ends of the links that are open."""
        match token.type:
            case "softbreak":
                html = "\n"
            case "hardbreak":
                html = "<br>\n"
            case "code_inline":
                html = f'<code dir="ltr">{escape(show_marks(token.content), quote=False)}</code>'
            case "math_inline":
                tex = escape(harmless(token.content) or "", quote=False)
                left, right = ("\\[", "\\]") if token.markup == "$$" else ("\\(", "\\)")
                html = f'<span class="berlin-math">{left}{tex}{right}</span>'
            case "link_open":
                html, end = self._link(token)
                ends.append(end)
            case "link_close":
                html = ends.pop()
            case "image":
                html = self._image(token, inside=bool(ends))
            case _ if token.nesting and token.tag in _ELEMENTS:
                html = f"<{'/' if token.nesting < 0 else ''}{token.tag}>"
            case _:
                html = _text(token.content)
        return html

    def _link(self, token: Token) -> tuple[str, str]:
        address = str(token.attrs.get("href", ""))
        target = link_target(address)
        if target is None:
            return "", f" ({_text(address)})" if address else ""
        title = str(token.attrs.get("title", ""))
        return _LINK.format(escape(target), f' title="{escape(title)}"' if title else ""), "</a>"

    def _image(self, token: Token, *, inside: bool) -> str:
        address, described = image_of(token)
        shown = _text(described)
        target = link_target(address)
        if target is None or inside:
            return shown
        return _LINK.format(escape(target), "") + shown + "</a>"


def _direction(block: Block) -> str:
    return "" if block.inner else _AUTO


def _text(text: str, *, link: bool = False) -> str:
    """Return text as HTML, with the bare web addresses in it as links if `link` is true."""
    parts = []
    at = 0
    for start, end, target in addresses(text) if link else ():
        parts += [_plain(text[at:start]), _LINK.format(escape(target), ""), _plain(text[start:end]), "</a>"]
        at = end
    return "".join(parts) + _plain(text[at:])


def _plain(text: str) -> str:
    return _DELIMITER.sub(r"<span>\g<0></span>", escape(text, quote=False))
