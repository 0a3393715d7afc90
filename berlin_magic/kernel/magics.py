"""The magics `%%berlin` and `%berlin`: they parse their line, and delegate."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from berlin_magic.concurrency import in_thread, run_interruptibly, run_sync, short_tracebacks
from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.replay import Mode
from berlin_magic.conversations.storage.notebook_file import output_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.display import selection
from berlin_magic.kernel import commands
from berlin_magic.kernel.arguments import parsed, variable_name
from berlin_magic.kernel.cell import cell_of, source_of
from berlin_magic.kernel.completion import Vocabulary
from berlin_magic.kernel.conversation_commands import count_of
from berlin_magic.kernel.jobs import Jobs
from berlin_magic.kernel.reply import Outcome, Showing
from berlin_magic.kernel.settings import Settings
from berlin_magic.messages import Event
from berlin_magic.providers import registry

__all__ = ["BerlinMagics"]


@magics_class
class BerlinMagics(Settings):
    """Talk to a language model from a cell. Passwords and tokens are no settings: they come from the environment."""

    def __init__(self, shell: Any = None, **traits: Any) -> None:
        self._showings: set[Showing] = set()
        self.jobs = Jobs()
        self.listed: tuple[str, ...] = ()
        super().__init__(shell, **traits)

    @magic_arguments()
    @argument("-m", "--model", default="", help="Model to ask, or PROVIDER:MODEL, for this question.")
    @argument("-t", "--temperature", type=float, help="Sampling temperature, for this question.")
    @argument("--max-tokens", type=int, help="Longest reply, in tokens, for this question.")
    @argument("--system", help="System prompt for this question, in place of the conversation's.")
    @argument("-c", "--conversation", metavar="NAME", default="", help="Ask in a further conversation of that name.")
    @argument("--once", action="store_true", help="Ask outside of the conversation: without it, and not kept in it.")
    @argument("--new", action="store_true", help="Forget the conversation, and begin a new one with this question.")
    @argument("--bg", action="store_true", help="Return at once; the reply arrives here while other cells run.")
    @argument("--replay", action="store_true", help="Where the request is unchanged, give the stored reply.")
    @argument("--replay-from", metavar="FILE", help="The same, from a notebook or an export.")
    @argument("-o", "--into", metavar="NAME", help="Put the reply into this variable, as a str.")
    @no_var_expand
    @cell_magic("berlin")  # type: ignore[arg-type, unused-ignore]
    def cell(self, line: str, cell: str) -> None:
        """Ask the question in the cell; the reply streams in below, and both join the notebook's conversation.

        Stop the reply with the Stop button or by interrupting the kernel: what has arrived is kept. `%berlin help`
        says how to connect a server.
        """
        with short_tracebacks():
            run_sync(self._ask(line, cell, awaited=False)).check()

    @no_var_expand
    @line_magic("berlin")  # type: ignore[arg-type, unused-ignore]
    def line(self, line: str) -> None:
        """Show the state, or carry out a command: `%berlin help` lists them."""
        with short_tracebacks():
            run_sync(run_interruptibly(self._command(line, awaited=False)))

    async def awaited_cell(self, line: str, cell: str = "") -> None:
        """Run `%%berlin` as a coroutine; the input transformer puts this call in its place."""
        with short_tracebacks():
            (await self._ask(line, cell, awaited=True)).check()

    async def awaited_line(self, line: str) -> None:
        """Run `%berlin` as a coroutine."""
        with short_tracebacks():
            await run_interruptibly(self._command(line, awaited=True))

    def vocabulary(self) -> Vocabulary:
        """Return what the Tab key can offer; the models are those that `%berlin models` has listed."""
        actions = type(self).cell.parser._actions  # noqa: SLF001 - argparse has no other way to its options
        options = [name for action in actions for name in action.option_strings if name.startswith("--")]
        return Vocabulary(options, commands.words(), self.listed, tuple(registry.found()))

    def stop_all(self) -> None:
        """End every reply that is still arriving."""
        for showing in tuple(self._showings):
            showing.stop()

    async def _command(self, line: str, *, awaited: bool) -> None:
        name, rest = commands.named(line)
        if rest == "continue":
            await in_thread(self.notebook.open)
            cell = cell_of(self.shell)
            talk = self.notebook.conversation(name)
            question, partial = talk.going_on(cell.id, cell.run), talk.partial(cell.id, cell.run)
            if question is None or partial is None:
                raise UsageError("There is nothing to go on with: the last reply is complete, or nothing was asked.")
            options = self._options("")
            options.conversation, options.model = name, partial.wanted  # whoever began it goes on
            (await self._asked(options, question, awaited=awaited)).check()
            return
        told = await commands.run(self, line)
        self._warn()
        if told.record is None or self.shell is None or getattr(self.shell, "kernel", None) is None:
            print(told.text)  # noqa: T201 - what a line magic is for
        else:
            self.shell.display_pub.publish({"text/plain": told.text}, {"berlin": told.record})

    async def _ask(self, line: str, prompt: str, *, awaited: bool) -> Outcome:
        options = self._options(line)
        if not prompt.strip():
            raise UsageError("The cell is empty: write the question below %%berlin.")
        if options.bg and getattr(self.shell, "kernel", None) is None:
            raise UsageError("--bg needs a notebook: in a terminal nothing runs between two inputs.")
        return await self._asked(options, prompt.strip("\n"), awaited=awaited)

    async def _asked(self, options: Namespace, prompt: str, *, awaited: bool) -> Outcome:
        book = self.notebook
        await in_thread(book.open)  # reads files
        await in_thread(lambda: selection.prepare(self.shell))
        self._warn()
        talk = book.apart() if options.once else book.conversation(options.conversation)
        cell = cell_of(self.shell)
        book.at(cell, talk)
        if options.new:
            talk.reset(cell=cell.id, run=cell.run)
        turn = talk.ask_in(
            cell.id,
            cell.run,
            prompt,
            model=options.model or self.model,
            system=options.system,
            options={"temperature": options.temperature, "max_tokens": options.max_tokens},
        )
        source = source_of(self.shell)
        showing = Showing(
            turn,
            "Berlin",
            _notes(turn),
            lambda: output_record(
                talk, turn, notebook=book.id, conversation=options.conversation, source=source, once=options.once
            ),
        )

        showing.begin(selection.open_view(self.shell, stop=showing.stop, awaited=awaited, background=options.bg))
        events = talk.answer(turn, replay=_replay(options))
        if options.bg:
            task = asyncio.ensure_future(self._finish(talk, showing, events, options.into, background=True))
            self.jobs.add(showing, task)
            return Outcome(turn)
        return await self._finish(talk, showing, events, options.into)

    async def _finish(
        self,
        talk: Conversation,
        showing: Showing,
        events: AsyncGenerator[Event, None],
        into: str | None,
        *,
        background: bool = False,
    ) -> Outcome:
        def keep() -> None:
            if into and showing.turn.reply and self.shell is not None:
                self.shell.user_ns[into] = showing.turn.reply

        showing.ended = keep  # whoever sees the finished output finds the variable
        self._showings.add(showing)
        try:
            outcome = await showing.run(events, background=background)
        finally:
            self._showings.discard(showing)
            talk.note(showing.turn)  # one that was stopped before it began was ended by nobody else
        await self.notebook.flush()
        self._warn()
        return outcome

    def _warn(self) -> None:
        for warning in self.notebook.take_warnings():
            print(f"berlin_magic: {warning}", file=sys.stderr)  # noqa: T201 - the user's eyes, and no traceback's frame

    def _options(self, line: str) -> Namespace:
        options = parsed(type(self).cell.parser, line, "%%berlin")
        if options.into:
            variable_name(options.into)
        if options.temperature is None:
            options.temperature = self.temperature
        if options.max_tokens is None:
            options.max_tokens = self.max_tokens
        if options.max_tokens is not None and options.max_tokens < 1:
            raise UsageError("--max-tokens must be at least 1.")
        if options.replay_from:
            self.notebook.replay_from = options.replay_from
        return options


def _replay(options: Namespace) -> Mode | None:
    return "auto" if options.replay or options.replay_from else None


def _notes(turn: Turn) -> list[str]:
    """Return what the status line remarks of the context."""
    notes = []
    if turn.left_out:
        notes.append(f"{count_of(turn.left_out, 'earlier turn')} left out")
    if turn.stale_before:
        notes.append(f"{count_of(turn.stale_before, 'earlier turn')} answered on an older version")
    return notes
