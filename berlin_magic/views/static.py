"""The final output of a reply, and the view for places that can show nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from berlin_magic.rendering import to_html, to_markdown
from berlin_magic.view import Status, View
from berlin_magic.views import status_line
from berlin_magic.views.outlet import Outlet

__all__ = ["StaticView", "final_output"]


def final_output(
    text: str, status: Status, metadata: Mapping[str, Any], *, image_hosts: Iterable[str] = ()
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the data and the metadata of the one output that stays in the notebook.

    Parameters
    ----------
    text : str
        The whole reply, or what there is of it; untrusted.
    status : Status
        How it ended: a reply that ended too early is marked as such.
    metadata : Mapping
        What else the conversation needs to come back from the notebook file; JSON.
    image_hosts : iterable of str
        Hosts whose images may be shown.

    Returns
    -------
    tuple of dict
        ``text/html`` (safe in every front end, and what JupyterLab and nbconvert prefer), ``text/markdown`` (the
        same, for those that show no HTML) and ``text/plain`` (the reply, character by character); then the output's
        metadata, with `metadata` under ``berlin``.
    """
    hosts = tuple(image_hosts)
    remark = status_line.as_markdown(status)
    markdown = to_markdown(text, image_hosts=hosts)
    data = {
        "text/html": f"{to_html(text, image_hosts=hosts)}\n{status_line.as_html(status)}",
        "text/markdown": f"{markdown.rstrip()}\n\n{remark}\n" if remark else markdown,
        "text/plain": text,
    }
    return data, {"berlin": dict(metadata)}


class StaticView(View):
    """Shows a reply once, when it is done: for nbclient and papermill, and under ``%%capture``."""

    def __init__(self, shell: Any, *, image_hosts: Iterable[str] = ()) -> None:
        self._outlet = Outlet(shell)
        self._image_hosts = tuple(image_hosts)
        self._pieces: list[str] = []

    def begin(self, status: Status) -> None:
        """Do nothing: there is nobody to show it to."""

    def feed(self, piece: str) -> None:
        """Keep the piece for the end."""
        self._pieces.append(piece)

    def draw(self, status: Status) -> None:
        """Do nothing: there is nobody to show it to."""

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Display the reply."""
        text = "".join(self._pieces)
        self._outlet.show(*final_output(text, status, metadata, image_hosts=self._image_hosts))
