"""Ask the question of one cell, and show its reply."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.replay import Mode
from berlin_magic.conversations.storage.notebook_file import FORMAT, output_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.display import selection
from berlin_magic.kernel.arguments import parse_question, require_encodable, variable_name
from berlin_magic.kernel.cell import source_of
from berlin_magic.kernel.command_output import quantity
from berlin_magic.kernel.packing_slip import slip_of, slip_output
from berlin_magic.kernel.prompt import compose_prompt, recorded, warnings_of
from berlin_magic.kernel.reply import ReplyResult, ReplyTask
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed
from berlin_magic.results.conversation import Conversation

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.kernel.notebook import Notebook

__all__ = ["ask", "continue_reply"]


async def ask(magics: BerlinMagics, line: str, cell: str, *, awaited: bool) -> ReplyResult:
    """Ask what stands in a ``%%berlin`` cell, and show the reply in the cell's output.

    Parameters
    ----------
    magics : BerlinMagics
        The settings, and where a background reply is kept.
    line : str
        What follows ``%%berlin`` on its line: options, and perhaps the beginning of the question.
    cell : str
        The lines below.
    awaited : bool
        Whether the cell is awaited on the kernel's loop.

    Returns
    -------
    ReplyResult
        How it went; for ``--bg`` at once, else when the finished output is shown.

    Raises
    ------
    UsageError
        For an option or a question that can't be; nothing has been sent.
    """
    require_encodable(line + cell)
    options, beginning = parse_question(magics.question_parser, line)
    question = "\n".join(filter(None, [beginning, cell.strip("\n")]))
    if not question.strip():
        raise UsageError("The cell is empty: write the question below %%berlin.")
    _complete(magics, options)
    composed = await compose_prompt(
        magics, question, expand=not options.no_expand, names=options.beside, secrets=options.allow_secrets
    )
    return await _ask(magics, options, composed, awaited=awaited)


async def continue_reply(magics: BerlinMagics, name: str, *, awaited: bool) -> ReplyResult:
    """Ask for the rest of the last reply of a conversation, which was stopped or cut."""
    cell = magics.notebook.cell()
    conversation = magics.notebook.conversation(name)
    question, partial = conversation.going_on(cell.id, cell.run), conversation.partial(cell.id, cell.run)
    if question is None or partial is None:
        raise UsageError("There is nothing to go on with: the last reply is complete, or nothing was asked.")
    options, _ = parse_question(magics.question_parser, "")
    _complete(magics, options)
    options.conversation, options.model = name, partial.wanted  # whoever began it goes on
    composed = Composed(question, (TextPart(question),))
    return await _ask(magics, options, composed, awaited=awaited)


def _complete(magics: BerlinMagics, options: Namespace) -> None:
    """Check options, and put settings in the place of those that are not given."""
    if options.into:
        variable_name(options.into)
    if options.temperature is None:
        options.temperature = magics.temperature
    if options.max_tokens is None:
        options.max_tokens = magics.max_tokens
    if options.max_tokens is not None and options.max_tokens < 1:
        raise UsageError("--max-tokens must be at least 1.")
    if options.bg and getattr(magics.shell, "kernel", None) is None:
        raise UsageError("--bg needs a notebook: in a terminal nothing runs between two inputs.")
    if options.replay_from:
        magics.notebook.replay_from = options.replay_from


async def _ask(magics: BerlinMagics, options: Namespace, composed: Composed, *, awaited: bool) -> ReplyResult:
    shell, notebook = magics.shell, magics.notebook
    await in_thread(notebook.open)  # reads files
    await in_thread(lambda: selection.prepare(shell))
    conversation = notebook.apart() if options.once else notebook.conversation(options.conversation)
    cell = notebook.cell()
    if not options.dry_run:
        notebook.at(cell, conversation)
    notebook.announce(conversation)
    magics.show_warnings()

    def put_in_place(where: Conversation) -> Turn:
        return where.ask_in(
            cell.id,
            cell.run,
            composed.source,
            question=() if composed.is_plain else composed.parts,
            values=recorded(composed),
            model=options.model or magics.model,
            system=options.system,
            options={"temperature": options.temperature, "max_tokens": options.max_tokens},
        )

    if options.dry_run or options.show:
        trial = conversation.fork()  # what is asked there is neither sent nor stored
        if options.new:
            trial.reset(cell=cell.id, run=cell.run)
        question = put_in_place(trial)
        slip_output(await slip_of(trial, question, composed)).show(shell)
        if options.dry_run:
            return ReplyResult(question)
    if options.new:
        conversation.reset(cell=cell.id, run=cell.run)
    turn = put_in_place(conversation)
    # Nobody sees a reply arrive later in a run without a front end (nbclient, papermill): its output would not be in
    # the file, as these programs take a cell's output while the cell runs. So the cell waits for its reply.
    background = options.bg and selection.is_watched(shell)
    reply = ReplyTask(turn, [*_notes(turn), *warnings_of(composed)])
    reply.begin(selection.open_view(shell, stop=reply.stop, awaited=awaited, background=background))
    showing = _show(magics, options, conversation, reply, source_of(shell), background=background)
    if background:
        magics.jobs.add(reply, asyncio.ensure_future(showing))
        return ReplyResult(turn)
    return await showing


async def _show(
    magics: BerlinMagics,
    options: Namespace,
    conversation: Conversation,
    reply: ReplyTask,
    source: str,
    *,
    background: bool,
) -> ReplyResult:
    """Show a reply from its first word to the finished output, and wait until it is stored."""
    turn, notebook = reply.turn, magics.notebook
    mode: Mode | None = "auto" if options.replay or options.replay_from else None
    magics.replies.add(reply)
    try:
        await reply.read(conversation.answer(turn, replay=mode), background=background)
        if options.into and turn.reply and magics.shell is not None:
            magics.shell.user_ns[options.into] = turn.reply  # whoever sees the finished output finds the variable
        if options.once:
            notebook.asked_once(turn)
        result = await reply.finish(_record(notebook, options, conversation, turn, source))
    finally:
        magics.replies.discard(reply)
        conversation.note(turn)  # one that was stopped before it began was ended by nobody else
    await notebook.flush()
    magics.show_warnings()
    return result


def _record(
    notebook: Notebook, options: Namespace, conversation: Conversation, turn: Turn, source: str
) -> Mapping[str, object]:
    """Return what goes into the output's metadata; whatever fails there, a reply that has arrived is shown."""
    try:
        return output_record(
            conversation,
            turn,
            notebook=notebook.id,
            conversation=options.conversation,
            source=source,
            once=options.once,
        )
    except Exception:  # noqa: BLE001 - see above
        return {"format": FORMAT, "turn": turn.id, "finish": turn.finish}


def _notes(turn: Turn) -> list[str]:
    """Return what the status line remarks of the context."""
    notes = []
    if turn.left_out:
        notes.append(f"{quantity(turn.left_out, 'earlier turn')} left out")
    if turn.stale_before:
        notes.append(f"{quantity(turn.stale_before, 'earlier turn')} answered on an older version")
    return notes
