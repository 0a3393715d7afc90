"""Write the status line of a reply."""

from __future__ import annotations

from berlin_magic.display.markdown import text_to_html
from berlin_magic.display.view import State, Status
from berlin_magic.errors import clean

__all__ = ["UNFINISHED", "as_html", "as_markdown", "quiet", "sentence"]

UNFINISHED = "still arriving; if the reply ends here, `%berlin show [N]` shows all of it"
"""The remark in a file that is saved while a reply arrives."""

_WORDS: dict[State, str] = {
    "waiting": "waiting for the first word",
    "streaming": "",
    "complete": "",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "cut": "incomplete: the reply was cut off",
    "failed": "no reply",
}
_ENDED_EARLY: frozenset[State] = frozenset({"stopped", "interrupted", "cut", "failed"})
_STYLE = "opacity:.65;font-size:85%;margin-top:.4em"
_SLIP_STYLE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.4em 0 0 1em"
_MAX_SLIP = 2000  # characters of a slip: it is saved with each reply


def sentence(status: Status, hint: str = "") -> str:
    """Return the status line as plain text: model, state, time, length, rate, remarks, `hint`.

    Control characters are removed from text that a server sent, and long text is cut.
    """
    parts = [clean(status.model, 60), _WORDS[status.state], f"{status.elapsed:.1f} s"]
    if status.characters:
        parts.append(f"{status.characters:,} characters")
        if status.elapsed >= 1 and status.state == "streaming":
            parts.append(f"{status.characters / status.elapsed:,.0f}/s")
    parts.append(status.remark)
    parts += [clean(note, 500) for note in status.notes]
    parts.append(hint)
    return " · ".join(part for part in parts if part)


def as_html(status: Status, hint: str = "") -> str:
    """Return the status line as HTML with inline style; what was sent is folded in it.

    The slip is plain text: markup in it has no effect.
    """
    said = sentence(status, hint)
    if not status.slip:
        return quiet(said)
    slip = "\n".join(clean(line, 300) for line in status.slip[:_MAX_SLIP].splitlines())
    more = "\n…" if len(status.slip) > _MAX_SLIP else ""
    return _quiet(
        f'<details class="berlin-slip"><summary>{text_to_html(said)} · what was sent</summary>'
        f'<div style="{_SLIP_STYLE}">{text_to_html(slip)}{more}</div></details>'
    )


def quiet(text: str) -> str:
    """Return one line of `text` as HTML that looks like a status line."""
    return _quiet(text_to_html(text))


def _quiet(html: str) -> str:
    return f'<div class="berlin-status" style="{_STYLE}">{html}</div>'


def as_markdown(status: Status) -> str:
    """Return a remark for a reply that ended too early or is incomplete; an empty string for any other.

    It contains no text from the server: no escape in Markdown works in every parser.
    """
    parts = [status.remark]
    if status.state in _ENDED_EARLY:
        parts.insert(0, f"{_WORDS[status.state]} after {status.elapsed:.1f} s")
    said = " · ".join(filter(None, parts))
    return f"*({said})*" if said else ""
