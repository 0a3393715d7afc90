"""What a check asks, and what the model is told of a failure."""

from __future__ import annotations

import pytest

from berlin_magic.results.checks import Check, Limits, Verdict, limits_here, names_defined_in, repair_question


def test_an_expression_has_to_be_true_and_a_name_is_a_function() -> None:
    assert Check.of("f(2) == 4").statement == "assert f(2) == 4"
    assert Check.of(" assert f(2) == 4; assert f(0) == 0").statement == "assert f(2) == 4; assert f(0) == 0"
    assert Check.of("import numpy as np; np.testing.assert_allclose(f(2), 4)").function == ""
    assert Check.of("sound") == Check("sound", function="sound")


@pytest.mark.parametrize(("text", "why"), [("", "empty"), ("# f", "empty"), ("f(2", "no Python"), ("x = 4", "asserts")])
def test_what_can_not_fail_is_no_check(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Check.of(text)


def test_the_names_that_code_defines_are_those_of_its_own_level_without_its_imports() -> None:
    code = """
import numpy as np
from math import sqrt
def f(a):
    inner = 1
class C:
    inside = 2
if True:
    x = [one for one in range(3)]
    (y, [z, *w]) = 1, [2, 3]
    for i in x: pass
    with open("a") as file: pass
if (walrus := 3): pass
"""
    assert names_defined_in(code) == {"f", "C", "x", "y", "z", "w", "i", "file", "walrus"}
    assert names_defined_in("def (") == set()


def test_the_question_after_a_failure_has_the_check_and_the_traceback_and_nothing_that_changes() -> None:
    record = {"kind": "failed", "said": "f is <function f at 0x7f3a91b2c0>\n````", "used": [], "seconds": 0.123}
    asked = repair_question(Check.of("f(2) == 4"), Verdict.of(record))
    assert "```python\nassert f(2) == 4\n```" in asked
    assert "`````text\nf is <function f at 0x…>\n````\n`````" in asked
    assert "0.123" not in asked
    assert "`sound`" in repair_question(Check.of("sound"), Verdict.of(record))
    unquoted = repair_question(Check.of("f(2) == 4"), Verdict.of(record), quoted=False)
    assert "assert f(2) == 4" in unquoted and "function f" not in unquoted
    long = repair_question(Check.of("f(2) == 4"), Verdict("failed", "x" * 100_000 + "the end"))
    assert len(long) < 5000 and "the end" in long


def test_what_is_no_verdict_is_not_taken_for_one() -> None:
    for record in ({}, {"kind": "fine", "used": [], "seconds": 1}, {"kind": "passed", "used": None, "seconds": 1}):
        with pytest.raises(ValueError, match="not a verdict"):
            Verdict.of(record)
    assert not Verdict.of({"kind": "ended", "used": [], "seconds": 1}).passed


def test_the_limits_are_said_for_each_system() -> None:
    assert "operating system" in limits_here(Limits(), "linux")
    for system in ("darwin", "win32"):
        assert "watch" in limits_here(Limits(), system) and "operating" not in limits_here(Limits(), system)
