"""The magics `%%berlin` and `%berlin`: they parse their line, and delegate."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncGenerator
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Float, Integer, Unicode, observe

from berlin_magic import blocking, commands, views
from berlin_magic.chat import Conversation
from berlin_magic.interrupts import in_one_line
from berlin_magic.jobs import Jobs
from berlin_magic.notebook import cell_of, conversation_of
from berlin_magic.options import parsed, variable_name
from berlin_magic.showing import Outcome, Showing

__all__ = ["BerlinMagics"]

_EMBEDDED_NOTE = "answered by the embedded server: a guide to berlin_magic, not a language model"


@magics_class
class BerlinMagics(Magics):
    """Talk to a language model from a cell. Passwords and tokens are no settings: they come from the environment."""

    url = Unicode("", help="Address of the Berlin server. Empty: BERLIN_URL, else the embedded server.").tag(
        config=True
    )
    account = Unicode("", help="Account on that server. Empty: BERLIN_ACCOUNT. The password is BERLIN_PASSWORD.").tag(
        config=True
    )
    model = Unicode("", help="Model to ask. Empty: BERLIN_MODEL, else the server's usual one.").tag(config=True)
    system = Unicode("", help="System prompt of the notebook's conversation.").tag(config=True)
    temperature = Float(None, allow_none=True, help="Sampling temperature. None: the provider's own, 0.").tag(
        config=True
    )
    max_tokens = Integer(
        None, allow_none=True, min=1, help="Longest reply, in tokens. None: the provider's own, 1888."
    ).tag(config=True)
    silence = Float(120.0, min=0.1, help="Seconds without a byte from the server after which a reply is cut.").tag(
        config=True
    )
    proxy = Unicode("", help="HTTP proxy for every request. Empty: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.").tag(
        config=True
    )

    def __init__(self, shell: Any = None, **traits: Any) -> None:
        # What `%berlin use` and `%berlin system` have said outlives a reload; asked for first, as each setting that
        # the configuration holds is applied while it is being made.
        said = None if shell is None else (conversation_of(shell).model, conversation_of(shell).system)
        super().__init__(shell, **traits)
        self._showings: set[Showing] = set()
        self.jobs = Jobs()
        if said is not None:  # without a shell it only serves to try a configuration
            model, system = said
            self.model, self.system = self.model or model, self.system or system
            self._apply(None)

    @property
    def conversation(self) -> Conversation:
        """The notebook's conversation."""
        return conversation_of(self.shell)

    @observe("url", "account", "model", "system", "silence", "proxy")
    def _apply(self, _change: object) -> None:
        """Let the conversation know the settings, so that code which asks it directly has the same."""
        if self.shell is not None:
            talk = self.conversation
            talk.model, talk.system = self.model, self.system
            talk.connection = {
                "url": self.url,
                "account": self.account,
                "silence": self.silence,
                "proxy": self.proxy,
            }

    @magic_arguments()
    @argument("-m", "--model", default="", help="Model to ask, for this question.")
    @argument("-t", "--temperature", type=float, help="Sampling temperature, for this question.")
    @argument("--max-tokens", type=int, help="Longest reply, in tokens, for this question.")
    @argument("--system", help="System prompt for this question, in place of the conversation's.")
    @argument("--once", action="store_true", help="Ask outside of the conversation: without it, and not kept in it.")
    @argument("--new", action="store_true", help="Forget the conversation, and begin a new one with this question.")
    @argument("--bg", action="store_true", help="Return at once; the reply arrives here while other cells run.")
    @argument("-o", "--into", metavar="NAME", help="Put the reply into this variable, as a str.")
    @no_var_expand
    @cell_magic("berlin")  # type: ignore[arg-type, unused-ignore]
    def cell(self, line: str, cell: str) -> None:
        """Ask the question in the cell; the reply streams in below, and both join the notebook's conversation.

        Stop the reply with the Stop button or by interrupting the kernel: what has arrived is kept. `%berlin help`
        says how to connect a server.
        """
        with in_one_line():
            blocking.run(self._ask(line, cell, awaited=False)).check()

    @no_var_expand
    @line_magic("berlin")  # type: ignore[arg-type, unused-ignore]
    def line(self, line: str) -> None:
        """Show the state, or carry out a command: `%berlin help` lists them."""
        with in_one_line():
            print(blocking.run(commands.run(self, line)))  # noqa: T201 - what a line magic is for

    async def awaited_cell(self, line: str, cell: str = "") -> None:
        """Be `%%berlin` on the notebook's loop; the input transformer puts this call in its place."""
        with in_one_line():
            (await self._ask(line, cell, awaited=True)).check()

    async def awaited_line(self, line: str) -> None:
        """Be `%berlin` on the notebook's loop."""
        with in_one_line():
            print(await commands.run(self, line))  # noqa: T201 - as above

    def stop_all(self) -> None:
        """End every reply that is still arriving."""
        for showing in tuple(self._showings):
            showing.stop()

    async def _ask(self, line: str, prompt: str, *, awaited: bool) -> Outcome:
        options = self._options(line)
        if not prompt.strip():
            raise UsageError("The cell is empty: write the question below %%berlin.")
        if options.bg and getattr(self.shell, "kernel", None) is None:
            raise UsageError("--bg needs a notebook: in a terminal nothing runs between two inputs.")
        await views.prepare(self.shell)
        talk = (
            Conversation(self.system, model=self.model, **self.conversation.connection)
            if options.once
            else self.conversation
        )
        if options.new:
            talk.reset()
        cell, run = cell_of(self.shell)
        turn = talk.begin(
            prompt.strip("\n"), cell=cell, run=run, model=options.model or self.model, system=options.system
        )
        showing = Showing(turn, "Berlin")

        def connected(connection: Any) -> None:
            if connection.embedded:
                showing.notes.append(_EMBEDDED_NOTE)

        showing.begin(views.open_view(self.shell, stop=showing.stop, awaited=awaited, background=options.bg))
        pieces = talk.answer(turn, connected=connected, temperature=options.temperature, max_tokens=options.max_tokens)
        if options.bg:
            self.jobs.add(showing, asyncio.ensure_future(self._finish(showing, pieces, options.into, background=True)))
            return Outcome(turn)
        return await self._finish(showing, pieces, options.into)

    async def _finish(
        self, showing: Showing, pieces: AsyncGenerator[str, None], into: str | None, *, background: bool = False
    ) -> Outcome:
        self._showings.add(showing)
        try:
            outcome = await showing.run(pieces, background=background)
        finally:
            self._showings.discard(showing)
        if into and outcome.turn.reply and self.shell is not None:
            self.shell.user_ns[into] = outcome.turn.reply
        return outcome

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
        return options
