"""What the running replies of an account cost, compared with what it has left."""

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
        What the engine is sent.
    """

    def __init__(self, messages: Sequence[AnyMessage]) -> None:
        self._sent = sum(_size(str(message.get("content") or "")) for message in messages)
        self._received = 0
        self._usage = Usage()
        self._due = False
        self._closed = False

    def add(self, event: Event) -> None:
        """Count `event`, which the engine has given."""
        self._due = True
        if isinstance(event, Usage):
            self._usage = event  # some engines tell it again and again, as it grows
        elif isinstance(event, Text | Reasoning):
            self._received += _size(event.text)

    @property
    def tokens(self) -> int:
        """What it costs so far: the engine's own numbers if it gave any, else an estimate; at least 1."""
        sent = self._usage.prompt_tokens or self._sent // _BYTES_A_TOKEN
        received = self._usage.completion_tokens or self._received // _BYTES_A_TOKEN
        return max(1, sent + received)

    @property
    def open_tokens(self) -> int:
        """What it costs so far, until it is paid or waived."""
        return 0 if self._closed else self.tokens

    def waive(self) -> None:
        """Ask nothing for a question that was refused after all."""
        self._due, self._closed = False, True

    def settle(self) -> int:
        """Return what is to be paid, once: 0 the second time, and if the engine has given nothing."""
        due, self._due, self._closed = self._due, False, True
        return self.tokens if due else 0


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


class Spending:
    """Knows the open bills of every account, so that questions asked at the same time share one balance.

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
        """Count `bill` among those of `account` while its reply is running.

        Raises
        ------
        EngineError
            If the balance is too small for the question, with its context and the other running replies.
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
        """Whether what is left pays for all running replies so far."""
        left = self._left(account)
        return left is None or self._due(account) <= left

    def _left(self, account: Account) -> int | None:
        now = self._accounts.find(account.name)
        return None if now is None else now.balance

    def _due(self, account: Account) -> int:
        return sum(bill.open_tokens for bill in self._open[account.id])
