"""Budgets: how they are written, what a request takes of them, when it is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.errors import BudgetError
from berlin_magic.results.budget import USUAL_REPLY, Budget, Ceiling, Cost, money, reserved
from berlin_magic.results.prices import FREE, Price

PRICE = Price.parse("2.50 10.00 USD")


@pytest.mark.parametrize(
    ("text", "amount", "currency", "period"),
    [
        ("2.00 USD/day", 2_000_000_000, "USD", "day"),
        ("0.5 eur / notebook", 500_000_000, "EUR", "notebook"),
        ("100000 tokens/notebook", 100_000, "", "notebook"),
        ("100,000 Tokens/day", 100_000, "", "day"),
        ("100_000 tokens/day", 100_000, "", "day"),
    ],
)
def test_a_budget_is_read(text: str, amount: int, currency: str, period: str) -> None:
    assert Budget.parse(text) == Budget(amount, currency, period)  # type: ignore[arg-type]
    assert Budget.parse(str(Budget.parse(text))) == Budget.parse(text)


@pytest.mark.parametrize(
    "text", ["", "2 USD", "2 USD/week", "-1 USD/day", "1.5 tokens/day", "USD/day", "2 dollars/day", "nan USD/day"]
)
def test_what_is_no_budget_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ValueError, match=r'write "2\.00 USD/day" or "100000 tokens/notebook"'):
        Budget.parse(text)


def test_a_call_has_a_budget_without_a_period_and_a_number_alone_is_tokens() -> None:
    assert Budget.parse(1000, with_period=False) == Budget.parse("1000 tokens", with_period=False) == Budget(1000)
    with pytest.raises(ValueError, match=r'write "2\.00 USD"'):
        Budget.parse("2 USD/day", with_period=False)


def test_a_request_that_would_break_the_budget_is_refused_with_what_it_would_have_cost() -> None:
    ceiling = Ceiling(Budget(1000))
    ceiling.record(ceiling.reserve(None, 100, 400), Cost(100, 350))
    assert (ceiling.spent, ceiling.running) == (450, 0)
    ceiling.reserve(None, 100, 400)
    with pytest.raises(
        BudgetError,
        match=r"may cost 60 tokens \(10 of them for the prompt\), and 950 tokens of the budget of 1,000 tokens",
    ):
        ceiling.reserve(None, 10, 50)
    assert (ceiling.spent, ceiling.running) == (450, 500)


def test_with_a_budget_in_money_and_an_unknown_price_nothing_is_asked() -> None:
    ceiling = Ceiling(Budget.parse("2 USD/day"))
    with pytest.raises(BudgetError, match="the price of this model is not known; nothing was sent"):
        ceiling.reserve(None, 1, 1)
    with pytest.raises(BudgetError, match="is known in EUR only"):
        ceiling.reserve(Price.parse("1 1 EUR"), 1, 1)
    assert ceiling.reserve(FREE, 10**9, 10**9).billionths == 0  # what runs on this machine costs nothing


def test_without_a_limit_of_the_reply_the_usual_one_is_reserved_or_what_is_left() -> None:
    budget = Budget(1500)
    assert reserved(None, None, 10, None) == Cost(10, USUAL_REPLY)
    assert reserved(None, budget, 10, None) == Cost(10, USUAL_REPLY)
    assert reserved(None, budget, 10, None, spent=1000) == Cost(10, 490)
    assert reserved(None, budget, 10, None, spent=1000, longest=700) == Cost(10, 700)  # which does not fit
    assert reserved(None, budget, 10, 50, spent=1490) == Cost(10, 50)


def test_money_is_shown_with_the_digits_that_it_needs() -> None:
    assert [money(one, "USD") for one in (0, 2_500_000_000, 12_345_678, 12_345)] == [
        "0.00 USD",
        "2.50 USD",
        "0.0123 USD",
        "0.000012 USD",
    ]
    assert str(Cost.at(PRICE, 1000, 100)) == "1,100 tokens, 0.0035 USD"
    assert str(Cost.at(None, 1000, 100)) == "1,100 tokens"


@given(
    st.integers(0, 5000),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300), st.booleans(), st.integers(0, 300)), max_size=40),
)
def test_what_is_spent_never_exceeds_a_budget_that_the_server_keeps_to(
    amount: int, requests: list[tuple[int, int, bool, int]]
) -> None:
    ceiling = Ceiling(Budget(amount))
    running: list[tuple[Cost, int]] = []
    for prompt, limit, ends, reply in requests:
        with suppress(BudgetError):
            running.append((ceiling.reserve(None, prompt, limit), reply))
        if ends and running:
            taken, said = running.pop(0)
            ceiling.record(taken, Cost(taken.prompt, min(said, taken.reply)))
        assert ceiling.spent + ceiling.running <= amount
    for taken, said in running:
        ceiling.record(taken, Cost(taken.prompt, min(said, taken.reply)))
    assert ceiling.running == 0 and ceiling.spent <= amount
