from __future__ import annotations

from berlin_magic.messages import Reasoning, Text, Usage
from berlin_magic.server.accounts.balance import Bill

ASKED = [{"role": "user", "content": "x" * 40}, {"role": "user", "content": "é" * 20}]


def bill(*pieces: str | Reasoning | Usage) -> Bill:
    made = Bill(ASKED)
    for piece in pieces:
        made.add(Text(piece) if isinstance(piece, str) else piece)
    return made


def test_the_engines_own_numbers_count_and_the_newest_of_them():
    assert bill("x" * 4_000, Usage(7, 1), Usage(7, 11)).tokens == 18


def test_without_them_question_reasoning_and_reply_are_estimated_at_four_bytes_a_token():
    assert bill("y" * 40, Reasoning("z" * 40), "中" * 4).tokens == 20 + 10 + 10 + 3


def test_half_the_numbers_are_completed_by_the_estimate():
    assert bill("y" * 40, Usage(None, 5)).tokens == 25
    assert bill("y" * 40, Usage(5, None)).tokens == 15
    assert bill("y" * 40, Usage(0, 0)).tokens == 30


def test_half_a_surrogate_pair_can_be_counted():
    assert bill("\ud83c").tokens == 20


def test_it_is_settled_once_and_only_where_the_engine_has_given_something():
    assert bill().close() == 0
    given = bill("")
    assert [given.close(), given.close()] == [20, 0]
    empty = Bill([])
    empty.add("")
    assert empty.close() == 1
