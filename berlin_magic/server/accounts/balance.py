"""The cost of the running replies of an account, compared with its balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from berlin_magic.messages import AnyMessage, Event, Reasoning, Text, Usage
from berlin_magic.server.accounts.model import Account, Accounts
from berlin_magic.server.engine import EngineError

__all__ = ["Bill", "Spending"]

_BYTES_A_TOKEN = 4  # the usual rule of thumb, in UTF-8: it holds for English, and not too badly for Chinese


class Bill:
    """Counts the tokens of one reply.

    Parameters
    ----------
    messages : sequence
        The messages that the engine is sent.
    limit : int, optional
        The most tokens that the engine may reply with, if the question names them.
    """

    def __init__(self, messages: Sequence[AnyMessage], limit: int | None = None) -> None:
        self.limit = limit
        self._sent = sum(_size(str(message.get("content") or "")) for message in messages)
        self._received = 0
        self._usage = Usage()
        self._due = False
        self._closed = False

    def add(self, event: Event) -> None:
        """Count `event`, which the engine has given."""
        self._due = True
        if isinstance(event, Usage):
            self._usage = event  # some engines send it several times, as it grows
        elif isinstance(event, Text | Reasoning):
            self._received += _size(event.text)

    @property
    def tokens(self) -> int:
        """What it costs so far: the engine's own numbers if it gave any, else an estimate; at least 1."""
        received = self._usage.completion_tokens or self._received // _BYTES_A_TOKEN
        return max(1, self.prompt_tokens + received)

    @property
    def open_tokens(self) -> int:
        """What it costs so far, until the bill is closed."""
        return 0 if self._closed else self.tokens

    @property
    def reserved_tokens(self) -> int:
        """What it may cost in the end, as far as that is known, until the bill is closed."""
        return 0 if self._closed else max(self.tokens, self.prompt_tokens + (self.limit or 0))

    @property
    def prompt_tokens(self) -> int:
        """What the question costs with its context."""
        return self._usage.prompt_tokens or self._sent // _BYTES_A_TOKEN

    def cancel(self) -> None:
        """Close the bill with nothing to pay: the engine refused the question."""
        self._due, self._closed = False, True

    def close(self) -> int:
        """Close the bill; return the tokens to pay: 0 if it was closed before, or if the engine has sent nothing."""
        due, self._due, self._closed = self._due, False, True
        return self.tokens if due else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Spending:
    """Knows the open bills of every account, so that questions asked at the same time share one balance.

    Parameters
    ----------
    accounts : Accounts
        The accounts with their balances.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._open: defaultdict[str, list[Bill]] = defaultdict(list)

    @contextmanager
    def of(self, account: Account, bill: Bill) -> Iterator[None]:
        """Count `bill` among those of `account` while its reply is running, with the longest reply that it may have.

        If that is more than what is left, its limit is lowered: the engine itself then ends the reply in time.

        Raises
        ------
        EngineError
            If the balance is too small for the question, with its context and the other running replies.
        """
        bills = self._open[account.id]
        try:
            self._reserve(account, bill, bills)
            bills.append(bill)
            try:
                yield
            finally:
                bills.remove(bill)
        finally:
            if not bills:
                self._open.pop(account.id, None)

    def is_covered(self, account: Account, bill: Bill) -> bool:
        """Return whether the balance pays for the reply so far, and for what other running ones have reserved."""
        if account.balance is None:  # a balance that it is given meanwhile counts from the next question on
            return True
        left = self._left(account)
        others = sum(one.reserved_tokens for one in self._open[account.id] if one is not bill)
        return left is None or bill.open_tokens + others <= left

    def _reserve(self, account: Account, bill: Bill, others: Sequence[Bill]) -> None:
        left = self._left(account)
        if left is None:
            return
        due = sum(one.open_tokens for one in others) + bill.tokens
        reserved = sum(one.reserved_tokens for one in others)
        if due > left:
            raise EngineError(
                "Insufficient balance on this account for this question with its context: "
                f"{left} tokens are left, and it takes about {due}",
                status=400,
                code=-1,
            )
        if bill.limit is not None and not reserved:
            bill.limit = min(bill.limit, max(1, left - bill.prompt_tokens))
        if bill.reserved_tokens + reserved > left:
            raise EngineError(
                "What is left on this account is reserved for replies that are running: try again when they have ended",
                status=429,
                code=-1,
                retry_after="2",
            )

    def _left(self, account: Account) -> int | None:
        now = self._accounts.find(account.name)
        return None if now is None else now.balance
