"""Ask the question of one cell, and show its reply."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.replay import Mode
from berlin_magic.conversations.storage.notebook_file import FORMAT, output_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.display import selection
from berlin_magic.display.cell_output import CellOutput
from berlin_magic.kernel.arguments import parse_question, require_encodable, variable_name
from berlin_magic.kernel.cell import Cell, as_running_cell, request_of, source_of
from berlin_magic.kernel.cell_result import CellResult, result_of
from berlin_magic.kernel.command_output import quantity
from berlin_magic.kernel.current_values import changed_notes, changed_since
from berlin_magic.kernel.packing_slip import short_slip, slip_of, slip_output
from berlin_magic.kernel.prompt import compose_prompt, recorded, warnings_of
from berlin_magic.kernel.reply import ReplyResult, ReplyTask
from berlin_magic.kernel.templates import filled_template
from berlin_magic.messages import TextPart
from berlin_magic.prompts.compose import Composed
from berlin_magic.results.conversation import Conversation, IncomingReply

if TYPE_CHECKING:
    from berlin_magic.kernel.check import Checking
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.kernel.notebook import Notebook

__all__ = ["ask", "ask_composed", "continue_reply", "show_answer"]

_FOUND = ({"code": "what the check found", "level": "full"},)
"""For a correction: output of the code may hold values, and is left out of later requests if those are."""


async def ask(magics: BerlinMagics, line: str, cell: str, *, awaited: bool) -> ReplyResult:
    """Ask the question of a ``%%berlin`` cell, and show the reply in the cell's output.

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
        How the reply ended; for ``--bg`` returned at once, else when the finished output is shown.

    Raises
    ------
    UsageError
        For an option or a question that can't be used; nothing has been sent.
    """
    require_encodable(line + cell)
    options, beginning = parse_question(magics.question_parser, line)
    template = None
    if options.template:
        template, beginning = await in_thread(lambda: filled_template(options.template, beginning))
        options.show = options.show or (template.is_foreign and not options.dry_run)
    question = "\n".join(filter(None, [beginning, cell.strip("\n")]))
    if not question.strip() and template is None:
        raise UsageError("The cell is empty: write the question below %%berlin.")
    _complete(magics, options)
    if options.each:
        from berlin_magic.kernel import rows  # noqa: PLC0415 - a plain question is sent sooner without it

        return ReplyResult(*await rows.ask_each(magics, options, question, template, awaited=awaited))
    if options.again or options.concurrency is not None:
        raise UsageError("--again and --concurrency go with --each.")
    wanted = await result_of(magics, options)
    composed = await compose_prompt(
        magics,
        question,
        expand=not options.no_expand,
        names=options.beside,
        secrets=options.allow_secrets,
        template=template,
    )
    composed = replace(composed, parts=wanted.add_instruction(composed.parts))
    checking = None
    if options.check is not None:
        from berlin_magic.kernel.check import checking_of  # noqa: PLC0415 - as above

        checking = checking_of(magics, options, composed)
    elif options.rounds is not None:
        raise UsageError("--rounds goes with --check.")
    return await _ask(magics, options, composed, wanted, checking, awaited=awaited)


async def ask_composed(
    magics: BerlinMagics, composed: Composed, name: str, *, dry_run: bool = False, awaited: bool
) -> ReplyResult:
    """Ask a question that a command has composed in the conversation of that name, or show what would be sent."""
    options, _ = parse_question(magics.question_parser, "")
    _complete(magics, options)
    options.conversation, options.dry_run = name, dry_run
    return await _ask(magics, options, composed, await result_of(magics, options), awaited=awaited)


async def continue_reply(magics: BerlinMagics, name: str, *, awaited: bool) -> ReplyResult:
    """Ask for the rest of the last reply of a conversation, which was stopped or cut."""
    cell = magics.notebook.cell()
    conversation = magics.notebook.conversation(name)
    question, partial = conversation.going_on(cell.id, cell.run), conversation.partial(cell.id, cell.run)
    if question is None or partial is None:
        raise UsageError("There is nothing to go on with: the last reply is complete, or nothing was asked.")
    options, _ = parse_question(magics.question_parser, "")
    _complete(magics, options)
    options.conversation, options.model = name, partial.wanted  # the model that began it goes on
    composed = Composed(question, (TextPart(question),))
    return await _ask(magics, options, composed, await result_of(magics, options), awaited=awaited)


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


async def _ask(
    magics: BerlinMagics,
    options: Namespace,
    composed: Composed,
    wanted: CellResult,
    checking: Checking | None = None,
    *,
    awaited: bool,
) -> ReplyResult:
    shell, notebook = magics.shell, magics.notebook
    await in_thread(notebook.open)  # reads files
    await in_thread(lambda: selection.prepare(shell))
    conversation = notebook.separate() if options.once else notebook.conversation(options.conversation)
    cell = notebook.cell()
    if not options.dry_run:
        notebook.move_cell(cell, conversation)
    notebook.announce(conversation)
    magics.show_warnings()

    # Nobody sees a reply arrive later in a run without a front end (nbclient, papermill): its output would not be in
    # the file, as these programs take a cell's output while the cell runs. So the cell waits for its reply.
    background = options.bg and selection.is_watched(shell)
    changed = await changed_since(getattr(shell, "user_ns", {}), conversation.earlier(cell.id, cell.run))
    question = _Question(
        magics, options, conversation, composed, wanted, checking, cell, changed, awaited=awaited, background=background
    )
    if options.dry_run or options.show:
        trial = conversation.fork()  # a question in a copy is neither sent nor stored
        shown = question.put_into(trial, new=options.new)
        slip_output(await slip_of(trial, shown, composed, notebook.costs)).show(shell)
        if options.dry_run:
            return ReplyResult(shown)
    turn = question.put_into(conversation, new=options.new)
    reply = question.open(turn, warnings_of(composed))
    answered = question.answer(reply)
    if background:
        magics.jobs.add(reply, asyncio.ensure_future(answered))
        return ReplyResult(turn)
    return await answered


class _Question:
    """The question of one cell, which may be asked again: if the reply does not fit its type, or fails its check."""

    def __init__(
        self,
        magics: BerlinMagics,
        options: Namespace,
        conversation: Conversation,
        composed: Composed,
        wanted: CellResult,
        checking: Checking | None,
        cell: Cell,
        changed: Mapping[str, Sequence[str]],
        *,
        awaited: bool,
        background: bool,
    ) -> None:
        self._magics, self._options, self._conversation = magics, options, conversation
        self._composed, self._wanted, self._cell, self._changed = composed, wanted, cell, changed
        self._checking, self._awaited, self._background = checking, awaited, background
        self._source, self._request = source_of(magics.shell), request_of(magics.shell)

    def put_into(self, conversation: Conversation, text: str = "", *, new: bool = False) -> Turn:
        """Put the question in its place, and return its turn; `text` is sent for it if it is asked again."""
        cell, options = self._cell, self._options
        if new:
            conversation.reset(cell=cell.id, run=cell.run)
        composed = replace(self._composed, parts=(TextPart(text),)) if text else self._composed
        turn = conversation.ask_in(
            cell.id,
            cell.run,
            composed.source,
            question=() if composed.is_plain else composed.parts,
            values=[
                *recorded(composed),
                *(_FOUND if text and self._checking is not None and self._checking.quotes else ()),
            ],
            model=options.model or self._magics.model,
            system=options.system,
            options={"temperature": options.temperature, "max_tokens": options.max_tokens, **self._wanted.options},
        )
        names = {name for one in turn.sent_before() for name in self._changed.get(one.id, ())}
        turn.changed_before = ", ".join(sorted(names))
        return turn

    def open(self, turn: Turn, notes: Iterable[str], *, again: bool = False) -> ReplyTask:
        """Open a view of a turn in the cell's output; if it is asked again, below the first."""
        reply = ReplyTask(turn, [*_notes(turn), *notes])
        shell, owns = self._magics.shell, False if again or self._checking is not None else None
        mode = {"awaited": self._awaited, "background": self._background}
        with as_running_cell(shell, self._request):
            reply.begin(selection.open_view(shell, stop=reply.stop, owns_cell=owns, **mode), CellOutput(shell))
        return reply

    async def answer(self, reply: ReplyTask) -> ReplyResult:
        """Show the reply to its end; if it does not fit, ask for it once more."""
        wanted = self._wanted
        result = await self._show(reply)
        if wanted.may_repair(result):
            turn = self.put_into(self._conversation, wanted.repair)
            second = self.open(turn, ["asked again, as the first reply does not fit"], again=True)
            self._magics.jobs.replace(reply, second)
            result = await self._show(second)
        checking = self._checking
        while checking is not None and (correction := checking.question(result)):
            result = await self._show(self.open(self.put_into(self._conversation, correction), (), again=True))
        result = result if checking is None else checking.result(result)
        return wanted.ended(result, background=self._background)

    async def _show(self, reply: ReplyTask) -> ReplyResult:
        """Show a reply from its first word to the finished output, and wait until it is stored."""
        turn, magics, options, conversation = reply.turn, self._magics, self._options, self._conversation
        notebook = magics.notebook
        replays = (options.replay or options.replay_from) and conversation.replay != "only"
        mode: Mode | None = "auto" if replays else None
        magics.replies.add(reply)
        try:
            await reply.read(conversation.answer(turn, replay=mode), background=self._background)
            if self._checking is None or await self._checking.passes(reply):
                self._wanted.take(reply)
            with suppress(Exception):  # an error here must not hide a reply that has arrived
                reply.slip = short_slip(turn, self._composed, conversation.data, reply.where)
            if options.once:
                notebook.asked_once(turn)
            record = _record(notebook, turn, conversation, options.conversation, self._source, once=options.once)
            result = await reply.finish(record)
        finally:
            magics.replies.discard(reply)
            conversation.note(turn)  # a turn that was stopped before it began has no other end
        if self._checking is not None:
            self._checking.show(magics.shell)
        await notebook.flush()
        magics.show_warnings()
        return result


async def show_answer(shell: Any, notebook: Notebook, name: str, incoming: IncomingReply) -> None:
    """Show a reply that the user's own code asks for, as that of a cell; raise the error that ends it.

    Parameters
    ----------
    shell, notebook : InteractiveShell and Notebook
        The user's shell, in whose running cell it is shown, and its notebook.
    name : str
        The conversation's name.
    incoming : IncomingReply
        The reply.
    """
    conversation, turn = incoming.conversation, incoming.turn
    await in_thread(lambda: selection.prepare(shell))
    reply = ReplyTask(turn, _notes(turn))
    view = selection.open_view(shell, stop=reply.stop, awaited=incoming.awaited, owns_cell=False)
    reply.begin(view, CellOutput(shell))
    source = source_of(shell)
    try:
        await reply.read(incoming.events)
        if incoming.readable is not None:
            reply.show_instead(incoming.readable(turn.reply))
        result = await reply.finish(_record(notebook, turn, conversation, name, source))
    finally:
        conversation.note(turn)
    await notebook.flush()
    result.check()


def _record(
    notebook: Notebook, turn: Turn, conversation: Conversation, name: str, source: str, *, once: bool = False
) -> Mapping[str, object]:
    """Return the record for the output's metadata; an error in it must not hide a reply that has arrived."""
    try:
        return output_record(conversation, turn, notebook=notebook.id, conversation=name, source=source, once=once)
    except Exception:  # noqa: BLE001 - see above
        return {"format": FORMAT, "turn": turn.id, "finish": turn.finish}


def _notes(turn: Turn) -> list[str]:
    """Return the remarks about the context for the status line."""
    notes = []
    if turn.left_out:
        notes.append(f"{quantity(turn.left_out, 'earlier turn')} left out")
    if turn.stale_before:
        notes.append(f"{quantity(turn.stale_before, 'earlier turn')} answered on an older version")
    return notes + changed_notes(turn)
