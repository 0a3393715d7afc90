"""Render untrusted Markdown, also while it arrives, as safe HTML, Markdown or plain text.

Nothing here depends on sockets, kernels, widgets or clocks.

`to_html`, `to_markdown` and `to_plain` render a whole text for a notebook's final output, and `needs_html` says whether
that has to have the HTML; `text_to_html` shows words that are no Markdown. `Document` renders a text while it arrives,
as a list of small patches to a tree; see its module, `growing`, for their format.
"""

from __future__ import annotations

from berlin_magic.display.markdown.growing import Document, Patch
from berlin_magic.display.markdown.html import text_to_html, to_html
from berlin_magic.display.markdown.markdown import to_markdown
from berlin_magic.display.markdown.plain import to_plain
from berlin_magic.display.markdown.stylesheet import stylesheet
from berlin_magic.display.markdown.sufficient import needs_html

__all__ = ["Document", "Patch", "needs_html", "stylesheet", "text_to_html", "to_html", "to_markdown", "to_plain"]
