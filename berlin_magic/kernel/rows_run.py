"""One run over many rows: a request for each row whose reply is not stored."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from berlin_magic.concurrency import cancel_and_wait, cancel_on_interrupt, in_thread
from berlin_magic.conversations.conversation import Conversation, Host
from berlin_magic.conversations.replay import digest
from berlin_magic.conversations.storage.asked_rows import AskedRows, Key, StoredRow
from berlin_magic.conversations.turn import Turn
from berlin_magic.display.view import State, Status, View
from berlin_magic.errors import BerlinError, NotStoredError, ReplyFormatError, clean
from berlin_magic.kernel.costs import max_tokens, prompt_tokens
from berlin_magic.kernel.rows_progress import status_notes, summary
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed
from berlin_magic.results.asking import Answer, Asking, Pauses, Progress
from berlin_magic.results.budget import Ceiling, Cost
from berlin_magic.results.conversation import worth_repair
from berlin_magic.results.rows import Rows
from berlin_magic.results.typed import TypedSpec

if TYPE_CHECKING:
    from berlin_magic.kernel.notebook import Notebook
    from berlin_magic.providers.resolve import Connection

__all__ = ["CONCURRENCY", "RowOptions", "RowsRun"]

CONCURRENCY = 8
"""Rows that are asked at the same time, if nothing else is wanted."""

_FRAME = 0.2  # seconds between two updates of the view; an interrupt gets through as often


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The options of a run, which are the same for all of its rows.

    Attributes
    ----------
    model : str
        Model to ask; empty for the notebook's.
    system : str or None
        System prompt; None for the notebook's.
    options : mapping
        Options of the engine, such as ``temperature``.
    concurrency : int
        How many rows are asked at the same time, at most.
    again : bool
        Whether rows whose reply is stored are asked again.
    ceiling : Ceiling or None
        Budget of this run.
    spec : TypedSpec or None
        Type that each reply must fit.
    """

    model: str = ""
    system: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = CONCURRENCY
    again: bool = False
    ceiling: Ceiling | None = None
    spec: TypedSpec | None = None


class RowsRun:
    """Asks each row of a run: `prepare`, then `estimate` or `run`, then `result`.

    Parameters
    ----------
    notebook : Notebook
        Has the settings, the database and the budget.
    questions : sequence of Composed or PromptError
        The question of each row, or the reason why it has none.
    options : RowOptions
        The options of the run.

    Attributes
    ----------
    interrupted : bool
        Whether an interrupt has ended the run.
    """

    def __init__(self, notebook: Notebook, questions: Sequence[Composed | BaseException], options: RowOptions) -> None:
        self._notebook = notebook
        self._options = options
        self._questions: list[Composed | BaseException | None] = [self._with_type(one) for one in questions]
        self._store = AskedRows(notebook.store)
        self._keys: list[Key] = []
        self._stored: dict[Key, StoredRow] = {}
        self._progress = Progress(len(questions))
        self._clock = asyncio.get_running_loop().time
        self._pauses = Pauses(self._clock, random.random)
        self._asking = Asking(self._answer, self._pauses, self._progress)
        self._begun = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ended_by_user = False
        self.interrupted = False

    async def prepare(self) -> None:
        """Find out which server and model are asked, and which replies are stored."""
        conversation = self._conversation()
        self._connection: Connection = await conversation.resolved(self._turn(conversation, _plain("")))
        self._keys = self._make_keys()
        if not self._options.again:
            self._stored = await in_thread(lambda: self._store.find(self._keys))

    async def estimate(self) -> str:
        """Return what the run would cost, as text; nothing is asked."""
        turns = [
            self._turn(self._conversation(), question)
            for question, key in zip(self._questions, self._keys, strict=True)
            if isinstance(question, Composed) and key not in self._stored
        ]
        connection = self._connection
        prompt = sum(map(prompt_tokens, turns))
        limit = max_tokens(turns[0]) if turns else None
        price = await self._notebook.costs.price(connection)
        cost = Cost.at(price, prompt, len(turns) * (limit or 0))
        replies = (
            f"and at most {cost.reply:,} for the replies" if limit else "without the replies: no max_tokens is set"
        )
        lines = [
            f"to       {clean(connection.provider.name, 40)} at {clean(connection.where) or '(its own address)'}",
            f"model    {clean(connection.model, 80)}",
            f"rows     {len(self._questions):,}; {len(self._stored):,} of them are stored",
            f"size     about {prompt:,} tokens for the prompts, {replies} (an estimate)",
            f"cost     {'the price is not known' if price is None else cost.money or 'nothing'}",
        ]
        if turns:
            lines += ["", "The first of them:", "", str(turns[0].content)]
        return "\n".join(lines)

    def stop(self) -> None:
        """End the run, and keep the replies that have arrived; called by the Stop button."""
        self._ended_by_user = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, view: View | None, *, in_a_cell: bool = False) -> None:
        """Ask the rows; `view` shows the progress, and then the summary.

        Parameters
        ----------
        view : View or None
            None outside of IPython.
        in_a_cell : bool
            Whether the summary is that of a ``%%berlin --each`` cell.
        """
        self._begun = self._clock()
        if view is not None:
            view.begin(self._status("streaming"))
        task = self._task = asyncio.get_running_loop().create_task(self._asking.run(self._options.concurrency))
        cell = asyncio.current_task()
        assert cell is not None  # noqa: S101 - every coroutine that a loop runs has a task
        with cancel_on_interrupt(cell):
            try:
                while not task.done():
                    await asyncio.wait({task}, timeout=_FRAME)
                    if view is not None and not task.done():
                        view.draw(self._status("streaming"))
            except asyncio.CancelledError:
                self.interrupted = True
                await cancel_and_wait(task)
        if view is not None:
            view.feed(summary(self._asking, self._progress, in_a_cell=in_a_cell))
            view.finish(self._status(self._final_state()), {})
            await view.wait_for_front_end()
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def result(self, source: Any) -> Rows:
        """Return the replies; `source` is the table or list that the rows come from."""
        asking = self._asking
        errors = dict(asking.errors)
        if self.interrupted or self._ended_by_user:
            for number, value in enumerate(asking.values):
                if value is None and number not in errors:
                    errors[number] = BerlinError(
                        "The row was not asked: the run was stopped.\nRun it again for the rest."
                    )
        return Rows(asking.values, dict(sorted(errors.items())), asking.stopped, source=source)

    async def _answer(self, number: int) -> Answer:
        """Return the reply to one row: the stored one, or a new one."""
        key, question, spec = self._keys[number], self._questions[number], self._options.spec
        if isinstance(question, BaseException):
            raise question
        assert question is not None  # noqa: S101 - each row is answered once
        if (row := self._stored.pop(key, None)) is not None:
            answer = Answer(row.reply if spec is None else spec.parse(row.reply), stored=True)
        elif self._notebook.usual_replay() == "only":
            raise NotStoredError("The reply to this row is not stored, and replay is “only”.\nSet it to “auto” to ask.")
        else:
            answer = await self._ask(question, key)
        self._questions[number] = None  # thousands of prompts may be large
        return answer

    async def _ask(self, question: Composed, key: Key) -> Answer:
        """Ask one row, once more if the reply does not fit its type, and store the reply."""
        costs: list[Cost] = []
        conversation, spec = self._conversation(costs.append), self._options.spec
        turn = await self._ask_once(conversation, question)
        value: Any = turn.reply
        if spec is not None:
            try:
                value = spec.parse(turn.reply, cut=turn.reason == "length")
            except ReplyFormatError as error:
                if not worth_repair(turn):
                    raise
                turn = await self._ask_once(conversation, _plain(spec.repair(error)))
                value = spec.parse(turn.reply, cut=turn.reason == "length")
        answer = Answer(
            value,
            sum(cost.tokens for cost in costs),
            sum(cost.billionths or 0 for cost in costs),
            next((cost.currency for cost in costs), ""),
        )
        more = {"model": turn.model, "provider": turn.provider, "tokens": answer.tokens, "at": turn.ended}
        # A row that has a reply must not be asked twice, so the reply has to be on disk.
        done = _Written(asyncio.get_running_loop())
        self._store.put(key, StoredRow(turn.reply, more), done)
        await done.future
        return answer

    async def _ask_once(self, conversation: Conversation, question: Composed) -> Turn:
        turn = self._turn(conversation, question)
        async with aclosing(conversation.answer(turn, connection=self._connection)) as events:
            async for _ in events:
                pass
        return turn

    def _conversation(self, on_cost: Callable[[Cost], None] | None = None) -> Conversation:
        """Return a conversation for one row; `on_cost` is called with the cost of each request."""
        notebook, costs = self._notebook, self._notebook.costs

        def reserve(turn: Turn, connection: Connection) -> Awaitable[Callable[[bool], None]]:
            return costs.reserve(turn, connection, ceiling=self._options.ceiling, on_cost=on_cost)

        settings = {**notebook.connection, "retries": 0}  # all rows share one pause instead
        conversation = Conversation(notebook.system, model=notebook.model, host=Host(reserve=reserve), **settings)
        conversation.data = notebook.data
        return conversation

    def _turn(self, conversation: Conversation, question: Composed) -> Turn:
        options = self._options
        return conversation.ask_in(
            None,
            None,
            question.source,
            question=() if question.is_plain else question.parts,
            model=options.model or conversation.model,
            system=options.system,
            options={**options.options, **({} if options.spec is None else options.spec.options)},
        )

    def _make_keys(self) -> list[Key]:
        connection = self._connection
        model = f"{connection.name}:{connection.model or connection.where}"
        seen: Counter[str] = Counter()
        keys = []
        for question in self._questions:
            composed = question if isinstance(question, Composed) else _plain("")
            request = digest(self._turn(self._conversation(), composed).asked, model, self._options.options)
            keys.append(Key(request, seen[request]))
            seen[request] += 1
        return keys

    def _with_type(self, question: Composed | BaseException) -> Composed | BaseException:
        """Return a question with the instruction about the type that its reply must fit."""
        spec = self._options.spec
        if spec is None or not isinstance(question, Composed):
            return question
        return replace(question, parts=spec.add_instruction(question.parts or (TextPart(question.source),)))

    def _status(self, state: State) -> Status:
        elapsed, connection = self._clock() - self._begun, self._connection
        pause = self._pauses.until - self._clock()
        # The finished output has the counts in its text.
        notes = tuple(status_notes(self._progress, elapsed, pause)) if state == "streaming" else ()
        return Status(state, connection.model, connection.provider.name, elapsed, 0, notes)

    def _final_state(self) -> State:
        if self.interrupted:
            return "interrupted"
        if self._ended_by_user:
            return "stopped"
        return "complete" if self._asking.stopped is None else "stopped" if self._progress.done else "failed"


class _Written(threading.Event):
    """An event that the thread of the database sets, with a future that the loop can await."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.future: asyncio.Future[None] = loop.create_future()

    def set(self) -> None:
        super().set()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_result)

    def _set_result(self) -> None:
        if not self.future.done():  # it is done already if the row was cancelled
            self.future.set_result(None)


def _plain(text: str) -> Composed:
    return Composed(text, (TextPart(text),))
