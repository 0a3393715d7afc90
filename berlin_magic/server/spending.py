"""Spending: what the replies under way come to, held against what their account has left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from berlin_magic.server.accounts import Account, Accounts
from berlin_magic.server.bill import Bill
from berlin_magic.server.engine import EngineError

__all__ = ["Spending"]


class Spending:
    """Knows the open bills of every account: a balance is there once, however many questions are asked at a time.

    Parameters
    ----------
    accounts : Accounts
        Who has how much left.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._open: defaultdict[str, list[Bill]] = defaultdict(list)

    @contextmanager
    def of(self, account: Account, bill: Bill) -> Iterator[None]:
        """Count `bill` among those of `account` for as long as its reply is under way.

        Raises
        ------
        EngineError
            Where the balance is too small for the question, with its context and whatever else is under way.
        """
        bills = self._open[account.id]
        bills.append(bill)
        try:
            if not self.is_covered(account):
                raise EngineError(
                    "Insufficient balance on this account for this question with its context: "
                    f"{self._left(account)} tokens are left, and it takes about {self._due(account)}",
                    status=400,
                    code=-1,
                )
            yield
        finally:
            bills.remove(bill)
            if not bills:
                self._open.pop(account.id, None)

    def is_covered(self, account: Account) -> bool:
        """Whether what is left pays for all that is under way, as far as it has come."""
        left = self._left(account)
        return left is None or self._due(account) <= left

    def _left(self, account: Account) -> int | None:
        now = self._accounts.find(account.name)
        return None if now is None else now.balance

    def _due(self, account: Account) -> int:
        return sum(bill.open_tokens for bill in self._open[account.id])
