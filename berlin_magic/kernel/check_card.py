"""The card that shows what a check has found."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from berlin_magic.display.markdown import text_to_html
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.command_output import CommandOutput, inline_html, quantity
from berlin_magic.results.checks import Check, Limits, Verdict, limits_here, not_prevented

__all__ = ["Card"]

_BOX = "border-left:.25em solid {};padding:.1em 0 .1em .8em;margin:.6em 0"
_GOOD, _BAD = "#2e7d32", "#c62828"  # more than 3:1 on white and on JupyterLab's dark ground; the words say the same
_PRE = "white-space:pre;text-align:left;margin:.4em 0;max-height:24em;overflow:auto"  # a traceback marks columns
_QUIET = "opacity:.75;font-size:85%"


@dataclass(frozen=True, slots=True)
class Card:
    """A verdict and what was checked.

    Attributes
    ----------
    check : Check
        The check.
    code : str
        The code that was run.
    verdict : Verdict
        What it found.
    limits : Limits
        What the code might use.
    left_out : mapping
        Names that were not copied, with the reason.
    round, rounds : int
        Which correction of the code this is, 0 for the first reply, and how many there may be.
    asked_again : bool
        Whether the model is asked to correct the code.
    quoted : bool
        Whether it is sent what came out.
    """

    check: Check
    code: str
    verdict: Verdict
    limits: Limits
    left_out: Mapping[str, str]
    round: int
    rounds: int
    asked_again: bool = False
    quoted: bool = True

    def output(self) -> CommandOutput:
        """Return the card, for a notebook and as text."""
        said, printed = printable(self.verdict.said).strip(), printable(self.verdict.printed).strip()
        lines = [self._head, *self._notes]
        text = "\n".join(filter(None, [lines[0], said, *lines[1:]]))
        parts = [
            f'<div style="font-weight:600">{inline_html(self._head)}</div>',
            _pre(said),
            *(f'<div style="{_QUIET}">{inline_html(note)}</div>' for note in self._notes),
            _folded("What it printed", printed),
            _folded("The code that was run", printable(self.code)) if self.verdict.kind != "error" else "",
        ]
        box = _BOX.format(_GOOD if self.verdict.passed else _BAD)
        return CommandOutput(text, f'<div class="berlin-check" style="{box}">{"".join(filter(None, parts))}</div>')

    @property
    def _head(self) -> str:
        mark, word = {
            "passed": ("✓", "passed"),
            "failed": ("✗", "failed"),
            "ended": ("✗", "was ended"),
            "error": ("✗", "could not be made"),
        }[self.verdict.kind]
        round_ = f" · correction {self.round} of {self.rounds}" if self.round else ""
        seconds = f" · {max(self.verdict.seconds, 0.1):.1f} s" if self.verdict.seconds else ""
        return f"{mark} The check {word}: `{clean(self.check.text, 200)}`{round_}{seconds}"

    @property
    def _notes(self) -> list[str]:
        notes = []
        if self.asked_again:
            sent = "sent this" if self.quoted else "told of the failure, not of what came out"
            notes.append(f"The model was {sent}, and asked to correct its code.")
        if self.verdict.kind == "passed" and self.verdict.used:
            notes.append(f"The check used {_listed(self.verdict.used)} of the code.")
        if self.left_out:
            reasons = "; ".join(f"`{clean(name, 40)}`: {clean(why, 100)}" for name, why in self.left_out.items())
            notes.append(f"{quantity(len(self.left_out), 'name')} not copied: {reasons}.")
        if self.verdict.kind != "error" and self.code:
            notes.append(f"The code ran in a process of its own, in an empty folder. {not_prevented(self.verdict)}")
            notes.append(limits_here(self.limits, sys.platform))
        return notes


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{clean(name, 40)}`" for name in names[:10])


def _pre(text: str) -> str:
    return f'<pre style="{_PRE}">{text_to_html(text)}</pre>' if text else ""


def _folded(title: str, text: str) -> str:
    return f'<details style="{_QUIET}"><summary>{title}</summary>{_pre(text)}</details>' if text else ""
