"""Budgets of tokens and of money.

Pure: no network, kernel or clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self, get_args

from berlin_magic.errors import BudgetError, clean
from berlin_magic.results.prices import BILLION, Price

__all__ = ["USUAL_REPLY", "Budget", "Ceiling", "Cost", "Period", "money", "reserved"]

Period = Literal["", "day", "notebook"]
"""The period of a budget: one call, a day in all notebooks, or a notebook."""

USUAL_REPLY = 1000
"""The tokens that are reserved for a reply without a limit."""

_BUDGET = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*(?:/\s*([a-z]+)\s*)?")
_TOKENS = {"token", "tokens"}
_CURRENCY = re.compile(r"[A-Z]{3}")
_FORMS = '"2.00 USD/day" or "100000 tokens/notebook"'


def money(billionths: int, currency: str) -> str:
    """Return an amount of money as text, with more digits the smaller it is."""
    amount = Decimal(billionths) / BILLION
    digits = 2 if not billionths or amount >= 1 else 4 if amount >= Decimal("0.001") else 6
    return f"{amount:,.{digits}f} {currency}".rstrip()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs, or may cost at most.

    Attributes
    ----------
    prompt, reply : int
        Tokens.
    billionths : int or None
        Money; None if the price is not known.
    currency : str
        The currency; empty for a price of 0.
    """

    prompt: int = 0
    reply: int = 0
    billionths: int | None = None
    currency: str = ""

    @classmethod
    def at(cls, price: Price | None, prompt: int, reply: int) -> Self:
        """Return the cost of that number of tokens at `price`."""
        if price is None:
            return cls(prompt, reply)
        return cls(prompt, reply, price.of(prompt, reply), price.currency)

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.prompt + self.reply

    @property
    def money(self) -> str:
        """The money as text; empty if it is not known, or nothing."""
        return money(self.billionths, self.currency) if self.billionths and self.currency else ""

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens" + (f", {self.money}" if self.money else "")


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent.

    Attributes
    ----------
    amount : int
        Tokens, or billionths of the currency's unit.
    currency : str
        Three letters; empty for tokens.
    period : Period
        What it is for.
    """

    amount: int
    currency: str = ""
    period: Period = ""

    @classmethod
    def parse(cls, text: str | int, *, with_period: bool = True) -> Self:
        """Return the budget that a text such as ``"2.00 USD/day"`` or ``"100000 tokens/notebook"`` gives.

        Parameters
        ----------
        text : str or int
            The budget. An `int` is a number of tokens.
        with_period : bool
            Whether it must name a period. If not, it must not name one: it is for one call.

        Raises
        ------
        ValueError
            If it is not of this form.
        """
        found = _BUDGET.fullmatch(f"{text} tokens" if isinstance(text, int) else text)
        unit, period = (found[2], found[3] or "") if found else ("", "")
        amount = Decimal(found[1].replace(",", "").replace("_", "")) if found else Decimal(0)
        in_tokens = unit.lower() in _TOKENS
        fits = in_tokens or (len(unit) == 3 and _CURRENCY.fullmatch(unit.upper()))  # noqa: PLR2004 - as ISO 4217 has them
        if not fits or period not in get_args(Period) or bool(period) != with_period or (in_tokens and amount % 1):
            forms = _FORMS if with_period else '"2.00 USD" or "100000 tokens"'
            raise ValueError(f"{clean(str(text), 60)!r} is not a budget: write {forms}")
        if in_tokens:
            return cls(int(amount), "", period)  # type: ignore[arg-type]  # checked above
        return cls(int(amount * BILLION), unit.upper(), period)  # type: ignore[arg-type]

    def __str__(self) -> str:
        period = f"/{self.period}" if self.period else ""
        return f"{self.shown(self.amount)}{period}"

    def shown(self, amount: int) -> str:
        """Return an amount in this budget's unit as text."""
        return money(amount, self.currency) if self.currency else f"{amount:,} tokens"

    def share(self, cost: Cost) -> int:
        """Return `cost` in the unit of this budget.

        Raises
        ------
        BudgetError
            If it is a budget in money and the price is not known, or in another currency.
        """
        if not self.currency:
            return cost.tokens
        if cost.billionths is None or cost.currency not in {"", self.currency}:
            known = f"is known in {cost.currency} only" if cost.currency else "is not known"
            raise BudgetError(
                f"The budget is {self}, and the price of this model {known}; nothing was sent.\n"
                'Name it: %config BerlinMagics.prices = {"MODEL": "2.50 10.00 '
                f'{self.currency}"}} (per million tokens of prompt and reply), or set a budget in tokens.'
            )
        return cost.billionths

    def exceeded(self, used: int, cost: Cost) -> BudgetError:
        """Return the error for a request that would exceed the budget, of which `used` is spent or reserved."""
        return BudgetError(
            f"This request was not sent: it may cost {cost} ({cost.prompt:,} of them for the prompt), and "
            f"{self.shown(used)} of the budget of {self} are spent or reserved.\n"
            "Raise the budget, ask less, or set a smaller max_tokens; `%berlin cost` shows what was spent."
        )


def reserved(
    price: Price | None, budget: Budget | None, prompt: int, max_tokens: int | None, *, spent: int = 0, longest: int = 0
) -> Cost:
    """Return the cost to reserve for a request: its prompt, and the longest reply that it may have.

    Without a limit, that reply has `USUAL_REPLY` tokens. It has fewer if less of the budget is left, but not fewer than
    the longest reply so far.

    Parameters
    ----------
    price : Price or None
        The price of the model, if it is known.
    budget : Budget or None
        The budget that the request counts against.
    prompt : int
        Tokens of the prompt.
    max_tokens : int or None
        The limit of the reply.
    spent : int
        The part of the budget that is spent.
    longest : int
        Tokens of the longest reply so far.

    Raises
    ------
    BudgetError
        As `Budget.share`.
    """
    if max_tokens is not None or budget is None:
        return Cost.at(price, prompt, USUAL_REPLY if max_tokens is None else max_tokens)
    reply = USUAL_REPLY
    while reply > max(longest, 1) and budget.share(Cost.at(price, prompt, reply)) > budget.amount - spent:
        reply -= 1
    return Cost.at(price, prompt, reply)


class Ceiling:
    """The budget of one call, and what running requests have reserved of it.

    Parameters
    ----------
    budget : Budget
        How much may be spent.

    Attributes
    ----------
    spent, running : int
        What is spent, and what is reserved for running requests, in the budget's unit.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.spent = 0
        self.running = 0
        self._longest = 0

    def reserve(self, price: Price | None, prompt: int, max_tokens: int | None) -> Cost:
        """Reserve the most that a request may cost, and return it.

        Raises
        ------
        BudgetError
            If that would exceed the budget; nothing is reserved then.
        """
        cost = reserved(price, self.budget, prompt, max_tokens, spent=self.spent, longest=self._longest)
        used = self.spent + self.running
        if used + self.budget.share(cost) > self.budget.amount:
            raise self.budget.exceeded(used, cost)
        self.running += self.budget.share(cost)
        return cost

    def record(self, reserved: Cost, cost: Cost) -> None:
        """Replace what was reserved for a request by its cost."""
        self.running -= self.budget.share(reserved)
        self.spent += self.budget.share(cost)
        self._longest = max(self._longest, cost.reply)
