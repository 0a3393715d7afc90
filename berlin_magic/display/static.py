"""Make the final output of a reply."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Self

from berlin_magic.display import status_line
from berlin_magic.display.cell_output import CellOutput
from berlin_magic.display.markdown import needs_html, text_to_html, to_html, to_markdown, to_plain
from berlin_magic.display.view import Status, View

__all__ = ["Rendered", "StaticView", "final_output", "folded"]

_MAX_REASONING = 20_000  # characters: longer reasoning is seldom read, and would make saved notebooks large
_FOLD_STYLE = "opacity:.65;font-size:85%;margin-bottom:.6em"
_TEXT_STYLE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.4em 0 0 1em;max-height:24em;overflow:auto"


def folded(reasoning: str) -> str:
    """Return `reasoning` as HTML that shows one line until it is opened; an empty string if nothing of it is visible.

    It is shown as plain text: markup in it has no effect.
    """
    shown = "".join(char for char in reasoning[:_MAX_REASONING].strip() if char in "\n\t" or _is_visible(char))
    if not shown:
        return ""
    more = f"\n… ({len(reasoning) - _MAX_REASONING:,} more characters)" if len(reasoning) > _MAX_REASONING else ""
    return (
        f'<details class="berlin-reasoning" style="{_FOLD_STYLE}"><summary>Reasoning</summary>'
        f'<div style="{_TEXT_STYLE}">{text_to_html(shown)}{more}</div></details>\n'
    )


def _is_visible(char: str) -> bool:
    """Return whether `char` is visible, and not, for instance, a control of the text direction."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"} or char == "\u200d"


@dataclass(frozen=True)
class Rendered:
    """A whole reply in each form that may be saved. `of` makes it, in some milliseconds for each kilobyte.

    Attributes
    ----------
    plain, markdown : str
        Two of the forms.
    render_html : callable
        Returns the third, which most replies do not need.
    needs_html : bool
        Whether a parser could take the Markdown for more than plain formatting.
    """

    plain: str
    markdown: str
    render_html: Callable[[], str]
    needs_html: bool = True

    @cached_property
    def html(self) -> str:
        """The HTML; it is rendered when it is first used."""
        return self.render_html()

    @classmethod
    def of(cls, text: str, plain: str | None = None) -> Self:
        """Render `text`; its images become links. The plain form is that of `plain`, if that is given."""
        needs = needs_html(text)
        markdown = to_markdown(text, framed=not needs)
        return cls(to_plain(text if plain is None else plain), markdown, partial(to_html, text), needs)

    @classmethod
    def unformatted(cls, text: str) -> Self:
        """Return `text` unformatted: for a user who does not wait until a long reply is rendered."""
        plain = to_plain(text)
        shown = f"<pre>\n{text_to_html(plain)}\n</pre>\n"
        return cls(plain, shown, lambda: shown)


def final_output(reply: Rendered, status: Status, metadata: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the data and the metadata of the finished output.

    Parameters
    ----------
    reply : Rendered
        The reply, as far as it arrived.
    status : Status
        How it ended; a reply that ended too early is marked.
    metadata : Mapping
        JSON from which the conversation is read back from the notebook file. Empty if the reply is in no conversation.

    Returns
    -------
    tuple of dict
        ``text/markdown``, with the status line, and ``text/plain`` (the text without terminal control characters). If
        the reply needs it, or something is folded (reasoning, what was sent), also ``text/html``, which is safe in
        every front end; a front end that shows HTML prefers it, so then only the HTML has the status line. Second, the
        output's metadata: `metadata` under ``berlin``, or nothing.
    """
    line = status_line.as_html(status)
    needs = reply.needs_html or status.reasoning or status.slip or needs_html(status_line.sentence(status))
    if needs:
        remark = status_line.as_markdown(status)
        data = {
            "text/html": f"{folded(status.reasoning)}{reply.html}\n{line}",
            "text/markdown": f"{reply.markdown.rstrip()}\n\n{remark}\n" if remark else reply.markdown,
        }
    else:
        data = {"text/markdown": f"{reply.markdown}{line}\n"}
    return {**data, "text/plain": reply.plain}, {"berlin": dict(metadata)} if metadata else {}


class StaticView(View):
    """Show a reply once, when it has ended: if nobody sees it grow, or the front end ignores updates."""

    def __init__(self, shell: Any) -> None:
        self._output = CellOutput(shell)
        self._pieces: list[str] = []
        self._rendered: Rendered | None = None
        self._unformatted: Rendered | None = None

    def begin(self, status: Status) -> None:
        """Do nothing: nobody is watching."""

    def feed(self, piece: str) -> None:
        """Keep the piece for the end."""
        self._pieces.append(piece)

    def draw(self, status: Status) -> None:
        """Do nothing: nobody is watching."""

    def restart(self) -> None:
        """Forget the text so far."""
        self._pieces.clear()

    def abandon(self) -> None:
        """Leave the reply unformatted."""
        self._unformatted = Rendered.unformatted("".join(self._pieces))

    def prepare_finish(self, *, with_html: bool = False) -> None:
        """Render the whole reply; as HTML if it needs that, or if `with_html` says so."""
        rendered = Rendered.of("".join(self._pieces))
        if with_html or rendered.needs_html:
            _ = rendered.html  # kept for `final`, which must not take long
        self._rendered = rendered

    def final(self, status: Status, metadata: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the data and the metadata of the finished output."""
        rendered = self._unformatted or self._rendered or Rendered.of("".join(self._pieces))
        return final_output(rendered, status, metadata)

    def show_instead(self, text: str) -> None:
        """Let the HTML and the Markdown of the static output show another text."""
        self._rendered = Rendered.of(text, "".join(self._pieces))

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Display the reply."""
        self._output.show(*self.final(status, metadata))
