"""The words after `%berlin` that are about a conversation; each returns what to tell."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from berlin_magic.conversations.cells import Place, Version
from berlin_magic.conversations.conversation import Conversation
from berlin_magic.conversations.storage.database import Entry
from berlin_magic.conversations.storage.notebook_file import command_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.errors import clean, printable
from berlin_magic.kernel.arguments import words
from berlin_magic.kernel.cell import Cell
from berlin_magic.kernel.notebook import Notebook

__all__ = ["COMMANDS", "Here", "Told", "compared", "count_of", "listed", "shown"]


def listed(place: Place, when: Callable[[float], str]) -> str:
    """Return the versions of a place, a line each; `when` makes a text of a time."""
    lines = []
    for number, version in enumerate(place.versions, 1):
        mark = "*" if version is place.current else " "
        first = version.turns[0] if version.turns else None
        if first is None:
            lines.append(f"{mark} version {number}: a command")
            continue
        asked = when(first.begun) if first.begun is not None else ""
        about = ", ".join(part for part in (asked, clean(first.model, 40), first.finish) if part)
        lines.append(f"{mark} version {number} ({about}): {clean(first.prompt, 80)} → {clean(first.reply, 80)}")
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


_SHOWN_OF_A_TURN = 300


@dataclass(frozen=True, slots=True)
class Told:
    """What a command tells: text to print, and a record for the output's metadata where it changed a conversation."""

    text: str
    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Here:
    """Where a command is given: in which conversation of which notebook, in which cell."""

    notebook: Notebook
    name: str
    cell: Cell

    @property
    def talk(self) -> Conversation:
        """The conversation."""
        return self.notebook.conversation(self.name)

    def changed(self, text: str) -> Told:
        """Return `text`, with what this run of the cell has done to the conversation."""
        self.notebook.at(self.cell, self.talk)
        if self.talk.context == "server":
            text += "\nThe server still has what it was sent: `%berlin renew` begins a new conversation there."
        place = self.talk.places[-1] if self.cell.id is None else self._place()
        if place is None:
            return Told(text)
        events = place.current.events
        record = command_record(self.talk, events, notebook=self.notebook.id, conversation=self.name)
        return Told(text, record)

    def _place(self) -> Place | None:
        return next((place for place in self.talk.places if place.cell == self.cell.id), None)


def _history(here: Here, _argument: str) -> Told:
    talk = here.talk
    stale = talk.stale()
    lines = [f"system: {clean(talk.system, _SHOWN_OF_A_TURN)}"] if talk.system else []
    for number, turn in enumerate(talk, 1):
        lines.append(f"{number:>3}  you: {clean(turn.prompt, _SHOWN_OF_A_TURN)}")
        marks = [
            *_marks(turn, len(talk.place_of(turn).versions)),
            *(["answered on an older version"] * (turn.id in stale)),
        ]
        about = f" [{', '.join(marks)}]" if marks else ""
        name = clean(turn.model, 40) or "assistant"
        lines.append(f"     {name}{about}: {clean(turn.reply, _SHOWN_OF_A_TURN) or '(nothing)'}")
    return Told("\n".join(lines) or "Nothing has been asked yet.")


def _marks(turn: Turn, count: int) -> list[str]:
    marks: list[str] = [] if turn.finish == "complete" else [turn.finish]
    if turn.given is not None:
        marks.append("imported")
    if count > 1:
        marks.append(f"{count} versions")
    if turn.left_out:
        marks.append(f"{count_of(turn.left_out, 'earlier turn')} left out")
    return marks


def _reset(here: Here, _argument: str) -> Told:
    count = here.talk.reset(cell=here.cell.id, run=here.cell.run)
    return here.changed(f"Forgot {count_of(count, 'turn')}: the next question begins a new conversation.")


def _undo(here: Here, argument: str) -> Told:
    count = _number(argument or "1", "%berlin undo [N]")
    gone = here.talk.undo(count, cell=here.cell.id, run=here.cell.run)
    if not gone:
        return here.changed("There is nothing to take back.")
    return here.changed(f"Took back {count_of(len(gone), 'turn')}: {_names(gone)}.")


def _renew(here: Here, _argument: str) -> Told:
    if here.talk.context != "server":
        raise UsageError('%berlin renew is for BerlinMagics.context = "server": else the whole context is always sent.')
    here.talk.renewed = True
    return Told("The next question begins a new conversation on the server, with the history as it stands here.")


def _drop(here: Here, argument: str) -> Told:
    try:
        gone = here.talk.drop(_number(argument, "%berlin drop N"), cell=here.cell.id, run=here.cell.run)
    except ValueError as error:
        raise UsageError(f"Nothing was dropped: {error}. `%berlin history` shows the numbers.") from None
    return here.changed(f"Dropped {_names([gone])}.")


def _versions(here: Here, argument: str) -> Told:
    talk = here.talk
    given = words(argument)
    turns = list(talk)
    if not given:
        lines = [
            f"{number:>3}  {count_of(len(talk.place_of(turn).versions), 'version')}: {clean(turn.prompt, 100)}"
            for number, turn in enumerate(turns, 1)
        ]
        return Told("\n".join([*lines, _VERSIONS]) if lines else "Nothing has been asked yet.")
    number = _number(given[0], _VERSIONS)
    if not 1 <= number <= len(turns):
        raise UsageError(f"There is no turn {number}: `%berlin history` shows the numbers.")
    place = talk.place_of(turns[number - 1])
    match given[1:]:
        case []:
            return Told(listed(place, _when))
        case ["show", one]:
            return Told(shown(_version(place, one)))
        case ["diff", one, other]:
            names = f"version {one}", f"version {other}"
            return Told(compared(_version(place, one), _version(place, other), names))
        case ["use", one]:
            talk.make_current(place, _version(place, one))
            return Told(f"Version {one} is in force: {_names(place.current.turns)}.")
    raise UsageError(_VERSIONS)


_VERSIONS = "%berlin versions [N [show K | diff J K | use K]]: N is a turn of `%berlin history`, J and K are versions."


def _version(place: Place, text: str) -> Version:
    number = _number(text, _VERSIONS)
    if not 1 <= number <= len(place.versions):
        raise UsageError(f"There is no version {number}: there are {len(place.versions)}.")
    return place.versions[number - 1]


def _export(here: Here, argument: str) -> Told:
    path = _path(argument, "%berlin export FILE")
    try:
        here.talk.export(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was exported to {clean(str(path))}: {clean(str(error))}.") from None
    return Told(f"Wrote {count_of(len(here.talk), 'turn')} to {clean(str(path))}.")


def _import(here: Here, argument: str) -> Told:
    path = _path(argument, "%berlin import FILE")
    if path.suffix not in {".json", ".jsonl", ".ipynb"}:
        raise UsageError("%berlin import FILE takes .json, .jsonl or .ipynb.")
    try:
        messages = Conversation.load(path).messages
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was imported from {clean(str(path))}: {clean(str(error))}.") from None
    turns = here.talk.add_messages(messages, cell=here.cell.id, run=here.cell.run)
    return here.changed(f"Took in {count_of(len(turns), 'turn')} from {clean(str(path))}.")


def _forget(here: Here, argument: str) -> Told:
    path = here.notebook.store.path if here.notebook.store is not None else None
    where = f" and from {path}" if path is not None else ""
    if argument:
        entry = _entry(here, argument)
        store = here.notebook.store
        record = store.record(entry.id) if store is not None else None
        turns = [str(event.get("id")) for event in record["events"]] if record is not None else []
        if entry.id not in here.notebook.open_ids():
            if store is None or not store.forget(entry.id, turns):
                raise UsageError(f"{path} could not be written to: the conversation is still there.")
            return Told(f"Deleted conversation {entry.id[:_ID]} from {path}.")
        raise UsageError("That is a conversation of this notebook: `%berlin forget`, or `%berlin -c NAME forget`.")
    if not here.notebook.forget(here.name):
        raise UsageError(
            f"The conversation is gone from memory, but {path} could not be written to: it is still there."
        )
    return Told(
        f"Deleted the conversation from memory{where}. Answers in the notebook stay until you clear its outputs."
    )


def _conversations(here: Here, argument: str) -> Told:
    if argument == "all":
        return _all_conversations(here)
    if argument:
        raise UsageError("%berlin conversations lists those of this notebook, `%berlin conversations all` all of them.")
    lines = []
    for name in here.notebook.names():
        talk = here.notebook.conversation(name)
        mark = "*" if name == here.name else " "
        lines.append(f"{mark} {clean(name, 60) or '(the usual one)'}: {count_of(len(talk), 'turn')}")
    return Told("\n".join([*lines, "`%%berlin -c NAME` asks in one of them, or in a new one."]))


_ID = 8  # characters of a conversation's id that are shown


def _all_conversations(here: Here) -> Told:
    entries = here.notebook.store.every_conversation() if here.notebook.store is not None else []
    lines = [
        f"{entry.id[:_ID]}  {_when(entry.changed)}  {entry.size:>4}  {clean(entry.path, 100) or '(no file)'}"
        + (f" -c {clean(entry.name, 40)}" if entry.name else "")
        for entry in entries
    ]
    told = "`%berlin resume ID` adds one of them to this conversation, `%berlin forget ID` deletes it."
    return Told("\n".join([*lines, told]) if lines else "No conversation is stored.")


def _resume(here: Here, argument: str) -> Told:
    entry = _entry(here, argument)
    talk = Conversation()
    talk.read((here.notebook.store.record(entry.id) if here.notebook.store is not None else None) or {})
    if any(here.talk.find(turn.id) is not None for turn in talk.every_turn()):
        raise UsageError("That is a conversation of this notebook already: `%berlin history` shows it.")
    turns = here.talk.add_messages(talk.messages, cell=here.cell.id, run=here.cell.run)
    return here.changed(f"Took in {count_of(len(turns), 'turn')} of {_when(entry.changed)}.")


def _entry(here: Here, argument: str) -> Entry:
    entries = here.notebook.store.every_conversation() if here.notebook.store is not None else []
    found = [entry for entry in entries if argument and entry.id.startswith(argument)]
    if len(found) != 1:
        how = "There are several" if found else "There is no stored conversation"
        raise UsageError(f"{how} with the id {clean(argument, 40)!r}: `%berlin conversations all` lists them.")
    return found[0]


def _system(here: Here, argument: str) -> Told:
    talk = here.talk
    if not argument:
        text = printable(talk.system)
        return Told(f"system: {text}" if text else "There is no system prompt. `%berlin system TEXT` sets one.")
    text = "" if argument in {"''", '""', "--clear"} else argument.strip("\"'")
    talk.set_system(text, cell=here.cell.id, run=here.cell.run)
    return here.changed("The system prompt is set, from here on." if text else "The system prompt is cleared.")


def _names(turns: list[Turn]) -> str:
    return "; ".join(f"“{clean(turn.prompt, 60)}”" for turn in turns)


def _number(text: str, usage: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{usage} takes a number from 1 on, not {clean(text, 40)!r}.")
    return int(text)


def _path(argument: str, usage: str) -> Path:
    match words(argument):
        case [one]:
            return Path(one).expanduser()
    raise UsageError(f"{usage}: which file?")


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


COMMANDS: Mapping[str, Callable[[Here, str], Told]] = {
    "history": _history,
    "undo": _undo,
    "drop": _drop,
    "reset": _reset,
    "versions": _versions,
    "export": _export,
    "import": _import,
    "forget": _forget,
    "conversations": _conversations,
    "system": _system,
    "renew": _renew,
    "resume": _resume,
}
"""Each is given where it is said, and what follows it."""
