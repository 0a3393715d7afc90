"""The cost of questions, which is reserved before a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.context_window import estimate
from berlin_magic.conversations.conversation import RecordCost
from berlin_magic.conversations.turn import Turn
from berlin_magic.results.budget import Budget, Ceiling, Cost, money, reserved
from berlin_magic.results.prices import FREE, Price, own_price, vendor_price

if TYPE_CHECKING:
    from berlin_magic.conversations.storage.database import Store
    from berlin_magic.conversations.storage.spending import Receipt, Scope, Spending
    from berlin_magic.providers.resolve import Connection

__all__ = ["Costs", "max_tokens", "prompt_tokens"]


class _Request(NamedTuple):
    """A request that is about to be sent: its receipt so far, its price, its prompt and the limit of its reply."""

    receipt: Receipt
    price: Price | None
    prompt: int
    limit: int | None


class Costs:
    """The costs of one notebook, or of a script.

    Parameters
    ----------
    store : callable
        Returns the user's database; None if nothing is stored.
    notebook : callable
        Returns the notebook's id.
    clock : callable
        Returns the seconds since the epoch.

    Attributes
    ----------
    budget : Budget or None
        What may be spent.
    prices : mapping
        The user's own table.
    """

    def __init__(
        self,
        store: Callable[[], Store | None],
        notebook: Callable[[], str] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.budget: Budget | None = None
        self.prices: Mapping[str, Price] = {}
        self._store = store
        self._notebook = notebook
        self._clock = clock
        self._kept: tuple[Store | None, Spending] | None = None
        self._known: dict[tuple[str, str], Price | None] = {}
        self._excess = 0

    @property
    def spending(self) -> Spending:
        """The receipts."""
        from berlin_magic.conversations.storage.spending import Spending  # noqa: PLC0415 - SQLite, with the first question

        store = self._store()
        if self._kept is None or self._kept[0] is not store:
            self._kept = store, Spending(store)
        return self._kept[1]

    async def price(self, connection: Connection) -> Price | None:
        """Return the price of the model that a connection leads to; None if it is not known."""
        if found := own_price(self.prices, connection.name, connection.model):
            return found
        if connection.embedded or connection.name == "local":
            return FREE
        key = connection.model, connection.where
        if key not in self._known:
            self._known[key] = await in_thread(lambda: vendor_price(*key, datetime.fromtimestamp(self._clock(), UTC)))
        return self._known[key]

    async def reserve(
        self,
        turn: Turn,
        connection: Connection,
        *,
        conversation: str = "",
        ceiling: Ceiling | None = None,
        on_cost: Callable[[Cost], None] | None = None,
    ) -> RecordCost:
        """Reserve what `turn` may cost, and return what writes down what it has cost.

        Parameters
        ----------
        turn : Turn
            About to be sent.
        connection : Connection
            Where it is sent.
        conversation : str
            The id of its conversation; empty for none.
        ceiling : Ceiling, optional
            A budget for one call, beside the notebook's.
        on_cost : callable, optional
            Called with the cost, when it is known.

        Raises
        ------
        BudgetError
            If a budget has no room for it; it must not be sent.
        """
        from berlin_magic.conversations.storage.spending import Receipt  # noqa: PLC0415 - SQLite, with the first question

        price = await self.price(connection)
        budget = self.budget
        receipt = Receipt(turn.id, self._notebook(), conversation, self._clock(), 0, 0)
        sent = 0 if budget is None and ceiling is None else prompt_tokens(turn)
        request = _Request(receipt, price, sent + min(self._excess, sent), max_tokens(turn))
        reserved_cost = Cost() if ceiling is None else ceiling.reserve(price, request.prompt, request.limit)
        try:
            if budget is not None:
                await in_thread(lambda: self._reserve(budget, request))
        except BaseException:
            if ceiling is not None:
                ceiling.record(reserved_cost, Cost(billionths=0))
            raise

        def record(refused: bool) -> None:
            cost = Cost(billionths=0) if refused else Cost.at(price, *_used(turn))
            turn.cost = cost.money
            if sent and turn.prompt_tokens:  # a server adds its own words, and may have another tokenizer
                self._excess = max(self._excess, turn.prompt_tokens - sent)
            if ceiling is not None:
                ceiling.record(reserved_cost, cost)
            if on_cost is not None:
                on_cost(cost)
            if refused:
                self.spending.drop(turn.id)
            else:
                self.spending.put(_with(receipt, cost))

        return record

    def _reserve(self, budget: Budget, request: _Request) -> None:
        scope = self._scope(budget)
        spent, used, longest = self.spending.used(scope)
        cost = reserved(request.price, budget, request.prompt, request.limit, spent=spent, longest=longest)
        running = _with(request.receipt, cost)._replace(running=True)
        if not self.spending.reserve(running, scope, budget.share(cost), budget.amount):
            raise budget.exceeded(used, cost)

    def _scope(self, budget: Budget) -> Scope:
        """Return what counts against a budget."""
        from berlin_magic.conversations.storage.spending import Scope  # noqa: PLC0415 - as above

        of_day = budget.period == "day"
        return Scope(self.midnight() if of_day else 0.0, "" if of_day else self._notebook(), budget.currency)

    def midnight(self) -> float:
        """Return when this day began, in the time of this machine."""
        now = datetime.fromtimestamp(self._clock()).astimezone()
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def used(self) -> str:
        """Return what is spent or reserved of the budget, as text; empty without one. It reads the database."""
        if self.budget is None:
            return ""
        _, used, _ = self.spending.used(self._scope(self.budget))
        return f"{self.budget.shown(used)} of {self.budget}"

    async def estimate(self, turn: Turn, connection: Connection) -> list[str]:
        """Return what asking `turn` may cost, and what is left of the budget, a line each; nothing is asked."""
        price, limit = await self.price(connection), max_tokens(turn)
        lines = []
        if price is not None and price.currency:
            cost = Cost.at(price, prompt_tokens(turn), limit or 0)
            most = "at most" if limit else "without its reply, which no max_tokens limits,"
            lines.append(f"it costs {most} {cost.money or money(0, price.currency)} (an estimate)")
        if used := await in_thread(self.used):
            lines.append(f"{used} are spent or reserved")
        return lines


def max_tokens(turn: Turn) -> int | None:
    """Return the limit of a turn's reply, in tokens; None if there is none."""
    limit = turn.options.get("max_tokens", turn.options.get("max_completion_tokens"))
    return limit if isinstance(limit, int) else None


def prompt_tokens(turn: Turn) -> int:
    """Return about how many tokens are sent for a turn."""
    from berlin_magic.prompts.slip import packed  # noqa: PLC0415  # loaded with the first question

    asked = turn.asked
    return sum(message.tokens + _EACH for message in packed(asked[-1:] if turn.alone else asked))


_EACH = 4  # tokens around every message: role, separators (as OpenAI's cookbook counts them)


def _used(turn: Turn) -> tuple[int, int]:
    """Return the tokens of a prompt and its reply: what the engine counted, else an estimate."""
    prompt, reply = turn.prompt_tokens, turn.completion_tokens
    return (
        prompt_tokens(turn) if prompt is None else prompt,
        estimate(turn.reply + turn.reasoning) if reply is None else reply,
    )


def _with(receipt: Receipt, cost: Cost) -> Receipt:
    return receipt._replace(prompt=cost.prompt, reply=cost.reply, billionths=cost.billionths, currency=cost.currency)
