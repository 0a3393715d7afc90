"""Prices: the user's own, the vendor's at the vendor's address, and none elsewhere."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from berlin_magic.results.budget import Cost
from berlin_magic.results.prices import Price, own_price, read_table, vendor_price

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def test_the_users_table_names_prices_per_million_tokens_by_model_or_by_provider_and_model() -> None:
    table = read_table({"mistral-large": "2.00 6.00 EUR", "ollama:llama3.2": "0 0 USD"})
    found = own_price(table, "openai", "mistral-large")
    assert found is not None and Cost.at(found, 1_000_000, 500_000).money == "5.00 EUR"
    assert own_price(table, "ollama", "llama3.2") is not None
    assert own_price(table, "vllm", "llama3.2") is None


@pytest.mark.parametrize("text", ["", "2.00", "2 6", "2 6 7", "-1 6 USD", "2 nan USD", "2 6 usd", "2 6 USD EUR"])
def test_what_is_no_price_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r'"2\.50 10\.00 USD"'):
        Price.parse(text)


def test_a_vendors_model_has_its_price_at_the_vendors_own_address() -> None:
    pytest.importorskip("genai_prices")
    price = vendor_price("gpt-4o-mini", "https://api.openai.com/v1", NOW)
    assert price is not None and price.currency == "USD"
    assert 0 < price.of(1000, 0) < price.of(1000, 1000)


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:8000/v1",
        "https://gateway.example.org/v1",
        "https://api.openai.com.example.org/v1",
        "https://example.org/.googleapis.com/",
        "https://api.openai.com@example.org/v1",
        "",
    ],
)
def test_the_same_name_elsewhere_has_none(where: str) -> None:
    pytest.importorskip("genai_prices")
    assert vendor_price("gpt-4o-mini", where, NOW) is None


def test_an_unknown_model_has_none() -> None:
    pytest.importorskip("genai_prices")
    assert vendor_price("no-such-model", "https://api.openai.com/v1", NOW) is None


@pytest.mark.parametrize(
    "where",
    ["http://127.0.0.1:8000", "http://localhost:11434/v1", "http://[::1]:1", "http://gpu-box/v1", "http://10.0.0.7"],
)
def test_for_a_server_in_this_network_no_list_of_prices_is_imported(where: str) -> None:
    code = f"""
import sys
from datetime import UTC, datetime
from berlin_magic.results.prices import vendor_price
assert vendor_price("gpt-4o-mini", {where!r}, datetime(2026, 11, 27, tzinfo=UTC)) is None
print("genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
