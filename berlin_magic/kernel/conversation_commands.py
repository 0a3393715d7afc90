"""The `%berlin` commands about a conversation."""

from __future__ import annotations

import argparse
import difflib
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from IPython.core.error import UsageError

from berlin_magic.concurrency import in_thread
from berlin_magic.conversations.cells import Place, Version
from berlin_magic.conversations.storage.database import Entry
from berlin_magic.conversations.turn import Turn
from berlin_magic.display.markdown import text_to_html
from berlin_magic.display.view import State, Status
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.arguments import argument, number
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, paragraph, quantity, table
from berlin_magic.kernel.current_values import changed_since, has_changed
from berlin_magic.kernel.reply_images import image_outputs
from berlin_magic.results.conversation import Conversation

__all__ = [
    "ID",
    "OPTIONAL_ID",
    "VERSIONS",
    "beginning",
    "compared",
    "conversations",
    "drop",
    "export",
    "forget",
    "history",
    "import_file",
    "listed",
    "marks_of",
    "renew",
    "reset",
    "resume",
    "show",
    "shown",
    "stale",
    "system",
    "undo",
    "versions",
]

ID = argument("id", metavar="ID", help="`%berlin conversations all` lists them")
OPTIONAL_ID = argument("id", metavar="ID", nargs="?", default="")
VERSIONS = (
    argument("number", metavar="N", type=number, nargs="?"),
    argument("action", metavar="show K|diff J K|use K", choices=["show", "diff", "use"], nargs="?"),
    argument("versions", metavar="K", type=number, nargs="*", help=argparse.SUPPRESS),
)

_EXCERPT = 300  # characters of a turn, as text
_HTML_EXCERPT = 1000  # characters of a reply, rendered
_ID = 8  # characters of a conversation's id that are shown


def listed(place: Place, when: Callable[[float], str]) -> str:
    """Return the versions of a place, a line each; `when` makes a text of a time."""
    lines = []
    for count, version in enumerate(place.versions, 1):
        mark = "*" if version is place.current else " "
        first = version.turns[0] if version.turns else None
        if first is None:
            lines.append(f"{mark} version {count}: a command")
            continue
        asked = when(first.begun) if first.begun is not None else ""
        about = ", ".join(part for part in (asked, clean(first.model, 40), first.finish) if part)
        lines.append(f"{mark} version {count} ({about}): {clean(first.prompt, 80)} → {clean(first.reply, 80)}")
    return "\n".join(lines)


def shown(version: Version) -> str:
    """Return what was asked and answered in a version, whole."""
    return "\n\n".join(
        f"you:\n{printable(turn.prompt)}\n\n{clean(turn.model, 40) or 'assistant'}:\n{printable(turn.reply)}"
        for turn in version.turns
    )


def compared(one: Version, other: Version, names: tuple[str, str]) -> str:
    """Return what differs, line by line: ``-`` is only in `one`, ``+`` only in `other`."""
    lines = difflib.unified_diff(
        shown(one).splitlines(), shown(other).splitlines(), names[0], names[1], n=1, lineterm=""
    )
    return "\n".join(lines) or "They are the same."


async def history(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Show the turns of the conversation, each cut to a readable length."""
    conversation = context.conversation
    outdated = conversation.stale()
    now_other = await changed_since(context.names, list(conversation))
    system = f"system: {clean(conversation.system, _EXCERPT)}" if conversation.system else ""
    turns = [
        (
            turn,
            marks_of(
                turn,
                len(conversation.place_of(turn).versions),
                stale=turn.id in outdated,
                changed=now_other.get(turn.id, ()),
            ),
        )
        for turn in conversation
    ]
    lines = [system] if system else []
    for count, (turn, marks) in enumerate(turns, 1):
        about = f" [{', '.join(marks)}]" if marks else ""
        name = clean(turn.model, 40) or "assistant"
        lines.append(f"{count:>3}  you: {clean(turn.prompt, _EXCERPT)}")
        lines.append(f"     {name}{about}: {clean(turn.reply, _EXCERPT) or '(nothing)'}")
    if not lines:
        return CommandOutput("Nothing has been asked yet.")
    rendered = await in_thread(lambda: [_turn_html(count, turn, marks) for count, (turn, marks) in enumerate(turns, 1)])
    return CommandOutput("\n".join(lines), "\n".join(filter(None, [paragraph(system), *rendered])))


def _turn_html(count: int, turn: Turn, marks: list[str]) -> str:
    """Return a turn as HTML: the question as text, the beginning of the reply as rendered Markdown."""
    from berlin_magic.display.markdown import to_html  # noqa: PLC0415 - a slow import

    quiet = 'style="opacity:.65;font-size:85%"'
    answerer = " · ".join([clean(turn.model, 40) or "assistant", *marks])
    question, reply = beginning(turn.prompt), beginning(turn.reply)
    rest = len(turn.reply) - len(reply)
    return (
        f'<div class="berlin-turn" style="margin:.8em 0"><div {quiet}>{count} · you</div>'
        f"{paragraph(printable(question) + ' …' * (question != turn.prompt))}"
        f"<div {quiet}>{text_to_html(answerer)}</div>{to_html(reply or '(nothing)')}"
        f"{paragraph(f'… {rest:,} more characters: `%berlin show {count}`') if rest else ''}</div>"
    )


def beginning(text: str) -> str:
    """Return the beginning of a text, cut between two words if it is long."""
    cut = text[:_HTML_EXCERPT]
    return text if cut == text else cut.rpartition(" ")[0] or cut


async def show(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Show the whole reply of a turn again, with its images, as it was shown when it arrived.

    The output has no record of the turn: a notebook that is read from its file holds the turn once.
    """
    turns = list(context.conversation)
    if not turns:
        return CommandOutput("Nothing has been asked yet.")
    turn = turns[_index(arguments.number or len(turns), turns)]
    return await in_thread(lambda: _shown_again(turn))


def _shown_again(turn: Turn) -> CommandOutput:
    from berlin_magic.display.static import Rendered, final_output  # noqa: PLC0415 - a slow import

    elapsed = turn.ended - turn.begun if turn.begun is not None and turn.ended is not None else 0.0
    status = Status(_STATES[turn.finish], turn.model, turn.provider, elapsed, turn.length, reasoning=turn.reasoning)
    data, _ = final_output(replace(Rendered.of(turn.reply), needs_html=True), status, {})
    markdown = {"text/markdown": data["text/markdown"]}
    images = tuple(image_outputs(turn.images))
    text = data["text/plain"] or ("(no text)" if images else "(nothing)")
    return CommandOutput(text, data["text/html"], more=markdown, others=images)


_STATES: dict[str, State] = {
    "running": "streaming",
    "complete": "complete",
    "stopped": "stopped",
    "cut": "cut",
    "failed": "failed",
}


def _index(number_: int, turns: list[Turn]) -> int:
    if number_ > len(turns):
        raise UsageError(f"There is no turn {number_}: `%berlin history` shows the numbers.")
    return number_ - 1


def marks_of(turn: Turn, count: int, *, stale: bool, changed: Sequence[str] = ()) -> list[str]:
    """Return what is remarkable about a turn of a place with `count` versions, in a few words each."""
    marks: list[str] = [] if turn.finish == "complete" else [turn.finish]
    if turn.given is not None:
        marks.append("imported")
    if count > 1:
        marks.append(f"{count} versions")
    if turn.left_out:
        marks.append(f"{quantity(turn.left_out, 'earlier turn')} left out")
    if stale:
        marks.append("answered on an older version")
    if changed:
        marks.append(has_changed(changed))
    return marks


async def stale(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """List the turns that have quoted data which is now another."""
    turns = list(context.conversation)
    found = await changed_since(context.names, turns)
    rows = [
        (str(count), has_changed(found[turn.id]), clean(turn.prompt, 100))
        for count, turn in enumerate(turns, 1)
        if turn.id in found
    ]
    if rows:
        return table(rows, after="Run their cells again to have them answered on the data as it is now.")
    quoted = sum(bool(turn.uses) for turn in turns)
    return CommandOutput(f"Nothing has changed of the data of {quantity(quoted, 'turn')}." if quoted else _NO_DATA)


_NO_DATA = "No turn quotes data of the notebook: `{{ name }}` in a question does."


def reset(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Begin a new conversation; the turns so far are kept where they are stored."""
    count = context.conversation.reset(cell=context.cell.id, run=context.cell.run)
    stays = "1 turn stays" if count == 1 else f"{count} turns stay"
    kept = f" {stays} stored; `%berlin forget` deletes what is stored." if count else ""
    return context.changed(f"The next question begins a new conversation: nothing before it is sent.{kept}")


def undo(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Take the last turns back."""
    gone = context.conversation.undo(arguments.number or 1, cell=context.cell.id, run=context.cell.run)
    if not gone:
        return context.changed("There is nothing to take back.")
    return context.changed(f"Took back {quantity(len(gone), 'turn')}: {_prompts(gone)}.")


def renew(context: CommandContext, _arguments: Namespace) -> CommandOutput:
    """Begin a new conversation on a server that keeps the context."""
    if context.conversation.context != "server":
        raise UsageError('%berlin renew is for BerlinMagics.context = "server": else the whole context is always sent.')
    context.conversation.renewed = True
    return CommandOutput(
        "The next question begins a new conversation on the server, with the history as it stands here."
    )


def drop(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Take one turn out."""
    try:
        gone = context.conversation.drop(arguments.number, cell=context.cell.id, run=context.cell.run)
    except ValueError as error:
        raise UsageError(f"Nothing was dropped: {error}. `%berlin history` shows the numbers.") from None
    return context.changed(f"Dropped {_prompts([gone])}.")


def versions(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """List the versions of the turns or of one turn, show or compare them, or put one in force."""
    conversation = context.conversation
    turns = list(conversation)
    if arguments.number is None:
        rows = [
            (str(count), quantity(len(conversation.place_of(turn).versions), "version"), clean(turn.prompt, 100))
            for count, turn in enumerate(turns, 1)
        ]
        return table(rows, after=_VERSIONS_USAGE) if rows else CommandOutput("Nothing has been asked yet.")
    place = conversation.place_of(turns[_index(arguments.number, turns)])
    chosen = [_version(place, count) for count in arguments.versions]
    match arguments.action, chosen:
        case None, []:
            return CommandOutput(listed(place, _when))
        case "show", [one]:
            return CommandOutput(shown(one))
        case "diff", [one, other]:
            first, second = arguments.versions
            return CommandOutput(compared(one, other, (f"version {first}", f"version {second}")))
        case "use", [one]:
            conversation.make_current(place, one)
            return CommandOutput(f"Version {arguments.versions[0]} is in force: {_prompts(place.current.turns)}.")
    raise UsageError(_VERSIONS_USAGE)


_VERSIONS_USAGE = (
    "`%berlin versions N [show K | diff J K | use K]`: N is a turn of `%berlin history`, J and K are versions of it."
)


def _version(place: Place, count: int) -> Version:
    if count > len(place.versions):
        raise UsageError(f"There is no version {count}: there are {len(place.versions)}.")
    return place.versions[count - 1]


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
        told = Conversation.load(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was imported from {clean(str(path))}: {clean(str(error))}.") from None
    turns = context.conversation.add_turns(told, cell=context.cell.id, run=context.cell.run)
    return context.changed(f"Took in {quantity(len(turns), 'turn')} from {clean(str(path))}.")


def forget(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """Delete a conversation in memory and in the store."""
    notebook = context.notebook
    path = notebook.store.path if notebook.store is not None else None
    where = f" and from {path}" if path is not None else ""
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
        f"Deleted the conversation from memory{where}. Answers in the notebook stay until you clear its outputs."
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
            _when(entry.changed),
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
    here, store = context.conversation, context.notebook.store
    conversation = Conversation()
    conversation.read((store.record(entry.id) if store is not None else None) or {})
    if any(here.find(turn.id) is not None for turn in conversation.every_turn()):
        raise UsageError("That is a conversation of this notebook already: `%berlin history` shows it.")
    turns = here.add_turns(conversation, cell=context.cell.id, run=context.cell.run)
    return context.changed(f"Took in {quantity(len(turns), 'turn')} of {_when(entry.changed)}.")


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


def _prompts(turns: list[Turn]) -> str:
    return "; ".join(f"“{clean(turn.prompt, 60)}”" for turn in turns)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
