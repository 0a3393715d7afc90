"""The magics `%%berlin` and `%berlin`: they parse their line, and delegate."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from IPython.core.magic import cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from berlin_magic.concurrency import in_thread, run_interruptibly, run_sync, short_tracebacks
from berlin_magic.kernel.completion import Vocabulary, is_type
from berlin_magic.kernel.jobs import Jobs
from berlin_magic.kernel.last_error import LastFailure
from berlin_magic.kernel.settings import Settings

if TYPE_CHECKING:
    from berlin_magic.kernel.reply import ReplyResult, ReplyTask

__all__ = ["BerlinMagics"]

_FORMAT = "code: put the reply's code into the next cell. json, df: ask for data, as Python's own or as a DataFrame."


@magics_class
class BerlinMagics(Settings):
    """Talk to a language model from a cell. Passwords and tokens are no settings: they come from the environment.

    Attributes
    ----------
    jobs : Jobs
        The replies in the background.
    replies : set of ReplyTask
        The replies that are arriving, in the background or not.
    listed : tuple of str
        The models that `%berlin models` has listed, for the Tab key.
    last_failure : LastFailure
        The last error of the user's code.
    next_cells : dict
        The code that each cell has put into the next one, by the asking cell's id.
    """

    def __init__(self, shell: Any = None, **traits: Any) -> None:
        self.jobs = Jobs()
        self.last_failure = LastFailure()
        self.replies: set[ReplyTask] = set()
        self.listed: tuple[str, ...] = ()
        self.next_cells: dict[str, str] = {}
        super().__init__(shell, **traits)

    @magic_arguments()
    @argument("-m", "--model", default="", help="Model to ask, or PROVIDER:MODEL, for this question.")
    @argument("-t", "--temperature", type=float, help="Sampling temperature, for this question.")
    @argument("--max-tokens", type=int, help="Longest reply, in tokens, for this question.")
    @argument("--system", help="System prompt for this question, in place of the conversation's.")
    @argument("-c", "--conversation", metavar="NAME", default="", help="Ask in a further conversation of that name.")
    @argument("--once", action="store_true", help="Ask outside of the conversation: without it, and not kept in it.")
    @argument("--new", action="store_true", help="Begin a new conversation with this question.")
    @argument("--bg", action="store_true", help="Return at once; the reply arrives here while other cells run.")
    @argument("--replay", action="store_true", help="If the request is unchanged, give the stored reply.")
    @argument("--replay-from", metavar="FILE", help="The same, from a notebook or an export.")
    @argument("--with", dest="beside", metavar="NAMES", default="", help="Send these values too, such as df,fig.")
    @argument("-T", "--template", metavar="NAME", default="", help="Ask this template; key=value words fill it.")
    @argument("--dry-run", action="store_true", help="Show what would be sent, and where; send and store nothing.")
    @argument("--show", action="store_true", help="Show the same, and ask.")
    @argument("--no-expand", action="store_true", help="Send {{ … }} as it is, and evaluate nothing.")
    @argument("--allow-secrets", action="store_true", help="Send a value although it holds what looks like a key.")
    @argument("--each", metavar="TABLE", help="Ask for each row of a table or list: {{ row.text }} in the question.")
    @argument("--concurrency", type=int, metavar="N", help="Rows to ask at the same time, with --each; usually 8.")
    @argument("--again", action="store_true", help="With --each: ask the rows anew whose replies are stored.")
    @argument("--check", metavar="CHECK", help="Run the reply's code apart and check it: an assertion, or a function.")
    @argument("--rounds", type=int, metavar="N", help="How often the model may correct code that fails its check.")
    @argument("-o", "--into", metavar="NAME", help="Put the reply into this variable: a str that knows more.")
    @argument("--as", dest="as_", metavar="TYPE", help="Ask for a value of a type: a model, list[…], a JSON schema.")
    @argument("-f", "--format", choices=["code", "json", "df"], help=_FORMAT)
    @no_var_expand
    @cell_magic("berlin")  # type: ignore[arg-type, unused-ignore]
    def cell(self, line: str, cell: str) -> None:
        """Ask the question in the cell; the reply streams in below, and both join the notebook's conversation.

        The question may begin on the magic's own line, after the options. Stop the reply with the Stop button or by
        interrupting the kernel: what has arrived is kept. `%berlin help` says how to connect a server.
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

    @property
    def question_parser(self) -> ArgumentParser:
        """The parser of the options of `%%berlin`."""
        parser: ArgumentParser = type(self).cell.parser
        return parser

    def vocabulary(self) -> Vocabulary:
        """Return what the Tab key can offer; the models are those that `%berlin models` has listed."""
        from berlin_magic.kernel.commands import COMMANDS  # noqa: PLC0415 - loaded when it is first needed
        from berlin_magic.kernel.templates import template_names  # noqa: PLC0415 - as above
        from berlin_magic.providers.registry import installed  # noqa: PLC0415 - as above

        actions = self.question_parser._actions  # noqa: SLF001 - argparse has no public list of its options
        options = [name for action in actions for name in action.option_strings if name.startswith("--")]
        choices = {name: [*action.choices] for action in actions if action.choices for name in action.option_strings}
        return Vocabulary(
            options,
            choices,
            {name: command.choices for name, command in COMMANDS.items()},
            self.listed,
            [*installed()],
            conversations=self.notebook.names,
            templates=template_names,
            types=self._types,
            names=self._names,
        )

    def _types(self) -> list[str]:
        """Return the names of the user's classes, and of forms such as ``Literal[…]``."""
        hidden, names = self.shell.user_ns_hidden, self.shell.user_ns  # type: ignore[union-attr]  # as in `_names`
        own = (name for name in names if name[0] != "_" and name not in hidden)
        return [name for name in own if is_type(names[name])]

    def _names(self, word: str) -> list[str]:
        """Return what IPython's own Tab offers for a name, or for an attribute of one."""
        completer: Any = self.shell.Completer  # type: ignore[union-attr]  # there is a shell if a key is pressed
        if "." in word:
            return [str(found) for found in completer.attr_matches(word)]
        names = self.shell.user_ns  # type: ignore[union-attr]
        return [one for one in completer.global_matches(word) if word or (one in names and one[0] != "_")]

    def show_warnings(self) -> None:
        """Print the warnings about the stored conversations."""
        for warning in self.notebook.take_warnings():
            print(f"berlin_magic: {warning}", file=sys.stderr)  # noqa: T201 - a warning would show a line of code

    def stop_all(self) -> None:
        """End every reply that is still arriving."""
        for reply in tuple(self.replies):
            reply.stop()

    # Loading the extension must not take noticeable time: the modules that ask questions and run commands are
    # imported with the first question or command.

    async def _ask(self, line: str, cell: str, *, awaited: bool) -> ReplyResult:
        # In threads: it takes 0.15 s, in which the user's own tasks go on. aiohttp spends a third of its own import in
        # reading the system's certificates, without the interpreter's lock.
        await asyncio.gather(in_thread(partial(import_module, "aiohttp")), in_thread(partial(_import_ask, self.shell)))
        from berlin_magic.kernel import ask  # noqa: PLC0415 - see above

        if not cell.strip():
            from berlin_magic.kernel.commands import refuse_command  # noqa: PLC0415 - see above

            refuse_command(line, cell)
        return await ask.ask(self, line, cell, awaited=awaited)

    async def _command(self, line: str, *, awaited: bool) -> None:
        await in_thread(lambda: import_module("berlin_magic.kernel.commands"))
        from berlin_magic.kernel import commands  # noqa: PLC0415 - see above

        output = await commands.run(self, line, awaited=awaited)
        self.show_warnings()
        output.show(self.shell)


def _import_ask(shell: Any) -> None:
    import_module("berlin_magic.kernel.ask").selection.prepare(shell)
