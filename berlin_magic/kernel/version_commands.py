"""The command `%berlin versions`: list, compare and choose the versions of a turn."""

from __future__ import annotations

import argparse
import difflib
from argparse import Namespace
from collections.abc import Callable

from IPython.core.error import UsageError

from berlin_magic.conversations.cells import Place, Version
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.arguments import argument, number
from berlin_magic.kernel.command import CommandContext
from berlin_magic.kernel.command_output import CommandOutput, date_and_time, quantity, table
from berlin_magic.kernel.history_commands import prompts_of, turn_index

__all__ = ["ARGUMENTS", "compared", "listed", "shown", "versions"]

ARGUMENTS = (
    argument("number", metavar="N", type=number, nargs="?"),
    argument("action", metavar="show K|diff J K|use K", choices=["show", "diff", "use"], nargs="?"),
    argument("versions", metavar="K", type=number, nargs="*", help=argparse.SUPPRESS),
)


def versions(context: CommandContext, arguments: Namespace) -> CommandOutput:
    """List the versions of the turns or of one turn, show or compare them, or make one current."""
    conversation = context.conversation
    turns = list(conversation)
    if arguments.number is None:
        rows = [
            (str(count), quantity(len(conversation.place_of(turn).versions), "version"), clean(turn.prompt, 100))
            for count, turn in enumerate(turns, 1)
        ]
        return table(rows, after=_VERSIONS_USAGE) if rows else CommandOutput("Nothing has been asked yet.")
    place = conversation.place_of(turns[turn_index(arguments.number, turns)])
    chosen = [_version(place, count) for count in arguments.versions]
    match arguments.action, chosen:
        case None, []:
            return CommandOutput(listed(place, date_and_time))
        case "show", [one]:
            return CommandOutput(shown(one))
        case "diff", [one, other]:
            first, second = arguments.versions
            return CommandOutput(compared(one, other, (f"version {first}", f"version {second}")))
        case "use", [one]:
            conversation.make_current(place, one)
            return CommandOutput(f"Version {arguments.versions[0]} is in force: {prompts_of(place.current.turns)}.")
    raise UsageError(_VERSIONS_USAGE)


_VERSIONS_USAGE = (
    "`%berlin versions N [show K | diff J K | use K]`: N is a turn of `%berlin history`, J and K are versions of it."
)


def _version(place: Place, count: int) -> Version:
    if count > len(place.versions):
        raise UsageError(f"There is no version {count}: there are {len(place.versions)}.")
    return place.versions[count - 1]


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
    """Return the whole questions and replies of a version."""
    return "\n\n".join(
        f"you:\n{printable(turn.prompt)}\n\n{clean(turn.model, 40) or 'assistant'}:\n{printable(turn.reply)}"
        for turn in version.turns
    )


def compared(one: Version, other: Version, names: tuple[str, str]) -> str:
    """Return the differences line by line: ``-`` is only in `one`, ``+`` only in `other`."""
    lines = difflib.unified_diff(
        shown(one).splitlines(), shown(other).splitlines(), names[0], names[1], n=1, lineterm=""
    )
    return "\n".join(lines) or "They are the same."
