"""The `%berlin` commands, by their names."""

from __future__ import annotations

import asyncio
from argparse import ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.credentials.redaction import without_secrets_each
from berlin_magic.errors import BerlinError, clean
from berlin_magic.kernel import (
    ask,
    code_commands,
    conversation_commands,
    error_commands,
    history_commands,
    local_command,
    login_command,
    templates,
    version_commands,
)
from berlin_magic.kernel.arguments import argument, nearest, number, require_encodable
from berlin_magic.kernel.cell import cell_of
from berlin_magic.kernel.command import Argument, Command, CommandContext, Run
from berlin_magic.kernel.command_output import CommandOutput, inline_html, quantity, table
from berlin_magic.kernel.cost_command import cost
from berlin_magic.providers.registry import load, named_provider

if TYPE_CHECKING:
    from berlin_magic.kernel.magics import BerlinMagics
    from berlin_magic.providers.availability import Availability
    from berlin_magic.providers.resolve import Connection

__all__ = ["COMMANDS", "refuse_command", "run", "split_conversation"]

_NO_SERVER = {"local": "a process on this machine"}
_SHOWN = 300  # characters of a system prompt
_BALANCE_LIMIT = 3.0  # seconds


async def run(magics: BerlinMagics, line: str, *, awaited: bool = False) -> CommandOutput:
    """Run the command in `line`, and return its output.

    Raises
    ------
    UsageError
        For a line that is not a command, with what was probably meant; nothing is sent then.
    BerlinError
        If a server had to be asked and did not answer.
    """
    require_encodable(line)
    name, rest = split_conversation(line.rstrip().removesuffix(";"))
    word, argument_line = _split_first_word(rest)
    if word.endswith("?") and not argument_line and word.rstrip("?") in COMMANDS:
        command = COMMANDS[word.rstrip("?")]
        return CommandOutput(f"{command.usage}\n{command.help[0].upper()}{command.help[1:]}.")
    if word not in COMMANDS:
        raise UsageError(_no_command(word, rest))
    command = COMMANDS[word]
    arguments = command.parse(argument_line, name)
    if command.about_conversation:
        await in_thread(magics.notebook.open)  # reads files
    context = CommandContext(
        magics,
        getattr(arguments, "conversation", ""),
        magics.notebook.cell() if command.about_conversation else cell_of(magics.shell),
        awaited,
    )
    output = command.run(context, arguments)
    return output if isinstance(output, CommandOutput) else await output


def refuse_command(line: str, cell: str) -> None:
    """Refuse a ``%%berlin`` cell that holds nothing but a command: it was meant with one percent sign.

    Raises
    ------
    UsageError
        With the command as it is written.
    """
    command = line.strip()
    if command and command in COMMANDS and not cell.strip():
        raise UsageError(f"Nothing was sent: a command has one percent sign, `%berlin {command}`.")


def split_conversation(line: str) -> tuple[str, str]:
    """Return the name after a leading ``-c``, "" without one, and the rest of the line."""
    first, rest = _split_first_word(line)
    if first not in {"-c", "--conversation"}:
        return "", line.strip()
    name, rest = _split_first_word(rest)
    if not name:
        raise UsageError("-c NAME: which conversation? `%berlin conversations` lists them.")
    return name, rest


def _split_first_word(line: str) -> tuple[str, str]:
    """Return the first word of a line, and the rest."""
    first, *rest = line.split(maxsplit=1) or [""]
    return first, rest[0].strip() if rest else ""


def _no_command(word: str, line: str) -> str:
    """Return the message about a line that is not a command: the nearest command, or how to ask it as a question."""
    near = nearest(word, filter(None, COMMANDS)).removeprefix(" Did you mean ").removesuffix("?")
    rest = _split_first_word(line)[1]
    if near:
        try:
            COMMANDS[near].parse(rest)
        except UsageError:  # it is not what was meant
            near = ""
    message = f"%berlin has no command {clean(word, 40)!r}"
    if near:
        return (
            f"{message}. Did you mean `%berlin {clean(f'{near} {rest}', 60).strip()}`? `%berlin help` lists them all."
        )
    return (
        f"{message}, and nothing was sent. `%berlin help` lists the commands. To ask a question, write\n"
        f"%%berlin\n{clean(line, 80)}"
    )


async def _state(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    connection = await _connection(context.magics)
    conversation = context.conversation
    characters = sum(len(message["content"]) for message in conversation.messages)
    rows = [
        ("provider", connection.provider.name + (f" ({connection.reason})" if connection.reason else "")),
        (
            "server",
            (connection.where or _NO_SERVER.get(connection.name, "(unknown)"))
            + (" (embedded: a guide to berlin_magic, not a language model)" if connection.embedded else ""),
        ),
        (
            "model",
            (connection.model or "(none is named: the only one that the server has)")
            + await in_thread(lambda: _known(connection)),
        ),
        ("conversation", f"{quantity(len(conversation), 'turn')}, {characters:,} characters"),
    ]
    if (left := await _balance(connection)) is not None:
        rows.append(("balance", f"{left:,}"))
    if conversation.system:
        rows.append(("system", clean(conversation.system, _SHOWN)))
    advice = "To ask a language model, name one: `%berlin use ollama:llama3.2`; `%berlin providers` lists them."
    return table(rows, after=advice if connection.embedded else "")


async def _models(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    magics = context.magics
    connection = await _connection(magics)
    names = without_secrets_each(await connection.provider.models(**connection.settings), connection.secrets)
    prefix = f"{connection.name}:" if connection.reason.startswith("the model") else ""
    magics.listed = tuple(f"{prefix}{name}" for name in names if name.isprintable() and " " not in name)
    if not names:
        return CommandOutput("The server lists no models.")
    known = await in_thread(lambda: [connection.provider.about(name) for name in names])
    rows = [
        ("*" if name == connection.model else " ", clean(name, 100), *([clean(more, 100)] if any(known) else ()))
        for name, more in zip(names, known, strict=True)
    ]
    return table(rows, after=f"`%berlin use {prefix}MODEL` chooses one.")


async def _providers(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    check_availability = await in_thread(_check_availability)
    providers = await check_availability(context.magics.conversation.connection)
    try:
        used = (await _connection(context.magics)).name
    except BerlinError:  # the list shows the reason
        used = ""
    rows = [
        (
            "*" if one.name == used else " ",
            one.name,
            one.answer,
            " · ".join(filter(None, [one.where, one.why.rstrip("."), one.needs and f"needs {one.needs}"])),
        )
        for one in providers
    ]
    return table(rows, after="`%%berlin -m NAME:MODEL` asks one; `%berlin use NAME:MODEL` asks it from here on.")


async def _use(context: CommandContext, arguments: Namespace) -> CommandOutput:
    model: str = arguments.model
    name, rest = await in_thread(lambda: named_provider(model))
    if model and not name and named_provider(f"{model}:")[0]:
        shown = clean(model, 40)
        raise UsageError(f"{shown} is a provider; `%berlin use {shown}:MODEL` names its model.")
    context.magics.model = model
    if not model:
        return CommandOutput("From here on the usual model is asked: BERLIN_MODEL, else the one of the server.")
    provider = f" of {clean((await in_thread(lambda: load(name))).name, 40)}" if name else ""
    return CommandOutput(f"From here on the model is {clean(rest, 100) or 'the only one'}{provider}.")


async def _continue(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    result = await ask.continue_reply(context.magics, context.name, awaited=context.awaited)
    result.check()
    return CommandOutput("")


async def _jobs(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    rows = [(str(job.number), clean(job.state, 200), clean(job.turn.prompt, 100)) for job in context.magics.jobs]
    if not rows:
        return CommandOutput("No reply is in the background, or was. `%%berlin --bg` sends one there.")
    return table(rows)


async def _stop(context: CommandContext, arguments: Namespace) -> CommandOutput:
    jobs, which = context.magics.jobs, arguments.which
    if which == "all":
        chosen = jobs.running
    elif which is None:
        chosen = jobs.running[-1:]
    elif (job := jobs.numbered(which)) is not None:
        chosen = [job] if job.running else []
    else:
        raise UsageError(f"There is no reply {which}: `%berlin jobs` shows the numbers.")
    for job in chosen:
        job.reply.stop()
    if not chosen:
        return CommandOutput("Nothing is running.")
    return CommandOutput(f"Stopped {quantity(len(chosen), 'reply')}; what had arrived is kept.")


def _number_or_all(text: str) -> int | str:
    if text == "all":
        return text
    try:
        return number(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"a number of `%berlin jobs`, or all, not {clean(text, 40)!r}") from None


async def _wait(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    results = await context.magics.jobs.wait()
    for result in results:
        result.check()
    return CommandOutput(f"{quantity(len(results), 'reply')} arrived.")


async def _log_in(context: CommandContext, arguments: Namespace) -> CommandOutput:
    return CommandOutput(await login_command.log_in(context.magics, arguments.text))


async def _log_out(context: CommandContext, arguments: Namespace) -> CommandOutput:
    return CommandOutput(await login_command.log_out(context.magics, arguments.text))


async def _trust(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    await in_thread(context.notebook.open)  # reads files
    return CommandOutput(context.notebook.trust())


async def _help(_context: CommandContext, _arguments: Namespace) -> CommandOutput:
    rows = [("%%berlin", _ASK), *((command.usage, command.help) for command in COMMANDS.values())]
    listed = table(rows)
    marked = table([(f"`{usage}`", help_) for usage, help_ in rows])
    models = table(_MODELS)
    return CommandOutput(
        "\n".join([listed.text, "", *_SETTINGS, "", _REAL_MODELS, models.text, _VARIABLES]),
        "\n".join([marked.html, *map(_paragraph, [*_SETTINGS, _REAL_MODELS]), models.html, _paragraph(_VARIABLES)]),
    )


def _paragraph(text: str) -> str:
    return f"<p>{inline_html(text)}</p>"


async def _connection(magics: BerlinMagics) -> Connection:
    connect = await in_thread(_connect)
    return await connect(magics.model, **magics.conversation.connection)


def _known(connection: Connection) -> str:
    known = (connection.provider.about(connection.model), connection.provider.caution(connection.model))
    text = "; ".join(clean(one, 100) for one in known if one)
    return text and f" ({text})"


async def _balance(connection: Connection) -> float | None:
    """Return what is left on the account; None if the provider does not report it, or not in time."""
    if connection.embedded:
        return None
    try:
        async with asyncio.timeout(_BALANCE_LIMIT):
            return await connection.provider.balance(**connection.settings)
    except (BerlinError, TimeoutError):
        return None


def _connect() -> Callable[..., Awaitable[Connection]]:
    from berlin_magic.providers.resolve import connect  # noqa: PLC0415 - the HTTP client is a slow import

    return connect


def _check_availability() -> Callable[[Mapping[str, Any]], Awaitable[list[Availability]]]:
    from berlin_magic.providers.availability import check_availability  # noqa: PLC0415 - as above

    return check_availability


_N = argument("number", metavar="N", type=number, help="`%berlin history` shows the numbers")
_OPTIONAL_N = argument("number", metavar="N", type=number, nargs="?", default=None)
_BLOCK = argument("number", metavar="N", type=number, nargs="?", help="`%berlin code` shows the numbers")
_FILE = argument("file", metavar="FILE")
_DRY_RUN = argument("--dry-run", action="store_true", help="show what would be sent; send nothing")
_ALL = argument("which", metavar="all", choices=["all"], nargs="?")
_N_OR_ALL = argument("which", metavar="N|all", type=_number_or_all, nargs="?")
_USE = 'ask this model from here on; `ollama:llama3.2` names the provider too, "" goes back to the usual model'
_LOCAL = "fetch a very small model that runs on this machine; `%%berlin -m local:` asks it"
_TEMPLATE = "save the last question as a template, or list, show or delete them; `%%berlin -T NAME key=value` uses one"
_CONVERSATIONS = (
    "list those of this notebook, or everything that is stored; `%%berlin -c NAME` and `%berlin -c NAME …` use one"
)


def _about(name: str, help_: str, run: Run, *arguments: Argument, text: str = "") -> Command:
    return Command(name, help_, run, arguments, text, about_conversation=True)


_LISTED = (
    _about("", "show what is asked, where, and how long the conversation is", _state),
    _about("continue", "go on with a reply that was stopped or cut", _continue),
    _about(
        "fix", "ask for a correction of the cell that raised the last error", error_commands.fix, _DRY_RUN, text="WORDS"
    ),
    _about("explain", "ask what the last error means", error_commands.explain, _DRY_RUN, text="WORDS"),
    Command("providers", "list who can be asked, what each needs, and whether it answers now", _providers),
    Command("models", "list the models that the server offers", _models),
    Command("use", _USE, _use, (argument("model", metavar="MODEL", help="`%berlin models` lists them"),)),
    Command("local", _LOCAL, local_command.get, (argument("what", metavar="get", choices=["get"]),)),
    Command("login", "ask for account and password, and store them", _log_in, text="ADDRESS"),
    Command("logout", "delete the stored account and password", _log_out, text="ADDRESS"),
    _about("history", "show the conversation so far, with numbers", history_commands.history),
    _about("show", "show the reply of turn N again, or of the last", history_commands.show, _OPTIONAL_N),
    _about(
        "code", "show code block N of the last reply, or all of them with their numbers", code_commands.code, _BLOCK
    ),
    _about("insert", "put code block N of it into the next cell, or its Python", code_commands.insert, _BLOCK),
    _about("undo", "take the last N turns back, or the last", conversation_commands.undo, _OPTIONAL_N),
    _about("drop", "take turn N out", conversation_commands.drop, _N),
    _about(
        "reset",
        "begin a new conversation; what was asked stays stored, and is not sent any more",
        conversation_commands.reset,
    ),
    _about(
        "forget",
        "delete the conversation, from the disk too",
        conversation_commands.forget,
        conversation_commands.OPTIONAL_ID,
    ),
    _about(
        "versions",
        "show what turn N was answered before, compare, and go back",
        version_commands.versions,
        *version_commands.ARGUMENTS,
    ),
    _about("stale", "list the turns that quote data which has changed since", history_commands.stale),
    _about("template", _TEMPLATE, templates.template, *templates.ARGUMENTS),
    _about("system", 'show the system prompt, or set it; "" clears it', conversation_commands.system, text="TEXT"),
    _about("cost", "show the tokens and the money of the last turn, the conversation, the notebook and today", cost),
    _about("export", "write the conversation to a .md, .json or .jsonl file", conversation_commands.export, _FILE),
    _about("import", "add the turns of a .json, .jsonl or .ipynb file", conversation_commands.import_file, _FILE),
    Command("trust", "count what the notebook file holds now as your own", _trust),
    _about("conversations", _CONVERSATIONS, conversation_commands.conversations, _ALL),
    _about("resume", "add a stored conversation to this one", conversation_commands.resume, conversation_commands.ID),
    _about("renew", "begin a new conversation on a server that keeps the context", conversation_commands.renew),
    Command("jobs", "list the replies in the background (`%%berlin --bg`)", _jobs),
    Command("stop", "stop reply N of them, or all, or the newest", _stop, (_N_OR_ALL,)),
    Command("wait", "wait until they have arrived", _wait),
    Command("help", "show this list", _help),
)

COMMANDS: Mapping[str, Command] = {command.name: command for command in _LISTED}
"""The commands by their names, in the order of `%berlin help`; "" is `%berlin` alone."""

_ASK = "ask: the question goes on the lines below; `%%berlin?` shows the options"
_SETTINGS = (
    "Settings: `%config BerlinMagics`",
    "Stop a reply: the Stop button, or interrupt the kernel",
    "With nothing configured, a model on this machine answers; without one, a guide to this package answers.",
)
_REAL_MODELS = "To ask a real model:"
_MODELS = (
    ("`%berlin local get`", "a very small one, which runs on this machine"),
    ("`%berlin use ollama:llama3.2`", "vllm:, llamacpp: and lmstudio: too, if they run on this machine"),
    ("OPENAI_API_KEY, and `%berlin use openai:MODEL`", "OpenAI; OPENROUTER_API_KEY and `openrouter:MODEL`"),
    ("OPENAI_BASE_URL, and its OPENAI_API_KEY", "any other server that speaks OpenAI's protocol"),
    ("BERLIN_URL, BERLIN_ACCOUNT, BERLIN_PASSWORD", "a Berlin server and your account there, or `%berlin login`"),
)
_VARIABLES = "Variables are set in the environment, before Jupyter starts."
