"""Ask a question for each row of a table: `berlin_magic.map`, or a ``%%berlin --each`` cell."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from berlin_magic.concurrency import Interrupted, in_thread
from berlin_magic.conversations.storage.schema import default_path
from berlin_magic.conversations.turn import Turn
from berlin_magic.display import selection
from berlin_magic.errors import PromptError, clean
from berlin_magic.kernel.arguments import evaluated
from berlin_magic.kernel.cell_result import result_of, set_out
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.notebook import Notebook, notebook_of
from berlin_magic.kernel.prompt import compose_prompt
from berlin_magic.kernel.rows_run import CONCURRENCY, RowOptions, RowsRun
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed, compose
from berlin_magic.prompts.describe import describe
from berlin_magic.results.budget import Budget, Ceiling
from berlin_magic.results.rows import Rows, rows_in
from berlin_magic.results.typed import schema_of

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.prompts.templates import Filled

__all__ = ["ask_each", "map_rows"]

_INTERRUPTED = "Interrupted; the replies that had arrived are stored: run it again for the rest."
_script_notebooks: dict[Path, Notebook] = {}


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
    shell = get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    magics = None if shell is None else shell.magics_manager.registry.get("BerlinMagics")
    notebook = _script_notebook() if shell is None else notebook_of(shell)
    await in_thread(notebook.open)  # reads files
    if magics is not None:
        options = {"temperature": magics.temperature, "max_tokens": magics.max_tokens, **options}
    questions: Sequence[Composed | BaseException]
    if isinstance(prompts, str):
        if rows is None:
            raise ValueError("one prompt needs rows: give a list of prompts, or a template and its rows")
        questions = await _questions(rows_in(rows), lambda row: _fill_in(magics, prompts, row))
        source = rows
    else:
        texts = list(prompts)
        if rows is not None or not all(isinstance(text, str) for text in texts):
            raise ValueError("prompts must be a list of texts, or one template with rows")
        questions = [Composed(text, (TextPart(text),)) for text in texts]
        source = [{"prompt": text} for text in texts]
    spec = None if as_ is None else await in_thread(lambda: schema_of(as_))
    run = RowsRun(notebook, questions, RowOptions(model, system, options, concurrency, again, ceiling, spec))
    await run.prepare()
    view = None
    if shell is not None:
        await in_thread(lambda: selection.prepare(shell))
        view = selection.open_view(shell, stop=run.stop, awaited=False)
    await run.run(view)
    if run.interrupted:
        # Not `Interrupted`: the call may run in a task of the user's, and a KeyboardInterrupt there ends the kernel.
        cancelled = asyncio.CancelledError(_INTERRUPTED)
        cancelled._render_traceback_ = lambda: [_INTERRUPTED]  # type: ignore[attr-defined]  # IPython shows one line
        raise cancelled
    return run.result(source)


async def ask_each(
    magics: BerlinMagics, options: Namespace, question: str, template: Filled | None = None, *, awaited: bool
) -> tuple[Turn, BaseException | None]:
    """Ask the question of a ``%%berlin --each`` cell for each row, and show the progress and the result.

    Returns
    -------
    tuple
        A turn in no conversation, and why the cell fails: an interrupt, or the error that has ended the run early.

    Raises
    ------
    UsageError
        For options that don't go together; nothing is sent.
    """
    _refuse_other_options(options)
    concurrency = CONCURRENCY if options.concurrency is None else options.concurrency
    if concurrency < 1:
        raise UsageError("--concurrency must be at least 1.")
    shell: Any = magics.shell
    cell_result = await result_of(magics, options)
    source = evaluated("--each", options.each, shell.user_ns, "Name a table or a list.")
    try:
        rows = rows_in(source)
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

    questions = await _questions(rows, fill_in)
    for_engine = {"temperature": options.temperature, "max_tokens": options.max_tokens}
    row_options = RowOptions(
        options.model, options.system, for_engine, concurrency, options.again, spec=cell_result.spec
    )
    await in_thread(magics.notebook.open)
    run = RowsRun(magics.notebook, questions, row_options)
    await run.prepare()
    await in_thread(lambda: selection.prepare(shell))
    if options.dry_run or options.show:
        CommandOutput(await run.estimate()).show(shell)
        if options.dry_run:
            return Turn(question), None
    await run.run(selection.open_view(shell, stop=run.stop, awaited=awaited), in_a_cell=True)
    result = run.result(source)
    if options.into:
        shell.user_ns[options.into] = result
    set_out(shell, result)
    return Turn(question), Interrupted(_INTERRUPTED) if run.interrupted else result.stopped


def _refuse_other_options(options: Namespace) -> None:
    """Refuse the options that don't go together with ``--each``."""
    for name in ("bg", "new", "conversation", "replay_from"):
        if getattr(options, name):
            option = {"conversation": "-c", "replay_from": "--replay-from"}.get(name, f"--{name}")
            raise UsageError(f"--each and {option} don't go together: rows are outside of conversations.")
    if options.check is not None or options.rounds is not None:
        raise UsageError("--each and --check don't go together: the code of many rows is not run.")
    if options.format in {"code", "df"}:
        raise UsageError(f"--each and -f {options.format} don't go together: `.to_frame()` of the result is a table.")


async def _questions(
    rows: Sequence[Any], fill_in: Callable[[Any], Awaitable[Composed]]
) -> list[Composed | BaseException]:
    """Return the question of each row, or the reason why it has none.

    Raises
    ------
    PromptError
        If the first row has none: the template is wrong then.
    """
    questions: list[Composed | BaseException] = []
    for row in rows:
        try:
            questions.append(await fill_in(row))
        except PromptError as error:
            if not questions:
                raise
            questions.append(error)
    return questions


async def _fill_in(magics: BerlinMagics | None, template: str, row: Any) -> Composed:
    if magics is not None:
        return await compose_prompt(magics, template, row=(row,))
    return await compose(template, {"row": row}, describe)


def _script_notebook() -> Notebook:
    """Return what takes the place of the notebook in a script: one for each database."""
    return _script_notebooks.setdefault(default_path(), Notebook(None))
