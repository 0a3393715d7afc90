"""What is wrong with a piece of HTML: everything in it that could run, load or navigate by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from berlin_magic.display.markdown.stylesheet import REPLY

_TAGS = {
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "details",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
}
_VALUES = {
    ("a", "href"): re.compile(r"(?:https?://[^\s/]|mailto:)[\x21-\x7e]*\Z", re.IGNORECASE),
    ("a", "target"): re.compile(r"_blank\Z"),
    ("a", "rel"): re.compile(r"noopener noreferrer nofollow\Z"),
    ("a", "title"): re.compile(r".*\Z", re.DOTALL),
    ("ol", "start"): re.compile(r"\d{1,9}\Z"),
    ("th", "style"): re.compile(r"text-align:(?:left|right|center)\Z"),
    ("td", "style"): re.compile(r"text-align:(?:left|right|center)\Z"),
    ("div", "class"): re.compile(r"(?:berlin-reply|berlin-code|berlin-math|berlin-table|berlin-half-math|highlight)\Z"),
    ("div", "data-language"): re.compile(r"[A-Za-z0-9+#.-]{1,20}\Z"),
    ("span", "class"): re.compile(r"(?:berlin-math|[a-z]{1,2})\Z"),
    ("ul", "class"): re.compile(r"berlin-tight\Z"),
    ("ol", "class"): re.compile(r"berlin-tight\Z"),
}
_CODE_STYLE = (
    "display:grid;grid:auto/minmax(max-content,1fr);overflow:auto;margin-bottom:1em;font-family:monospace;"
    "--jp-layout-color0:var(--jp-cell-editor-background)"
)
_STYLE = f"(?:overflow:auto|{re.escape(_CODE_STYLE)})"  # of what stands around wide tables and code in Markdown
_FRAME = (
    r'<div class="berlin-reply">|</div>'
    rf'|<div(?: class="berlin-code")? style="{_STYLE}">(?:<small>[\w+#.-]+</small>)?'
)
_FOREIGN = {  # what other parsers write of harmless Markdown
    ("a", "href"): re.compile(r"(?:https?://|mailto:)", re.IGNORECASE),
    ("code", "class"): re.compile(r"(?:[\w#+-]+ )?language-[\w#+-]+\Z"),
    ("div", "class"): re.compile(r"(?:highlight.*|berlin-reply|berlin-code)\Z"),
    ("div", "style"): re.compile(rf"{_STYLE}\Z"),
    ("h1", "id"): re.compile(r".*"),
    ("input", "type"): re.compile(r"checkbox\Z"),
    ("input", "disabled"): re.compile(r""),
    ("input", "checked"): re.compile(r""),
    ("input", "class"): re.compile(r"task-list-item-checkbox\Z"),
    ("li", "class"): re.compile(r"task-list-item\Z"),
    ("td", "style"): re.compile(r"text-align:(?:left|right|center);?\Z"),
    ("th", "style"): re.compile(r"text-align:(?:left|right|center);?\Z"),
    ("td", "align"): re.compile(r"left|right|center"),
    ("th", "align"): re.compile(r"left|right|center"),
    ("a", "class"): re.compile(r"anchor-link\Z"),
}


_OURS = re.compile(rf"(?:[^<>]|</?(?:details|summary|sub|sup|kbd|em|strong|s|pre|code)>|<br>|{_FRAME})*\Z")


def is_ours(raw: str) -> bool:
    """Return whether raw HTML in Markdown consists of the elements that we write, with fixed attributes or none."""
    return _OURS.match(raw) is not None


class _Search(HTMLParser):
    def __init__(self, *, ours: bool, slots: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._ours = ours
        self._slots = slots
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in _TAGS and not (tag == "input" and not self._ours):
            self.found.append(f"element {tag}")
        for name, value in attrs:
            if self._slots and name == "data-slot" and (value or "").isdigit():
                continue
            if name == "dir" and value in {"auto", "ltr"}:
                continue
            if self._ours:
                rule = _VALUES.get((tag, name))
            else:
                rule = _FOREIGN.get((tag, name)) or _VALUES.get((tag, name))
                if tag[0] == "h" and name == "id":
                    continue
                if tag == "span" and name == "class":
                    continue
                if tag == "a" and name == "href" and value and re.fullmatch(r"#\S*", value):
                    continue  # nbconvert's anchor beside a heading
            if rule is None or not rule.match(value or ""):
                self.found.append(f"attribute {tag} {name}={value!r}")
        if tag not in {"br", "hr", "input", "img"}:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)  # HTML does not know <br />: it is <br>

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.found.append(f"unbalanced {tag}")

    def handle_comment(self, data):
        self.found.append(f"comment {data}")

    def handle_decl(self, decl):
        self.found.append(f"declaration {decl}")

    def handle_pi(self, data):
        self.found.append(f"instruction {data}")

    def unknown_decl(self, data):
        self.found.append(f"declaration {data}")


def dangers(html: str, *, ours: bool = True, slots: bool = False) -> list[str]:
    """Return everything in `html` that is not on the list of what our HTML, or any harmless HTML, consists of."""
    html = html.removeprefix(f"<style>{REPLY}</style>\n")
    search = _Search(ours=ours, slots=slots)
    search.feed(html)
    search.close()
    if search._open and ours:
        search.found.append(f"unclosed {search._open}")
    return search.found
