"""Receipts in the user's database: their sums, and reservations that several processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.spending import Receipt, Scope, Spending, Sums

NOTEBOOK = Scope(0.0, "n1", "")


@pytest.fixture(params=["file", "memory"])
def spending(request: pytest.FixtureRequest, tmp_path: Path) -> Spending:
    return Spending(Store(tmp_path / "c.db") if request.param == "file" else None)


def receipt(id_: str, prompt: int = 10, reply: int = 5, **more: object) -> Receipt:
    return Receipt(id_, "n1", "c1", 100.0, prompt, reply)._replace(**more)  # type: ignore[arg-type]


def test_sums_are_by_turn_conversation_notebook_and_day(spending: Spending) -> None:
    spending.put(receipt("a", billionths=7, currency="USD"))
    spending.put(receipt("b", conversation="c2", billionths=3, currency="USD"))
    spending.put(receipt("c", notebook="n2", conversation="c3", at=200.0))
    spending.put(receipt("d", notebook="n2", conversation="c3", billionths=9, currency="EUR"))
    assert spending.sums() == Sums(4, 40, 20, (("EUR", 9), ("USD", 10)), 1)
    assert spending.sums(notebook="n1") == Sums(2, 20, 10, (("USD", 10),), 0)
    assert spending.sums(conversation="c1") == spending.sums(turn="a") == Sums(1, 10, 5, (("USD", 7),), 0)
    assert spending.sums(since=150.0) == Sums(1, 10, 5, (), 1)
    assert spending.sums(turn="nobody's") == Sums()


def test_a_reservation_counts_until_the_receipt_takes_its_place(spending: Spending) -> None:
    assert spending.reserve(receipt("a", 10, 90, running=True), NOTEBOOK, 100, 150)
    assert not spending.reserve(receipt("b", 10, 90, running=True), NOTEBOOK, 100, 150)
    assert spending.used(NOTEBOOK) == (0, 100, 0)
    spending.put(receipt("a", 10, 20))
    assert spending.used(NOTEBOOK) == (30, 30, 20)
    assert spending.reserve(receipt("b", 10, 90, running=True), NOTEBOOK, 100, 150)
    spending.drop("b")
    assert spending.used(NOTEBOOK) == (30, 30, 20)


def test_only_what_is_in_its_scope_counts_against_a_budget(spending: Spending) -> None:
    spending.put(receipt("yesterday", at=50.0, billionths=5, currency="USD"))
    spending.put(receipt("elsewhere", notebook="n2", billionths=7, currency="USD"))
    spending.put(receipt("euro", billionths=100, currency="EUR"))
    assert spending.used(Scope(60.0, "", "USD"))[1] == 7
    assert spending.used(Scope(0.0, "n1", "USD"))[1] == 5
    assert spending.used(Scope(0.0, "n1", ""))[1] == 30


ASKING = """
import sys
from pathlib import Path
from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.spending import Receipt, Scope, Spending
spending = Spending(Store(Path(sys.argv[1])))
got = 0
for number in range(30):
    receipt = Receipt(f"{sys.argv[2]}-{number}", "n1", "", 100.0, 5, 5, running=True)
    got += spending.reserve(receipt, Scope(0.0, "", ""), 10, 500)
print(got)
"""


def test_kernels_that_ask_at_once_never_reserve_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Store(path)
    command = [sys.executable, "-c", ASKING, str(path)]
    kernels = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    told = [kernel.communicate(timeout=60)[0] for kernel in kernels]
    assert sum(map(int, told)) == 50
    assert Spending(Store(path)).used(Scope(0.0, "", ""))[1] == 500
