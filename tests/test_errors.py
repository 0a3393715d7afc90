"""The errors: one tree, as its docstring draws it, and what a server says in one."""

from __future__ import annotations

import inspect
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic import errors
from berlin_magic.errors import BerlinError, clean, printable


def drawn() -> dict[str, str]:
    """Return each error of the tree in the docstring, and the one that it hangs from."""
    above: list[str] = []
    found: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if name := re.search(r"\b\w+Error\b", line):
            depth = (name.start() - 4) // 4
            if name.start() >= 4 and not line[4 : name.start()].strip("│├└─ "):
                above[depth:] = [name.group()]
                found[name.group()] = above[depth - 1] if depth else "RuntimeError"
    return found


def test_the_tree_is_the_one_that_is_drawn():
    classes = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    assert drawn() == {name: kind.__base__.__name__ for name, kind in classes.items()}
    assert set(classes) < set(errors.__all__)


def test_all_of_them_are_caught_as_one():
    for name in drawn():
        with pytest.raises(BerlinError, match="what happened"):
            raise getattr(errors, name)("what happened")


@given(st.text(max_size=400))
def test_what_is_clean_is_one_line_that_steers_nothing(text):
    shown = clean(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(shown) < 340


def test_what_is_printable_keeps_its_lines():
    assert printable("a\tb\n\x1b[31mc\u202ed\u2028e\x00") == "a\tb\n [31mcd e "


def test_what_is_left_out_is_counted():
    assert clean("x" * 12, 10) == "xxxxxxxxxx … (2 more characters)"
