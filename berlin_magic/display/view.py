"""The base class of all views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["State", "Status", "View"]

State = Literal["waiting", "streaming", "complete", "stopped", "interrupted", "cut", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a reply at one moment, for the status line.

    Attributes
    ----------
    state : State
        `waiting` until the first word, `streaming` until the end; then `complete`, `stopped` (Stop button),
        `interrupted` (kernel interrupt), `cut` (the stream ended too early: network, server, silence) or
        `failed` (an error before the first word).
    model, provider : str
        As the user named them. Untrusted text: may come from a server.
    elapsed : float
        Seconds since the question was sent.
    characters : int
        Characters of the reply so far.
    notes : tuple of str
        Quiet remarks, e.g. ``"3 earlier turns left out"``, ``"busy, trying again in 4 s"``.
    remark : str
        What may be missing from an ended reply, such as that it reached its limit. Our own text; it is in every
        form of the output.
    reasoning : str
        The model's reasoning, once the reply has ended; not part of its text. Untrusted text.
    slip : str
        What was sent, in a few lines, once the reply has ended; empty if the notebook shows it already.
    """

    state: State
    model: str
    provider: str
    elapsed: float = 0.0
    characters: int = 0
    notes: tuple[str, ...] = ()
    remark: str = ""
    reasoning: str = field(default="", repr=False)
    slip: str = field(default="", repr=False)


class View(ABC):
    """Show one reply, first while it arrives, then as one plain output.

    All methods but `prepare_finish` are called on the cell's own thread, and none of those blocks. The order of calls
    is ``begin (feed* restart? draw)* prepare_finish? show_instead? finish wait_for_front_end?``. The caller decides how
    often it calls `draw` (at once for the first text, then at most about 20 times a second, and a few times a second
    while nothing arrives, for the elapsed time); a view may skip a draw if its front end is slow.
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

    def prepare_finish(self, *, with_html: bool = False) -> None:  # noqa: B027 - not every view has something slow to do
        """Do the slow part of `finish`, in any thread; nothing is fed after it.

        `with_html` says that the status given to `finish` will have something to fold, which only HTML can.
        """

    def abandon(self) -> None:  # noqa: B027 - not every view has something slow to do
        """Stop waiting for `prepare_finish`, which may go on in its thread: the user has interrupted it."""

    def show_instead(self, text: str) -> None:  # noqa: B027 - a terminal's output cannot be replaced
        """Let the static output of `finish` show another text; called right before it.

        The plain text of the output is the reply all the same: it is read back from there.
        """

    @abstractmethod
    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        """Replace the live view by one static output and close it; called exactly once, also after an error.

        `metadata` goes into the output's metadata under ``berlin``; it is JSON and holds no secret.
        """

    async def wait_for_front_end(self) -> None:  # noqa: B027 - most views have no front end to wait for
        """Wait, for a moment at most, for the front end's last message; called before the cell ends."""
