"""A secret in memory: it works as its string, and shows itself nowhere."""

from __future__ import annotations

import json
import pickle

import pytest

from berlin_magic.secret import Secret


def test_a_secret_works_as_the_string_that_it_is():
    assert Secret("abc") == "abc"
    assert json.dumps({"password": Secret('a"c')}) == '{"password": "a\\"c"}'
    assert f"{Secret('abc')}" == "abc"


def test_its_repr_says_nothing_also_inside_of_containers():
    assert repr({"token": Secret("abc")}) == "{'token': <secret>}"
    assert f"{Secret('abc')!r}" == "<secret>"
    assert repr(Secret("")) == "<no secret>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps([Secret("abc")], protocol)


def test_it_has_no_room_for_attributes():
    with pytest.raises(AttributeError):
        Secret("abc").note = "x"
