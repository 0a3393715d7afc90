"""Comparison of the text that a reader sees in an output with the text of the reply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

__all__ = ["agrees", "hides_characters", "letters"]

_KINDS = {"text/html", "text/markdown", "text/plain"}


def agrees(data: Mapping[str, Any]) -> bool:
    """Say whether the HTML and the Markdown of an output show what its plain text says, in letters and digits.

    Parameters
    ----------
    data : mapping
        The output's data by mime type; texts. The plain text is a reply, in Markdown.

    Returns
    -------
    bool
        False also if there is another form, which a front end may prefer, or HTML that `berlin_magic` does not write:
        it can hide text from the reader.
    """
    if not data.keys() <= _KINDS or not all(isinstance(text, str) for text in data.values()):
        return False
    plain = data.get("text/plain", "")
    shown = _letters_of_markdown(plain)
    if hides_characters(plain):
        return False
    if "text/markdown" in data:
        markdown = _REMARK.sub("", _unframed(data["text/markdown"]))
        if _hides(markdown) or _letters_of_markdown(markdown) != shown:
            return False
    try:
        return "text/html" not in data or letters(_without_marks(_text_of_html(data["text/html"]))) == shown
    except _OddHtmlError:
        return False


def hides_characters(text: str) -> bool:
    """Say whether `text` has characters that nothing shows, or that show others in another order."""
    return bool(_UNSEEN.search(text))


def letters(text: str) -> str:
    """Return the letters and digits of `text` alone, in lower case."""
    return "".join(filter(str.isalnum, text)).casefold()


_UNSEEN = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]")
_REMARK = re.compile(r"(?:\n\n|\A)\*\([^\n]*\)\*\n?\Z")
_NUMBER_OR_DASH = r"(?:[-*+]|\d{1,9}[.)])"
_FENCE = re.compile(
    rf"^([ \t>]*(?:{_NUMBER_OR_DASH}[ \t]+)*)(`{{3,}}|~{{3,}})[ \t]*([\w+#.-]{{0,20}})[ \t]*$", re.MULTILINE
)
_MARK = re.compile(
    rf"^[ \t>#]*(?:{_NUMBER_OR_DASH}[ \t]+)*(?:{_NUMBER_OR_DASH}(?=[ \t]|$)|\[[ xX]\](?=[ \t]))", re.MULTILINE
)
_TASK = re.compile(r"^([ \t>]*)\[[ xX]\](?=[ \t])", re.MULTILINE)
_LINK = re.compile(r"\[([^\[\]]*)\]\(<?([^\s()<>]*)>?\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:", re.MULTILINE)
_TAG = re.compile(r"<[!/?a-zA-Z]")
_FENCE_LINE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})")


_FRAMED = '<div class="berlin-reply">\n'
_STATUS = re.compile(
    r'^<div class="berlin-status" style="[a-z0-9.%;:-]*">(?:[^<>\n]|</?span>)*</div>\n*\Z',
    re.MULTILINE,
)
_CODE_STYLE = (
    "display:grid;grid:auto/minmax(max-content,1fr);overflow:auto;margin-bottom:1em;"
    "font-family:monospace;--jp-layout-color0:var(--jp-cell-editor-background)"
)
_FRAME = re.compile(
    r"([> ]*(?:(?:[-*]|\d{1,9}[.)]) )*)<(?:/div|div (?:class=\"berlin-reply\"|style=\"overflow:auto\""
    rf"|class=\"berlin-code\" style=\"{re.escape(_CODE_STYLE)}\"))>(?:<small>[\w+#.-]{{0,20}}</small>)?"
)


def _unframed(markdown: str) -> str:
    """Return Markdown without the elements that stand around a reply that has no HTML, and around its code."""
    if not markdown.startswith(_FRAMED):
        return markdown
    lines = [*_STATUS.sub("", markdown).split("\n"), ""]
    return "\n".join(map(_without_frame, lines, lines[1:]))


def _without_frame(line: str, following: str) -> str:
    """Return a line without the element in it, if it is one of ours and an empty line ends the HTML block."""
    frame = _FRAME.fullmatch(line)
    is_empty = frame and not following.strip("> ") and following.count(">") <= frame[1].count(">")
    return frame[1] if frame and is_empty else line


def _letters_of_markdown(text: str) -> str:
    return letters(_without_marks(_LINK.sub(_linked, _FENCE.sub(r"\1\2", text))))


def _linked(link: re.Match[str]) -> str:
    """Return what counts of a link: its text, with its address if that is not in the text."""
    text, address = link[1], link[2]
    return text if letters(unescape(address)) in letters(unescape(text)) else f"{text} {address}"


def _without_marks(text: str) -> str:
    """Return `text` without the numbers of lists and the crosses of tasks, with entities as characters."""
    return unescape(_TASK.sub(r"\1", _MARK.sub("", text)))


def _hides(markdown: str) -> bool:
    """Say whether Markdown can hold text that its reader does not see: tags, comments, definitions of links."""
    outside = _without_code(markdown)
    return bool(_TAG.search(outside) or _DEFINITION.search(outside) or hides_characters(markdown))


def _without_code(markdown: str) -> str:
    """Return Markdown without its fenced code and its code spans."""
    kept, fence = [], ""
    for line in markdown.split("\n"):
        mark = _FENCE_LINE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not line[mark.end() :].strip() else fence
        elif mark:
            fence = mark[1]
        else:
            kept.append(line)
    pieces = re.split("(`+)", "\n".join(kept))  # text and runs of backticks, in turn
    last = {len(run): number for number, run in enumerate(pieces) if number % 2}
    outside, closing = [], 0
    for number, piece in enumerate(pieces):
        if closing:
            closing = 0 if number % 2 and len(piece) == closing else closing
        elif number % 2 and last[len(piece)] > number:
            closing = len(piece)
        else:
            outside.append(piece)
    return "".join(outside)


_TAGS = frozenset(
    re.findall(
        r"\w+",
        "a b blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr i kbd li ol p pre s small span strong style"
        " sub summary sup table tbody td th thead tr ul",
    )
)
_VOID = frozenset({"br", "hr"})
_DEEPEST = 200
_BLOCKS = frozenset(re.findall(r"\w+", "blockquote br div h1 h2 h3 h4 h5 h6 hr li p pre table td th tr"))
_ATTRIBUTES = frozenset(re.findall(r"\S+", "class data-language dir href rel start style target title"))
_OUTSIDE_REPLY = frozenset({"berlin-reasoning", "berlin-status"})
"""The classes of elements in our HTML that are not part of the reply."""
_STYLE = re.compile(r"(?:text-align:\s*(?:left|right|center);?\s*)?")
_CLASSES = re.compile(r"(?:(?:berlin-[a-z-]+|highlight|[a-z]{1,2})(?: |$))*")

# What our own style sheets set, of any release: of all this, nothing can make a text invisible.
_LENGTHS = r"(?:(?:0|\d?(?:\.\d+)?em)(?: |$)){1,4}"
_TONE = r"#(?:[2-d][0-9a-f]){3}"  # neither white nor black
_SYMBOL = rf"var\(--vscode-[\w-]*(?:oreground|string|number|error),{_TONE}\)"
_TOKEN = rf"var\(--jp-mirror-editor-[a-z]+-color,(?:{_SYMBOL}|{_TONE})\)"
_COLOUR = (
    r"inherit|var\(--jp-content-font-color\d,inherit\)"
    rf"|{_TOKEN}|color-mix\(in srgb,{_TOKEN} \d\d%,currentcolor\)"
)
_GROUND = r"none|var\(--jp-cell-editor-background,var\(--vscode-textCodeBlock-background,rgba\([\d,.]+\)\)\)"
_LINE = r"0|\dpx solid var\([^{};]*\)"
_DECLARATIONS = {
    name: re.compile(value)
    for names, value in {
        "color": _COLOUR,
        "background": _GROUND,
        "border border-left border-inline-start": _LINE,
        "border-radius": r"\dpx",
        "margin margin-left margin-right margin-bottom padding": _LENGTHS,
        "font-style font-weight text-align": r"[a-z]+",
        "font-size": r"[6-9]\d%",
        "line-height": r"1(?:\.\d)?",
        "display": "block",
        "content": r"attr\(data-language\)",
        "user-select box-shadow": "none",
        "overflow-x": "auto",
        "overflow-wrap word-break": "normal",
        "white-space": "pre|pre-wrap|inherit",
        "max-width": "100%",
        "contain": "inline-size|paint",
    }.items()
    for name in names.split()
}

_ANY_TAG = re.compile(r'(/?)([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"]*")?)*) ?/?')
_ATTRIBUTE = re.compile(r' ([a-z-]+)(?:="([^"]*)")?')


class _OddHtmlError(ValueError):
    """There is something in the HTML that could hide text."""


def _text_of_html(html: str) -> str:
    """Return the text that our own kind of HTML shows.

    Raises
    ------
    _OddHtmlError
        If there is anything in it that could hide text.
    """
    reader = _Reader()
    for number, piece in enumerate(re.split("<([^<>]*)>", html)):
        if number % 2:
            reader.take_tag(piece)
        else:
            reader.take_text(piece)
    return reader.end()


class _Reader:
    def __init__(self) -> None:
        self._text: list[str] = []
        self._open: list[tuple[str, str, int]] = []  # tag, the address of a link, where its text begins
        self._outside = 0  # the number of open elements at the one that is not part of the reply

    def end(self) -> str:
        if self._open:
            raise _OddHtmlError
        return "".join(self._text)

    def take_text(self, text: str) -> None:
        if self._open and self._open[-1][0] == "style":
            if not _is_stylesheet(text):
                raise _OddHtmlError
        elif "<" in text or ">" in text:
            raise _OddHtmlError
        elif not self._outside:
            self._text.append(unescape(text))

    def take_tag(self, text: str) -> None:
        tag = _ANY_TAG.fullmatch(text)
        if tag is None or tag[2] not in _TAGS:
            raise _OddHtmlError
        if tag[1]:
            self._close(tag[2])
        else:
            self._begin(tag[2], {one[1]: one[2] or "" for one in _ATTRIBUTE.finditer(tag[3])})

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> None:
        is_outside = not self._outside and attributes.get("class") in _OUTSIDE_REPLY
        nested = tag == "a" and any(one[0] == "a" for one in self._open)
        shows = self._outside or is_outside or (not nested and _is_plain(tag, attributes))
        if not shows or len(self._open) > _DEEPEST:
            raise _OddHtmlError
        if tag in _BLOCKS:
            self._text.append("\n")
        if tag not in _VOID:
            self._open.append((tag, attributes.get("href", ""), len(self._text)))
            self._outside = len(self._open) if is_outside else self._outside

    def _close(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise _OddHtmlError
        _, address, start = self._open.pop()
        if self._outside:
            self._outside = 0 if len(self._open) < self._outside else self._outside
        elif tag == "a" and letters(unescape(address)) not in letters("".join(self._text[start:])):
            self._text.append(f" {unescape(address)}")


def _is_plain(tag: str, attributes: Mapping[str, str]) -> bool:
    """Say whether an element shows its text, whatever else the page holds."""
    if tag in {"details", "summary"} or not attributes.keys() <= _ATTRIBUTES:
        return False
    classes, style = attributes.get("class", ""), attributes.get("style", "")
    return bool(_CLASSES.fullmatch(classes) and _STYLE.fullmatch(style))


def _is_stylesheet(text: str) -> bool:
    """Say whether `text` is one that we write: for elements of a reply, with no rule that can hide a text."""
    for rule in text.strip().split("}"):
        selector, _, body = rule.partition("{")
        if rule and not (
            selector.startswith(".berlin-reply") and all(map(_is_declaration, filter(None, body.split(";"))))
        ):
            return False
    return True


def _is_declaration(text: str) -> bool:
    name, _, value = text.partition(":")
    return name in _DECLARATIONS and bool(_DECLARATIONS[name].fullmatch(value))
