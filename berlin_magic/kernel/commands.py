"""The words after `%berlin`: each shows or changes something, and returns the text to print."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.conversation import Conversation
from berlin_magic.credentials.redaction import without_secrets_each
from berlin_magic.errors import BerlinError, clean
from berlin_magic.kernel import login_command
from berlin_magic.kernel.arguments import nearest
from berlin_magic.kernel.cell import cell_of
from berlin_magic.kernel.conversation_commands import COMMANDS, Here, Told, count_of
from berlin_magic.kernel.jobs import Jobs
from berlin_magic.kernel.notebook import Notebook
from berlin_magic.providers.registry import load, named_provider

if TYPE_CHECKING:
    from berlin_magic.providers.availability import Finding
    from berlin_magic.providers.resolve import Connection

__all__ = ["Settings", "named", "run", "words"]

_SHOWN_OF_A_TURN = 300
_BALANCE_LIMIT = 3.0  # seconds


class Settings(Protocol):
    """What the commands need to know of the magics: their settings and the conversation."""

    model: str

    jobs: Jobs
    listed: tuple[str, ...]
    shell: Any

    @property
    def notebook(self) -> Notebook:
        """The notebook."""
        ...

    @property
    def conversation(self) -> Conversation:
        """The notebook's conversation."""
        ...


async def run(settings: Settings, line: str) -> Told:
    """Carry out the command in `line`; return what to tell.

    Raises
    ------
    UsageError
        For a word that is no command, with the nearest that is one.
    BerlinError
        Where a server had to be asked and did not answer.
    """
    name, rest = named(line.rstrip().removesuffix(";"))
    word, _, argument = rest.partition(" ")
    command, about = _COMMANDS.get(word), COMMANDS.get(word)
    if about is not None:
        await in_thread(settings.notebook.open)  # reads files
        return about(Here(settings.notebook, name, cell_of(settings.shell)), argument.strip())
    if command is None:
        hint = nearest(word, words()) or " A question goes below `%%berlin`."
        raise UsageError(f"%berlin has no command {clean(word, 40)!r}.{hint} `%berlin help` lists them.")
    return Told(await command(settings, argument.strip()))


def named(line: str) -> tuple[str, str]:
    """Return the name of the conversation that a line is about, "" for the usual one, and the rest of the line."""
    first, _, rest = line.strip().partition(" ")
    if first not in {"-c", "--conversation"}:
        return "", line.strip()
    name, _, rest = rest.strip().partition(" ")
    if not name:
        raise UsageError("-c NAME: which conversation? `%berlin conversations` lists them.")
    return name, rest.strip()


def words() -> list[str]:
    """Return every command's word."""
    return sorted({*_COMMANDS, *COMMANDS, "continue"} - {""})


async def _state(settings: Settings, _argument: str) -> str:
    connection = await _connection(settings)
    talk = settings.conversation
    lines = [
        f"provider      {clean(connection.provider.name, 40)}"
        + (f" ({connection.reason})" if connection.reason else ""),
        f"server        {clean(connection.where) or '(not told)'}"
        + (" (embedded: a guide to berlin_magic, no language model)" if connection.embedded else ""),
        f"model         {clean(connection.model, 80) or '(none is named: the only one that the server has)'}",
        f"conversation  {count_of(len(talk), 'turn')}, {sum(len(m['content']) for m in talk.messages):,} characters",
    ]
    if (left := await _balance(connection)) is not None:
        lines.append(f"balance       {left:,}")
    if talk.system:
        lines.append(f"system        {clean(talk.system, _SHOWN_OF_A_TURN)}")
    if connection.embedded:
        lines.append(
            "To ask a language model, name one: `%berlin use ollama:llama3.2`; `%berlin providers` lists what can be."
        )
    return "\n".join(lines)


async def _models(settings: Settings, _argument: str) -> str:
    connection = await _connection(settings)
    names = without_secrets_each(await connection.provider.models(**connection.settings), connection.secrets)
    prefix = f"{connection.name}:" if connection.reason.startswith("the model") else ""
    settings.listed = tuple(f"{prefix}{name}" for name in names if name.isprintable() and " " not in name)
    lines = [f"{'*' if name == connection.model else ' '} {clean(name, 100)}" for name in names]
    use = f"{connection.name}:MODEL" if connection.reason.startswith("the model") else "MODEL"
    return "\n".join([*lines, f"`%berlin use {use}` chooses one."]) if lines else "The server lists no models."


async def _providers(settings: Settings, _argument: str) -> str:
    survey = await in_thread(_survey)
    findings = await survey(settings.conversation.connection)
    try:
        used = (await _connection(settings)).name
    except BerlinError:  # the list is what shows why
        used = ""
    names = max(len(one.name) for one in findings)
    answers = max(len(one.answer) for one in findings)
    lines = []
    for one in findings:
        mark = "*" if one.name == used else " "
        lines.append(f"{mark} {one.name:<{names}}  {one.answer:<{answers}}  {one.where}".rstrip())
        lines += [f"{'':{names + 4}}{more}" for more in (one.why, one.needs and f"needs {one.needs}") if more]
    return "\n".join([*lines, "`%%berlin -m NAME:MODEL` asks one; `%berlin use NAME:MODEL` from here on."])


async def _use(settings: Settings, argument: str) -> str:
    if not argument:
        raise UsageError("%berlin use MODEL: which one? `%berlin models` lists them.")
    name, rest = await in_thread(lambda: named_provider(argument))
    if not name and named_provider(f"{argument}:")[0]:
        raise UsageError(
            f"{clean(argument, 40)} is a provider; `%berlin use {clean(argument, 40)}:MODEL` names its model."
        )
    of = f" of {clean((await in_thread(lambda: load(name))).name, 40)}" if name else ""
    settings.model = argument
    return f"From here on the model is {clean(rest, 100) or 'the only one'}{of}."


async def _jobs(settings: Settings, _argument: str) -> str:
    lines = [
        f"{job.number:>3}  {clean(job.state, 200)}: {clean(job.showing.turn.prompt, 100)}" for job in settings.jobs
    ]
    return "\n".join(lines) or "No reply is, or was, in the background. `%%berlin --bg` sends one there."


async def _stop(settings: Settings, argument: str) -> str:
    running = settings.jobs.running
    if argument == "all":
        chosen = running
    elif argument:
        job = settings.jobs.numbered(int(argument)) if argument.isdecimal() else None
        if job is None:
            raise UsageError(f"%berlin stop takes a number of `%berlin jobs`, or all, not {clean(argument, 40)!r}.")
        chosen = [job] if job.running else []
    else:
        chosen = running[-1:]
    for job in chosen:
        job.showing.stop()
    return f"Stopped {count_of(len(chosen), 'reply')}; what had arrived is kept." if chosen else "Nothing is running."


async def _wait(settings: Settings, _argument: str) -> str:
    outcomes = await settings.jobs.wait()
    for outcome in outcomes:
        outcome.check()
    return f"{count_of(len(outcomes), 'reply')} arrived."


async def _help(_settings: Settings, _argument: str) -> str:
    return _HELP


async def _connection(settings: Settings) -> Connection:
    connect = await in_thread(_connect)
    return await connect(settings.model, **settings.conversation.connection)


async def _balance(connection: Connection) -> float | None:
    """Return what is left on the account; None where that is not to be had, or not at once."""
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


def _survey() -> Callable[[Mapping[str, Any]], Awaitable[list[Finding]]]:
    from berlin_magic.providers.availability import survey  # noqa: PLC0415 - as above

    return survey


_COMMANDS: Mapping[str, Callable[[Settings, str], Awaitable[str]]] = {
    "": _state,
    "models": _models,
    "providers": _providers,
    "use": _use,
    "jobs": _jobs,
    "stop": _stop,
    "wait": _wait,
    "login": login_command.log_in,
    "logout": login_command.log_out,
    "help": _help,
}

_HELP = """\
%%berlin            ask: the question goes on the lines below; `%%berlin?` shows the options
%berlin             what is asked, where, and how long the conversation is
%berlin continue    go on with a reply that was stopped or cut
%berlin providers   who can be asked, what each needs, and whether it answers now
%berlin models      the models that the server offers
%berlin use MODEL   ask this model from here on; `use ollama:llama3.2` names the provider too
%berlin login [ADDRESS]  ask for account and password, and store them  %berlin logout [ADDRESS]  delete them
%berlin history     the conversation so far, with numbers
%berlin undo [N]    take the last N turns back             %berlin drop N      take turn N out
%berlin reset       begin a new conversation               %berlin forget      delete this one, from the disk too
%berlin versions    what a cell was answered before        %berlin system TEXT set the system prompt ("" for none)
%berlin export FILE to .md, .json or .jsonl                %berlin import FILE add .json, .jsonl or .ipynb
%berlin conversations  those of this notebook; `%%berlin -c NAME` and `%berlin -c NAME …` use one of them
%berlin conversations all  everything that is stored; `%berlin resume ID` adds one of them here
%berlin renew       where the server keeps the context: begin a new conversation there
%berlin jobs        the replies in the background (`%%berlin --bg`)
%berlin stop [N]    stop number N of them, or all, or the newest
%berlin wait        wait until they have arrived
%berlin help        this

Settings: %config BerlinMagics        Stop a reply: the Stop button, or interrupt the kernel
With nothing configured, the embedded server answers: a guide to this package, no language model.
To ask a real model:
    %berlin use ollama:llama3.2                      vllm: llamacpp: lmstudio: too, where they run on this machine
    OPENAI_API_KEY, and `%berlin use openai:MODEL`   OpenAI; OPENROUTER_API_KEY and `openrouter:MODEL`
    OPENAI_BASE_URL, and its OPENAI_API_KEY          any other server that speaks OpenAI's protocol
    BERLIN_URL, BERLIN_ACCOUNT, BERLIN_PASSWORD      a Berlin server and your account there, or `%berlin login`
Variables are set in the environment, before Jupyter starts.
"""
