"""The `%berlin` commands that change, store or choose a conversation."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from IPython.core.error import UsageError

from berlin_magic.conversations.storage.database import Entry
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.arguments import argument
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, date_and_time, quantity, table
from berlin_magic.kernel.history_commands import prompts_of
from berlin_magic.results.conversation import Conversation

__all__ = [
    "ID",
    "OPTIONAL_ID",
    "conversations",
    "drop",
    "export",
    "forget",
    "import_file",
    "renew",
    "reset",
    "resume",
    "system",
    "undo",
]

ID = argument("id", metavar="ID", help="`%berlin conversations all` lists them")
OPTIONAL_ID = argument("id", metavar="ID", nargs="?", default="")

_ID = 8  # characters of a conversation's id that are shown


def reset(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Begin a new conversation; the turns so far stay stored."""
    count = context.conversation.reset(cell=context.cell.id, run=context.cell.run)
    stays = "1 turn stays" if count == 1 else f"{count} turns stay"
    kept = f" {stays} stored; `%berlin forget` deletes what is stored." if count else ""
    return context.changed(f"The next question begins a new conversation: nothing before it is sent.{kept}")


def undo(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Remove the last turns."""
    gone = context.conversation.undo(arguments.number or 1, cell=context.cell.id, run=context.cell.run)
    if not gone:
        return context.changed("There is nothing to take back.")
    return context.changed(f"Took back {quantity(len(gone), 'turn')}: {prompts_of(gone)}.")


def drop(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Remove one turn."""
    try:
        gone = context.conversation.drop(arguments.number, cell=context.cell.id, run=context.cell.run)
    except ValueError as error:
        raise UsageError(f"Nothing was dropped: {error}. `%berlin history` shows the numbers.") from None
    return context.changed(f"Dropped {prompts_of([gone])}.")


def renew(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Begin a new conversation on a server that keeps the context."""
    if context.conversation.context != "server":
        raise UsageError('%berlin renew is for BerlinMagics.context = "server": else the whole context is always sent.')
    context.conversation.renewed = True
    return CommandOutput("The next question begins a new conversation on the server, with the history as it is here.")


def export(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Write the conversation to a file."""
    path = Path(arguments.file).expanduser()
    try:
        context.conversation.export(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was exported to {clean(str(path))}: {clean(str(error))}.") from None
    return CommandOutput(f"Wrote {quantity(len(context.conversation), 'turn')} to {clean(str(path))}.")


def import_file(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Add the turns of a file to the conversation."""
    path = Path(arguments.file).expanduser()
    if path.suffix not in {".json", ".jsonl", ".ipynb"}:
        raise UsageError("%berlin import FILE takes .json, .jsonl or .ipynb.")
    try:
        imported = Conversation.load(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was imported from {clean(str(path))}: {clean(str(error))}.") from None
    turns = context.conversation.add_turns(imported, cell=context.cell.id, run=context.cell.run)
    return context.changed(f"Took in {quantity(len(turns), 'turn')} from {clean(str(path))}.")


def forget(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Delete a conversation from memory and from the database."""
    notebook = context.notebook
    path = notebook.store.path if notebook.store is not None else None
    database = f" and from {path}" if path is not None else ""
    if arguments.id:
        entry = _entry(context, arguments.id)
        store = notebook.store
        record = store.record(entry.id) if store is not None else None
        turns = [str(event.get("id")) for event in record["events"]] if record is not None else []
        if entry.id in notebook.open_ids():
            raise UsageError("That is a conversation of this notebook: `%berlin forget`, or `%berlin -c NAME forget`.")
        if store is None or not store.forget(entry.id, turns):
            raise UsageError(f"{path} could not be written to: the conversation is still there.")
        return CommandOutput(f"Deleted conversation {entry.id[:_ID]} from {path}.")
    if not notebook.forget(context.name):
        raise UsageError(
            f"The conversation is gone from memory, but {path} could not be written to: it is still there."
        )
    return CommandOutput(
        f"Deleted the conversation from memory{database}. Answers in the notebook stay until you clear its outputs."
    )


def conversations(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """List the conversations of this notebook, or all that are stored."""
    if arguments.which == "all":
        return _all_conversations(context)
    rows = []
    for name in context.notebook.names():
        conversation = context.notebook.conversation(name)
        mark = "*" if name == context.name else " "
        rows.append((mark, f"{clean(name, 60) or '(the usual one)'}: {quantity(len(conversation), 'turn')}"))
    return table(rows, after="`%%berlin -c NAME` asks in one of them, or in a new one.")


def _all_conversations(context: CommandContext) -> CommandOutput:
    store = context.notebook.store
    rows = [
        (
            entry.id[:_ID],
            date_and_time(entry.changed),
            f"{entry.size:>4}",
            clean(entry.path, 100) or "(no file)",
            f"-c {clean(entry.name, 40)}" if entry.name else "",
        )
        for entry in (store.every_conversation() if store is not None else [])
    ]
    if not rows:
        return CommandOutput("No conversation is stored.")
    advice = "`%berlin resume ID` adds one of them to this conversation, `%berlin forget ID` deletes it."
    return table(rows, header=("ID", "changed", "turns", "notebook", ""), after=advice)


def resume(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Add the turns of a stored conversation to this one."""
    entry = _entry(context, arguments.id)
    target, store = context.conversation, context.notebook.store
    conversation = Conversation()
    conversation.read((store.record(entry.id) if store is not None else None) or {})
    if any(target.find(turn.id) is not None for turn in conversation.every_turn()):
        raise UsageError("That is a conversation of this notebook already: `%berlin history` shows it.")
    turns = target.add_turns(conversation, cell=context.cell.id, run=context.cell.run)
    return context.changed(f"Took in {quantity(len(turns), 'turn')} of {date_and_time(entry.changed)}.")


def _entry(context: CommandContext, id_: str) -> Entry:
    store = context.notebook.store
    found = [entry for entry in (store.every_conversation() if store is not None else []) if entry.id.startswith(id_)]
    if len(found) != 1 or not id_:
        how = "There are several" if found else "There is no stored conversation"
        raise UsageError(f"{how} with the id {clean(id_, 40)!r}: `%berlin conversations all` lists them.")
    return found[0]


def system(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Show the system prompt, or set or clear it."""
    conversation, given = context.conversation, arguments.text
    if not given:
        text = printable(conversation.system)
        return CommandOutput(
            f"system: {text}" if text else "There is no system prompt. `%berlin system TEXT` sets one."
        )
    text = "" if given == "--clear" else _unquoted(given)
    conversation.set_system(text, cell=context.cell.id, run=context.cell.run)
    return context.changed("The system prompt is set, from here on." if text else "The system prompt is cleared.")


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
