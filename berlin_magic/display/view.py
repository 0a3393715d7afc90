"""What a view is: the place where one reply is shown while it arrives, then left as one plain output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["State", "Status", "View"]

State = Literal["waiting", "streaming", "complete", "stopped", "interrupted", "cut", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line says of a reply at one moment.

    Attributes
    ----------
    state : State
        `waiting` until the first word, `streaming` until the end; then `complete`, `stopped` (Stop button),
        `interrupted` (kernel interrupt), `cut` (the stream ended too early: network, server, silence) or
        `failed` (an error before the first word).
    model, provider : str
        As asked for. Untrusted text: may be a server's words.
    elapsed : float
        Seconds since the question was sent.
    characters : int
        Characters of the reply so far.
    notes : tuple of str
        Quiet remarks, e.g. ``"3 earlier turns left out"``, ``"busy, trying again in 4 s"``.
    remark : str
        What a reply that has ended may lack, such as that it reached its limit: our own words, which every form of the
        output holds.
    reasoning : str
        What the model thought before it answered, once the reply has ended; no part of it. Untrusted text.
    """

    state: State
    model: str
    provider: str
    elapsed: float = 0.0
    characters: int = 0
    notes: tuple[str, ...] = ()
    remark: str = ""
    reasoning: str = field(default="", repr=False)


class View(ABC):
    """Shows one reply. All methods but `prepare_finish` are called on the cell's own thread; none blocks or awaits.

    The order of calls is ``begin (feed* restart? draw)* prepare_finish? finish farewell?``. Whoever drives the view
    decides how often it calls `draw` (at once for the first text, then at most about 20 times a second, and a few times
    a second while nothing arrives, for the elapsed time); a view may skip a draw when its front end is slow.
    """

    @abstractmethod
    def begin(self, status: Status) -> None:
        """Open the view in the output of the cell that is running now."""

    @abstractmethod
    def feed(self, piece: str) -> None:
        """Take the next piece of the reply; cheap, draws nothing."""

    @abstractmethod
    def restart(self) -> None:
        """Forget the text so far: it was reasoning, and the reply only begins."""

    @abstractmethod
    def draw(self, status: Status) -> None:
        """Show what was fed since the last draw, and the status line."""

    def prepare_finish(self) -> None:  # noqa: B027 - not every view has something slow to do
        """Do what is slow about `finish`, in whatever thread it is called; nothing is fed or drawn after it."""

    @abstractmethod
    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Replace the live view by one static output and close it; called exactly once, also after an error.

        `metadata` goes into the output's metadata under ``berlin``; it is JSON and holds no secret.
        """

    async def farewell(self) -> None:  # noqa: B027 - most have nobody to wait for
        """Wait, a moment at most, until the front end has said its last word; called in the cell, before that ends."""
