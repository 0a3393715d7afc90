"""The card that shows what a check has found."""

from __future__ import annotations

import pytest

from berlin_magic.kernel.check_card import Card
from berlin_magic.results.checks import Check, Limits, Verdict


@pytest.mark.parametrize(("code", "ran"), [("", False), ("x = 1", True)])
def test_a_card_tells_how_code_ran_only_if_there_was_code(code: str, ran: bool) -> None:
    verdict = Verdict("failed", "The reply has no block of Python code.")
    text = Card(Check.of("f(2) == 4"), code, verdict, Limits(), {}, 0, 2).output().text
    assert "no block" in text and ("The code ran" in text) == ran and ("Limits" in text) == ran
