"""The attack corpus in a terminal: a reply, and what a server calls its model, steer nothing but their own colours."""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from berlin_magic.display.terminal import TerminalView
from berlin_magic.display.view import Status

ATTACKS = json.loads((Path(__file__).parents[1] / "corpus" / "attacks.json").read_text("utf-8"))["attacks"]
OURS = re.compile(r"\x1b\[(?:[0-3]|36)m|\r\x1b\[2K")  # styles, and the waiting line that is erased
STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\U000e0000-\U000e007f]"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["id"])
@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_attack_steers_no_terminal(attack, kind):
    text = attack["text"]
    out = kind()
    view = TerminalView(out)

    def status(state):
        return Status(state, text, "Test", 1.0, len(text), (text,))

    view.begin(status("waiting"))
    cuts = [0, *(attack.get("cuts") or range(5, len(text), max(5, len(text) // 40))), len(text)]
    for start, end in pairwise(cuts):
        view.feed(text[start:end])
        view.draw(status("streaming"))
    view.finish(status("complete"), {})
    assert STEERING.findall(OURS.sub("", out.getvalue())) == []


def test_the_check_sees_what_would_steer_a_terminal():
    """The control: the texts as they are."""
    assert sum(bool(STEERING.search(attack["text"])) for attack in ATTACKS) >= 20
