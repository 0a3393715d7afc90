"""The price of a model: from the user's own table, else from the vendor's list."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any, Self

from berlin_magic.errors import clean

__all__ = ["BILLION", "FREE", "Price", "own_price", "read_table", "vendor_price"]

BILLION = 1_000_000_000
"""Money is counted in billionths of a currency's unit, as whole numbers: sums of them are exact."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model.

    Attributes
    ----------
    currency : str
        Three letters, such as ``USD``.
    of : callable
        Returns the cost of a number of prompt tokens and a number of reply tokens, in billionths.
    """

    currency: str
    of: Callable[[int, int], int] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the price that a text such as ``"2.50 10.00 USD"`` gives: prompt and reply, per million tokens.

        Raises
        ------
        ValueError
            If it does not have this form.
        """
        try:
            prompt, reply, currency = text.split()
            each = [Decimal(prompt), Decimal(reply)]
        except (ValueError, InvalidOperation):
            each, currency = [], ""
        if not _CURRENCY.fullmatch(currency) or not all(one.is_finite() and one >= 0 for one in each):
            raise ValueError(
                f"{clean(text, 60)!r} is not a price: write the price of a million prompt tokens, of a million reply "
                'tokens, and the currency, such as "2.50 10.00 USD"'
            )
        return cls(currency, lambda asked, answered: round((each[0] * asked + each[1] * answered) * BILLION / _MILLION))


FREE = Price("", lambda _asked, _answered: 0)
"""The price of a model on this machine: 0 in every currency."""


def read_table(table: Mapping[str, str]) -> dict[str, Price]:
    """Return the user's table of prices, by ``MODEL`` or ``NAME:MODEL``.

    Raises
    ------
    ValueError
        If one of them is not a price.
    """
    return {model: Price.parse(text) for model, text in table.items()}


def own_price(table: Mapping[str, Price], name: str, model: str) -> Price | None:
    """Return the price that the user's table has for a model of the provider `name`; None if it has none."""
    return table.get(f"{name}:{model}") or table.get(model)


def vendor_price(model: str, where: str, now: datetime) -> Price | None:
    """Return the price of a model at its vendor's own address; None if it is not known.

    The prices come with the optional package ``genai-prices``; nothing is fetched. Importing it is slow: call this in
    a thread.

    Parameters
    ----------
    model : str
        The model.
    where : str
        The address that it is asked at. At any other address than the vendor's, the price is not known.
    now : datetime
        The time, as prices change.
    """
    from yarl import URL  # noqa: PLC0415 - loading the extension needs no addresses

    host = URL(where).host or ""
    if "." not in host or host.replace(".", "").isdigit() or ":" in host:
        return None  # a server here or in this network, not a vendor's: its first question need not wait for the import
    try:
        prices: Any = import_module("genai_prices")  # of the extra `prices`
        snapshot: Any = import_module("genai_prices.data_snapshot").get_snapshot()
    except ImportError:
        return None
    try:
        vendor, info = snapshot.find_provider_model(model, None, None, where)
    except LookupError:
        return None
    found = re.match(vendor.api_pattern, where)
    if found is None or URL(found[0]).host != URL(where).host:  # https://api.openai.com.example.org is another server
        return None

    def of(asked: int, answered: int) -> int:
        usage = prices.Usage(input_tokens=asked, output_tokens=answered)
        calculated = info.calc_price(usage, vendor, genai_request_timestamp=now, auto_update_timestamp=None)
        return round(Decimal(calculated.total_price) * BILLION)

    return Price("USD", of)
