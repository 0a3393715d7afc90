"""The parser alone: markdown-it without raw HTML, and our writer made to write links and images as it does."""

from __future__ import annotations

from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

from berlin_magic.display.markdown import html as html_module
from berlin_magic.display.markdown.html import Html
from berlin_magic.display.markdown.inline import words_of
from berlin_magic.display.markdown.tree import parse

ALONE = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class Permissive(Html):
    """Our writer with no policy on links."""

    def _link(self, token: Token) -> tuple[str, str]:
        attributes = "".join(f' {name}="{escape(str(value))}"' for name, value in token.attrs.items())
        return f"<a{attributes}>", "</a>"

    def _image(self, token: Token, *, inside: bool) -> str:
        words = words_of(token.children or [])
        rest = "".join(f' {name}="{escape(str(value))}"' for name, value in token.attrs.items() if name != "alt")
        return f'<img alt="{escape(words)}"{rest}>'


def permissive(text: str, monkeypatch) -> str:
    monkeypatch.setattr(html_module, "addresses", lambda _text: ())
    monkeypatch.setattr(html_module, "_BOXES", {" ": "[ ] ", "x": "[x] ", "X": "[X] "})
    root, references = parse(text)
    return Permissive().whole(root, references)
