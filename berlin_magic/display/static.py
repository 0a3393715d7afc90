"""The final output of a reply, and the view for places that can show nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from berlin_magic.display import status_line
from berlin_magic.display.cell_output import Outlet
from berlin_magic.display.markdown import text_to_html, to_html, to_markdown, to_plain
from berlin_magic.display.view import Status, View

__all__ = ["Rendered", "StaticView", "final_output", "folded"]

_MOST = 20_000  # characters: a model may think for longer than anybody reads, and notebooks are saved with it
_LOOKS = "opacity:.65;font-size:85%;margin-bottom:.6em"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.4em 0 0 1em;max-height:24em;overflow:auto"


def folded(reasoning: str) -> str:
    """Return `reasoning` as HTML that shows one line until it is opened; nothing for none.

    It is shown as plain text: whatever markup a model writes there is its own, and does nothing.
    """
    shown = "".join(char for char in reasoning[:_MOST].strip() if char in "\n\t" or _is_visible(char))
    if not shown:
        return ""
    more = f"\n… ({len(reasoning) - _MOST:,} more characters)" if len(reasoning) > _MOST else ""
    return (
        f'<details class="berlin-reasoning" style="{_LOOKS}"><summary>Reasoning</summary>'
        f'<div style="{_TEXT}">{text_to_html(shown)}{more}</div></details>\n'
    )


def _is_visible(char: str) -> bool:
    """Say whether `char` is one that shows, and does not, for instance, turn the direction of what follows."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"} or char == "\u200d"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A whole reply in each form that is saved. Made by `of`, which takes some milliseconds a kilobyte."""

    plain: str
    html: str
    markdown: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Render `text`; its images become links."""
        return cls(to_plain(text), to_html(text), to_markdown(text))


def final_output(reply: Rendered, status: Status, metadata: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the data and the metadata of the one output that stays in the notebook.

    Parameters
    ----------
    reply : Rendered
        The whole reply, or what there is of it.
    status : Status
        How it ended: a reply that ended too early is marked as such.
    metadata : Mapping
        What else the conversation needs to come back from the notebook file; JSON.

    Returns
    -------
    tuple of dict
        ``text/html`` (safe in every front end, and what JupyterLab and nbconvert prefer), ``text/markdown`` (the
        same, for those that show no HTML) and ``text/plain`` (the text itself, without what would command a terminal);
        then the output's metadata, with `metadata` under ``berlin``. Reasoning is in the HTML alone, folded.
    """
    remark = status_line.as_markdown(status)
    data = {
        "text/html": f"{folded(status.reasoning)}{reply.html}\n{status_line.as_html(status)}",
        "text/markdown": f"{reply.markdown.rstrip()}\n\n{remark}\n" if remark else reply.markdown,
        "text/plain": reply.plain,
    }
    return data, {"berlin": dict(metadata)}


class StaticView(View):
    """Shows a reply once, when it is done: if nobody sees it grow, or the place ignores updates of a display."""

    def __init__(self, shell: Any) -> None:
        self._outlet = Outlet(shell)
        self._pieces: list[str] = []
        self._rendered: Rendered | None = None

    def begin(self, status: Status) -> None:
        """Do nothing: there is nobody to show it to."""

    def feed(self, piece: str) -> None:
        """Keep the piece for the end."""
        self._pieces.append(piece)

    def draw(self, status: Status) -> None:
        """Do nothing: there is nobody to show it to."""

    def restart(self) -> None:
        """Forget the text so far."""
        self._pieces.clear()

    def prepare_finish(self) -> None:
        """Render the whole reply."""
        self._rendered = Rendered.of("".join(self._pieces))

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Display the reply."""
        if self._rendered is None:
            self.prepare_finish()
        assert self._rendered is not None  # noqa: S101 - `prepare_finish` leaves it
        self._outlet.show(*final_output(self._rendered, status, metadata))
