"""Ask a question for each of many rows, from code or from a cell, and show how far it is."""

from __future__ import annotations

import asyncio
import random
import threading
from argparse import Namespace
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import Interrupted, cancel_and_wait, cancel_on_interrupt, in_thread
from berlin_magic.conversations.conversation import Conversation, Host
from berlin_magic.conversations.replay import digest
from berlin_magic.conversations.storage.asked_rows import AskedRows, Key, StoredRow
from berlin_magic.conversations.storage.schema import default_path
from berlin_magic.conversations.turn import Turn
from berlin_magic.display import selection
from berlin_magic.display.view import State, Status, View
from berlin_magic.errors import BerlinError, NotStoredError, PromptError, ReplyFormatError, clean
from berlin_magic.kernel.cell_result import result_of, set_out
from berlin_magic.kernel.command_output import CommandOutput, quantity
from berlin_magic.kernel.costs import max_tokens, prompt_tokens
from berlin_magic.kernel.notebook import Notebook, notebook_of
from berlin_magic.kernel.prompt import compose_prompt
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed, compose
from berlin_magic.prompts.describe import describe
from berlin_magic.results.asking import Answer, Asking, Pauses, Progress
from berlin_magic.results.budget import Budget, Ceiling, Cost, money
from berlin_magic.results.conversation import worth_repair
from berlin_magic.results.rows import Rows, rows_in
from berlin_magic.results.typed import TypedSpec, schema_of

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.prompts.templates import Filled
    from berlin_magic.providers.resolve import Connection

__all__ = ["ask_each", "map_rows"]

_FRAME = 0.1  # seconds between two looks at how far it is; it also lets an interrupt through
_BAR = 16  # characters
_SHOWN = 5  # rows whose replies the finished output shows
_TOLD = 3  # errors that it tells
_CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class _How:
    """How rows are asked."""

    model: str = ""
    system: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = _CONCURRENCY
    again: bool = False
    ceiling: Ceiling | None = None
    spec: TypedSpec | None = None


async def map_rows(
    prompts: str | Iterable[str],
    rows: Any = None,
    *,
    concurrency: int = 8,
    as_: Any = None,
    budget: str | int | None = None,
    model: str = "",
    system: str | None = None,
    again: bool = False,
    **options: Any,
) -> Rows:
    """Ask each of many prompts, several at a time, and return the replies in their order.

    The replies are stored in the user's database. The next call gives those of equal requests to the same model from
    there: after an interrupt, an error or a crash, only what is missing is asked. They are in no conversation.

    Parameters
    ----------
    prompts : str or iterable of str
        The prompts; or one template, for `rows`: ``"Translate: {{ row.text }}"``.
    rows : table or iterable, optional
        What the template is filled in with: a pandas or polars table, or a list of dicts or other objects. Each is
        ``row`` in the template.
    concurrency : int
        How many are asked at the same time, at most.
    as_ : type or mapping, optional
        What each reply is to be: a pydantic model, a dataclass, ``Literal[…]``, a JSON schema, … A reply that does not
        fit goes back to the model once, with what is wrong.
    budget : str or int, optional
        What may be spent by this call: ``"0.50 USD"`` or ``"10000 tokens"``.
    model, system : str, optional
        In place of the notebook's.
    again : bool
        Whether all are asked anew, also those whose reply is stored.
    **options
        The engine's: ``temperature``, ``max_tokens``, …

    Returns
    -------
    Rows
        The replies; `Rows.errors` says by row why there is none.

    Raises
    ------
    ValueError
        If the arguments don't fit; nothing is sent.
    PromptError
        If the template can't be filled in for the first row, or `as_` is not a type; nothing is sent.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    ceiling = None if budget is None else Ceiling(Budget.parse(budget, with_period=False))
    shell = _shell()
    magics = None if shell is None else shell.magics_manager.registry.get("BerlinMagics")
    notebook = _notebook(shell)
    await in_thread(notebook.open)  # reads files
    if magics is not None:
        options = {"temperature": magics.temperature, "max_tokens": magics.max_tokens, **options}
    if isinstance(prompts, str):
        if rows is None:
            raise ValueError("one prompt needs rows: give a list of prompts, or a template and its rows")
        given = rows_in(rows)
        questions, errors = await _composed(given, lambda row: _fill_in(magics, prompts, row))
        source = rows
    else:
        texts = list(prompts)
        if rows is not None or not all(isinstance(text, str) for text in texts):
            raise ValueError("prompts must be a list of texts, or one template with rows")
        questions, errors = [Composed(text, (TextPart(text),)) for text in texts], {}
        source = [{"prompt": text} for text in texts]
    spec = None if as_ is None else await in_thread(lambda: schema_of(as_))
    how = _How(model, system, options, concurrency, again, ceiling, spec)
    run = _Run(notebook, questions, errors, how)
    await run.prepare()
    view = None
    if shell is not None:
        await in_thread(lambda: selection.prepare(shell))
        view = selection.open_view(shell, stop=run.stop, awaited=False)
    await run.show(view)
    result = run.result(source)
    if run.interrupted:
        raise _cancelled()
    return result


async def ask_each(
    magics: BerlinMagics, options: Namespace, question: str, template: Filled | None = None, *, awaited: bool
) -> tuple[Turn, BaseException | None]:
    """Ask the question of a ``%%berlin --each`` cell for each row, and show what has come of it.

    Returns
    -------
    tuple
        A turn in no conversation, and why the cell fails: an interrupt, or what has ended the whole early.

    Raises
    ------
    UsageError
        For options that don't go together; nothing is sent.
    """
    _require_together(options)
    concurrency = _CONCURRENCY if options.concurrency is None else options.concurrency
    if concurrency < 1:
        raise UsageError("--concurrency must be at least 1.")
    shell = magics.shell
    wanted = await result_of(magics, options)
    source = _evaluated(shell, options.each)
    try:
        given = rows_in(source)
    except ValueError as error:
        raise UsageError(f"--each {clean(options.each, 60)}: {error}.") from None

    async def fill_in(row: Any) -> Composed:
        return await compose_prompt(
            magics,
            question,
            expand=not options.no_expand,
            names=options.beside,
            secrets=options.allow_secrets,
            template=template,
            row=(row,),
        )

    questions, errors = await _composed(given, fill_in)
    given_options = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    how = _How(options.model, options.system, given_options, concurrency, options.again, spec=wanted.spec)
    await in_thread(magics.notebook.open)
    run = _Run(magics.notebook, questions, errors, how)
    await run.prepare()
    await in_thread(lambda: selection.prepare(shell))
    if options.dry_run or options.show:
        CommandOutput(await run.estimate()).show(shell)
        if options.dry_run:
            return Turn(question), None
    await run.show(selection.open_view(shell, stop=run.stop, awaited=awaited), in_a_cell=True)
    result = run.result(source)
    if options.into and shell is not None:
        shell.user_ns[options.into] = result
    set_out(shell, result)
    return Turn(question), Interrupted(_INTERRUPTED) if run.interrupted else result.stopped


_INTERRUPTED = "Interrupted; the replies that had arrived are stored: run it again for the rest."


def _cancelled() -> asyncio.CancelledError:
    """Return what ends an interrupted call; in a cell, IPython shows it as one line.

    It is no `Interrupted`: the call may run in a task of the user's, and a KeyboardInterrupt there ends the kernel.
    """
    cancelled = asyncio.CancelledError(_INTERRUPTED)
    cancelled._render_traceback_ = lambda: [_INTERRUPTED]  # type: ignore[attr-defined]
    return cancelled


def _require_together(options: Namespace) -> None:
    for name in ("bg", "new", "conversation", "replay_from"):
        if getattr(options, name):
            said = {"conversation": "-c", "replay_from": "--replay-from"}.get(name, f"--{name}")
            raise UsageError(f"--each and {said} don't go together: rows are outside of conversations.")
    if options.check is not None or options.rounds is not None:
        raise UsageError("--each and --check don't go together: the code of many rows is not run.")
    if options.format in {"code", "df"}:
        raise UsageError(f"--each and -f {options.format} don't go together: `.to_frame()` of the result is a table.")


class _Run:
    """One run over rows.

    Parameters
    ----------
    notebook : Notebook
        Whose settings, database and budget it has.
    questions : sequence of Composed
        The question of each row.
    errors : mapping
        Why rows have none, by their numbers.
    how : _How
        How they are asked.
    """

    def __init__(
        self, notebook: Notebook, questions: Sequence[Composed], errors: Mapping[int, BaseException], how: _How
    ) -> None:
        self._notebook = notebook
        self._questions: list[Composed | None] = [_with_instruction(one, how.spec) for one in questions]
        self._wrong = errors
        self._how = how
        self._store = AskedRows(notebook.store)
        self._keys: list[Key] = []
        self._found: dict[Key, StoredRow] = {}
        self._progress = Progress(len(questions))
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._pauses = Pauses(loop.time, random.random)
        self._asking = Asking(self._answer, self._pauses, self._progress)
        self._started = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ended_by_user = False
        self.interrupted = False

    async def prepare(self) -> None:
        """Find out who is asked, and which replies are stored."""
        talk = self._conversation()
        turn = self._turn(talk, Composed("", (TextPart(""),)))
        self._there: Connection = await talk.resolved(turn)
        self._keys = self._make_keys()
        if not self._how.again:
            self._found = await in_thread(lambda: self._store.find(self._keys))

    async def estimate(self) -> str:
        """Return what asking would cost, as text; nothing is asked."""
        missing = [one for one, key in zip(self._questions, self._keys, strict=True) if one and key not in self._found]
        turns = [self._turn(self._conversation(), one) for one in missing]
        prompt = sum(map(prompt_tokens, turns))
        limit = max_tokens(turns[0]) if turns else None
        price = await self._notebook.costs.price(self._there)
        cost = Cost.at(price, prompt, len(turns) * (limit or 0))
        most = (
            f", and at most {cost.reply:,} for the replies" if limit else ", without the replies: no max_tokens is set"
        )
        lines = [
            f"to       {clean(self._there.provider.name, 40)} at {clean(self._there.where) or '(its own address)'}",
            f"model    {clean(self._there.model, 80)}",
            f"rows     {len(self._questions):,}; {len(self._questions) - len(turns):,} of them are stored",
            f"size     about {prompt:,} tokens for the prompts{most} (an estimate)",
            f"cost     {'the price is not known' if price is None else cost.money or 'nothing'}",
        ]
        if turns:
            lines += ["", "The first of them:", "", str(turns[0].content)]
        return "\n".join(lines)

    def stop(self) -> None:
        """End the run, and keep what has arrived; called by the Stop button."""
        self._ended_by_user = True
        if self._task is not None:
            self._task.cancel()

    async def show(self, view: View | None, *, in_a_cell: bool = False) -> None:
        """Ask the rows, and show how far they are, to the finished output."""
        self._started = self._clock()
        if view is not None:
            view.begin(self._status("streaming"))
        task = self._task = asyncio.get_running_loop().create_task(self._asking.run(self._how.concurrency))
        cell = asyncio.current_task()
        with nullcontext() if cell is None else cancel_on_interrupt(cell):
            try:
                drawn = 0.0
                while not task.done():
                    await asyncio.wait({task}, timeout=_FRAME)
                    if view is not None and self._clock() - drawn >= 2 * _FRAME and not task.done():
                        drawn = self._clock()
                        view.draw(self._status("streaming"))
            except asyncio.CancelledError:
                self.interrupted = True
                await cancel_and_wait(task)
        if view is not None:
            view.feed(self._summary(in_a_cell=in_a_cell))
            view.finish(self._status(self._final_state()), {})
            await view.wait_for_front_end()
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def result(self, source: Any) -> Rows:
        """Return the replies; `source` is what the rows are from."""
        asking = self._asking
        errors = dict(asking.errors)
        if self.interrupted or self._ended_by_user:
            for number in range(len(asking.values)):
                if asking.values[number] is None and number not in errors:
                    errors[number] = BerlinError(
                        "The row was not asked: the run was stopped.\nRun it again for the rest."
                    )
        return Rows(asking.values, dict(sorted(errors.items())), asking.stopped, source=source)

    async def _answer(self, number: int) -> Answer:
        """Return the reply to one row: the stored one, or what the model says."""
        if (error := self._wrong.get(number)) is not None:
            raise error
        key, composed = self._keys[number], self._questions[number]
        if (row := self._found.pop(key, None)) is not None:
            self._questions[number] = None
            return Answer(row.reply if self._how.spec is None else self._how.spec.parse(row.reply), stored=True)
        assert composed is not None  # noqa: S101 - each row is asked once
        if self._notebook.usual_replay() == "only":
            raise NotStoredError("The reply to this row is not stored, and replay is “only”.\nSet it to “auto” to ask.")
        costs: list[Cost] = []
        talk = self._conversation(costs.append)
        turn = await self._asked(talk, self._turn(talk, composed))
        value: Any = turn.reply
        if (spec := self._how.spec) is not None:
            try:
                value = spec.parse(turn.reply, cut=turn.reason == "length")
            except ReplyFormatError as misfit:
                if not worth_repair(turn):
                    raise
                correction = spec.repair(misfit)
                turn = await self._asked(talk, self._turn(talk, Composed(correction, (TextPart(correction),))))
                value = spec.parse(turn.reply, cut=turn.reason == "length")
        answer = Answer(
            value,
            sum(cost.tokens for cost in costs),
            sum(cost.billionths or 0 for cost in costs),
            next((cost.currency for cost in costs), ""),
        )
        more = {"model": turn.model, "provider": turn.provider, "tokens": answer.tokens, "at": turn.ended}
        await self._stored(key, StoredRow(turn.reply, more))
        self._questions[number] = None
        return answer

    async def _asked(self, talk: Conversation, turn: Turn) -> Turn:
        async with aclosing(talk.answer(turn, there=self._there)) as events:
            async for _ in events:
                pass
        return turn

    def _conversation(self, settled: Callable[[Cost], None] | None = None) -> Conversation:
        notebook, costs = self._notebook, self._notebook.costs

        def reserve(turn: Turn, there: Connection) -> Awaitable[Callable[[bool], None]]:
            return costs.reserve(turn, there, ceiling=self._how.ceiling, settled=settled)

        way = {**notebook.connection, "retries": 0}  # the gate decides on retries, for all
        talk = Conversation(notebook.system, model=notebook.model, host=Host(reserve=reserve), **way)
        talk.data = notebook.data
        return talk

    def _turn(self, talk: Conversation, composed: Composed) -> Turn:
        how = self._how
        return talk.ask_in(
            None,
            None,
            composed.source,
            question=() if composed.is_plain else composed.parts,
            model=how.model or talk.model,
            system=how.system,
            options={**how.options, **({} if how.spec is None else how.spec.options)},
        )

    def _make_keys(self) -> list[Key]:
        there = self._there
        model = f"{there.name}:{there.model or there.where}"
        seen: Counter[str] = Counter()
        keys = []
        for composed in self._questions:
            assert composed is not None  # noqa: S101 - none is asked yet
            request = digest(self._turn(self._conversation(), composed).asked, model, self._how.options)
            keys.append(Key(request, seen[request]))
            seen[request] += 1
        return keys

    async def _stored(self, key: Key, row: StoredRow) -> None:
        """Store a reply, and wait until it is on disk: no row whose reply has come is asked twice, come what may."""
        done = _Written(asyncio.get_running_loop())
        self._store.put(key, row, done)
        await done.future

    def _status(self, state: State) -> Status:
        elapsed, there = self._clock() - self._started, self._there
        notes = tuple(self._notes(elapsed)) if state == "streaming" else ()  # later the output itself says it
        return Status(state, there.model, there.provider.name, elapsed, 0, notes)

    def _notes(self, elapsed: float) -> Iterator[str]:
        progress = self._progress
        count = progress.done + progress.failed
        if progress.total:
            full = _BAR * count // progress.total
            yield f"{'█' * full}{'░' * (_BAR - full)} {100 * count // progress.total} %"
        yield from self._counts()
        if (pause := self._pauses.until - self._clock()) > 0:
            yield f"the server is busy: going on in {pause:.0f} s"
        elif (left := progress.seconds_left(elapsed)) is not None:
            yield f"{_duration(left)} left"

    def _counts(self) -> Iterator[str]:
        progress = self._progress
        yield f"{progress.done:,} of {quantity(progress.total, 'row')}"
        if progress.stored:
            yield f"{progress.stored:,} from the store"
        if progress.failed:
            yield f"{progress.failed:,} without a reply"
        if progress.tokens:
            yield f"{progress.tokens:,} tokens"
        for currency, billionths in progress.billionths.items():
            yield money(billionths, currency)

    def _final_state(self) -> State:
        if self.interrupted:
            return "interrupted"
        if self._ended_by_user:
            return "stopped"
        return "complete" if self._asking.stopped is None else "stopped" if self._progress.done else "failed"

    def _summary(self, *, in_a_cell: bool) -> str:
        """Return what the finished output says of the rows, as Markdown; a cell's error is shown below it anyway."""
        blocks = [" · ".join(self._counts())]
        values = self._asking.values
        if in_a_cell and (shown := [(number, one) for number, one in enumerate(values) if one is not None][:_SHOWN]):
            lines = ["| row | reply |", "|--:|---|", *(f"| {number} | {_cell(value)} |" for number, value in shown)]
            if (rest := self._progress.done - len(shown)) > 0:
                lines.append(f"| … | {rest:,} more |")
            blocks.append("\n".join(lines))
        told = {number: error for number, error in self._asking.errors.items() if error is not self._asking.stopped}
        kinds = Counter(f"{type(error).__name__}: {error}" for error in told.values())
        for text, count in kinds.most_common(_TOLD):
            first = next(number for number, error in told.items() if text == f"{type(error).__name__}: {error}")
            more = f" and {quantity(count - 1, 'further row')}" if count > 1 else ""
            blocks.append(f"Row {first}{more}: {clean(text, 300)}")
        if len(kinds) > _TOLD:
            blocks.append("`.errors` has the other errors, by row.")
        return "\n\n".join(blocks)


class _Written(threading.Event):
    """Tells a loop, from the thread that writes, that something is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.future: asyncio.Future[None] = loop.create_future()

    def set(self) -> None:
        super().set()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self.future.done():  # it is, if the row was cancelled
            self.future.set_result(None)


async def _composed(
    rows: Sequence[Any], fill_in: Callable[[Any], Awaitable[Composed]]
) -> tuple[list[Composed], dict[int, BaseException]]:
    """Return the question of each row, and why some have none.

    Raises
    ------
    PromptError
        If already the first has none: then the template is wrong.
    """
    questions: list[Composed] = []
    errors: dict[int, BaseException] = {}
    for number, row in enumerate(rows):
        try:
            questions.append(await fill_in(row))
        except PromptError as error:
            if not number:
                raise
            errors[number] = error
            questions.append(Composed("", ()))
    return questions, errors


def _with_instruction(composed: Composed, spec: TypedSpec | None) -> Composed:
    """Return a question that says what its reply has to be."""
    if spec is None:
        return composed
    return replace(composed, parts=spec.add_instruction(composed.parts or (TextPart(composed.source),)))


async def _fill_in(magics: BerlinMagics | None, template: str, row: Any) -> Composed:
    if magics is not None:
        return await compose_prompt(magics, template, row=(row,))
    return await compose(template, {"row": row}, describe)


def _evaluated(shell: Any, expression: str) -> Any:
    try:
        return eval(expression, shell.user_ns)  # noqa: S307 - what the user has written
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        said = clean(f"{type(error).__name__}: {error}", 200)
        raise PromptError(
            f"--each {clean(expression, 60)} can't be evaluated: {said}\nName a table or a list; nothing was sent."
        ) from None


def _shell() -> Any:
    from IPython import get_ipython  # noqa: PLC0415 - outside of IPython it is a slow import

    return get_ipython()  # type: ignore[no-untyped-call, unused-ignore]


def _notebook(shell: Any) -> Notebook:
    """Return the shell's notebook; in a script, what has the place of one, once for each database."""
    if shell is not None:
        return notebook_of(shell)
    return _of_scripts.setdefault(default_path(), Notebook(None))


_of_scripts: dict[Path, Notebook] = {}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cell(value: object) -> str:
    """Return a reply as one cell of a table in Markdown."""
    return clean(str(value), 120).replace("|", "\\|")
