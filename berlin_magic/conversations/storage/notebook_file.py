"""The notebook file: what it holds of its conversations, in its cells, outputs and their metadata.

An output of ours has metadata under ``berlin``. What prompt and reply alone don't tell is there: see `output_record`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, product
from pathlib import Path
from typing import Any

from berlin_magic.conversations.cells import Event, Place, Removal, Version
from berlin_magic.conversations.command_questions import command_question
from berlin_magic.conversations.serialization import Record, checked_id, event_record, id_or_none, turn_record
from berlin_magic.conversations.storage import visible_text
from berlin_magic.conversations.storage.cell_source import commands_in, digest, option_in, questions_in
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import GO_ON, Turns

__all__ = [
    "FORMAT",
    "Entry",
    "FileCell",
    "NotebookFile",
    "command_record",
    "once_digest",
    "output_record",
    "read",
    "record_of",
    "reply_of",
]

FORMAT = 2
"""The version of the metadata; readers leave a higher one alone, with a warning. Version 1 had no ``parts``."""


_WITH_IDS = 5  # the first minor version of nbformat 4 whose cells have ids


@dataclass(frozen=True, slots=True)
class FileCell:
    """A cell of the file: its id, if it lasts; the digest of its source; the ids of the turns that it tells of."""

    id: str
    source: str
    turns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that an output tells: a turn, or what a command did.

    Attributes
    ----------
    conversation : str
        The name of its conversation.
    once : bool
        Whether it was asked outside of any conversation.
    cell, number : str and int
        The id of its cell, if that lasts, and which one in the file it is.
    told : dict
        The event's record, as the metadata tells it.
    shown : dict or None
        The same, of nothing but what a reader of the notebook sees; None if it shows nothing of the kind.
    why : str
        Why that is so.
    """

    conversation: str
    once: bool
    cell: str
    number: int
    told: Record
    shown: Record | None
    why: str = ""

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.told["id"])

    @property
    def digest(self) -> str:
        """What tells it from everything else, by which a user's trust in it is remembered."""
        if self.once:
            return once_digest(self.id, self.told.get("request"), reply_of(self.told))
        text = json.dumps([self.conversation, self.told], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class NotebookFile:
    """What a file tells.

    Attributes
    ----------
    notebooks : list of str
        The ids of the notebooks that its outputs name; the first one first.
    lasting : bool
        Whether its cells have ids that last. Those of nbformat 4.4 and older have none.
    cells : list of FileCell
        Its cells, in order.
    entries : list of Entry
        What its outputs tell, in order.
    problems : list of str
        What could not be read, and was left out.
    """

    notebooks: list[str] = field(default_factory=list)
    lasting: bool = True
    cells: list[FileCell] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names of its conversations."""
        return {entry.conversation for entry in self.entries}

    def told(self, name: str = "") -> Record:
        """Return all that it tells of a conversation, as `Turns.read` takes it: for a file that the user has named."""
        chosen = [entry for entry in self.entries if entry.conversation == name and not entry.once]
        return record_of((entry, entry.told) for entry in chosen)

    def told_once(self) -> Record:
        """Return what was asked outside of any conversation: only good to be replayed."""
        return record_of((entry, entry.told) for entry in self.entries if entry.once)


def once_digest(id_: str, request: object, reply: str) -> str:
    """Return what tells a question outside of any conversation, and its reply, from all others."""
    text = json.dumps(["once", id_, request, visible_text.letters(reply)])
    return hashlib.sha256(text.encode()).hexdigest()


def reply_of(record: Record) -> str:
    """Return the text of the reply in a turn's record."""
    parts = record.get("parts") or ()
    return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


def record_of(events: Iterable[tuple[Entry, Record]]) -> Record:
    """Return the record of a conversation in which these events stand where their entries say."""
    places: dict[str, Record] = {}
    found: dict[str, Record] = {}
    counts: dict[str, int] = {}
    for entry, event in events:
        if entry.id in found:
            continue
        key = f"{entry.conversation}/{entry.cell or entry.id}"
        places.setdefault(key, {"key": key, "cell": entry.cell or None, "number": entry.number})
        position = counts[key] = counts.get(key, -1) + 1
        where = {"place": key, "version": key, "number": 0, "position": position}
        found[entry.id] = {**event, "id": entry.id, **where}
    return {"places": list(places.values()), "events": list(found.values())}


def output_record(
    turns: Turns, turn: Turn, *, notebook: str = "", conversation: str = "", source: str = "", once: bool = False
) -> Record:
    """Return what goes into the metadata of the output of `turn`.

    Parameters
    ----------
    turns : Turns
        Its conversation.
    turn : Turn
        It has ended.
    notebook, conversation : str
        The notebook's id, and the conversation's name there.
    once : bool
        Whether it was asked outside of any conversation.
    source : str
        The text of the cell. If that is not the question itself, the question is put into the metadata.

    Returns
    -------
    dict
        ``format``, ``notebook``, ``conversation``, ``turn``, ``parent`` (and ``chain``, if the parent's does not
        tell it), ``versions``, ``model``, ``provider``, ``options``, ``system``, ``left_out``, ``usage``, ``begun``,
        ``ended`` (seconds since the epoch), ``finish``, ``request`` (the digest of the whole request), ``prompt`` or
        its digest ``asked``; ``struck`` (what the same cell took out of the conversation just before), ``once``;
        ``parts``, if the reply is more than one text: their types, with the length of each text. The text is that of
        the output; what else was in the parts is in the database alone.
    """
    record = turn_record(turn, turns.find)
    prompt = record.pop("prompt")
    parts = record.pop("parts", [])
    record.pop("question", None)  # what was put into the prompt is the user's own, and stays in the database
    if [part["type"] for part in parts] not in ([], ["text"]):
        record["parts"] = [_outline(part) for part in parts]
    if once:
        record["once"] = True
    elif turns.find(turn.id) is not None:
        place = turns.place_of(turn)
        record["versions"] = len(place.versions)
        version = next(version for version in place.versions if turn in version.events)
        before = version.events[: version.events.index(turn)]
        struck = [event_record(place, version, event, turns.find) for event in before if isinstance(event, Removal)]
        if struck:
            record["struck"] = struck
    if prompt in questions_in(source):
        record["asked"] = digest(prompt)
    else:
        record["prompt"] = prompt
    return {
        "format": FORMAT,
        **({"notebook": notebook} if notebook else {}),
        **({"conversation": conversation} if conversation else {}),
        "turn": turn.id,
        "usage": {"characters": turn.length},
        "model": turn.model,
        "provider": turn.provider,
        **record,
    }


def command_record(turns: Turns, events: Iterable[Event], *, notebook: str = "", conversation: str = "") -> Record:
    """Return what goes into the metadata of the output of a command that has changed the conversation."""
    place = Place(None, [version := Version(None, list(events))], version)
    return {
        "format": FORMAT,
        **({"notebook": notebook} if notebook else {}),
        **({"conversation": conversation} if conversation else {}),
        "events": [event_record(place, version, event, turns.find) for event in version.events],
    }


def read(path: Path) -> NotebookFile:
    """Read a notebook file.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If it is not a notebook.
    """
    try:
        content = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ValueError("it holds no cells")
    cells = [cell if isinstance(cell, dict) else {} for cell in content["cells"]]
    minor = content.get("nbformat_minor")
    lasting = minor >= _WITH_IDS if isinstance(minor, int) else any("id" in cell for cell in cells)
    found = NotebookFile(lasting=lasting)
    for number, cell in enumerate(cells):
        _read_cell(found, cell, number)
    found.notebooks = list(dict.fromkeys(found.notebooks))
    return found


def _read_cell(found: NotebookFile, cell: Mapping[str, Any], number: int) -> None:
    id_ = (found.lasting and id_or_none(cell.get("id"))) or ""
    source = _text(cell.get("source"))
    asked: list[str] = []
    seen = _Seen(source, _is_shown(cell))
    for data, metadata in _ours(cell):
        try:
            conversation = metadata.get("conversation", "")
            name = checked_id(conversation) if conversation else ""
            events = _events(metadata, data, seen.questions)
            for event in events:
                shown, why = seen.shown(event, data)
                found.entries.append(Entry(name, metadata.get("once") is True, id_, number, event, shown, why))
            if notebook := id_or_none(metadata.get("notebook")):
                found.notebooks.append(notebook)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            found.problems.append(f"an output of cell {number + 1} is left out: {error}")
            continue
        asked += [event["id"] for event in events if event.get("kind") == "turn"]
    found.cells.append(FileCell(id_, digest(source), tuple(asked)))


def _ours(cell: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the data and the metadata of each output of ours; of the data, texts as texts."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        metadata = output.get("metadata") if isinstance(output, dict) else None
        ours = metadata.get("berlin") if isinstance(metadata, dict) else None
        if isinstance(ours, dict):
            data = output.get("data")
            forms = data if isinstance(data, dict) else {}
            yield {kind: _text(form) if isinstance(form, list) else form for kind, form in forms.items()}, ours


def _events(metadata: Mapping[str, Any], data: Mapping[str, Any], questions: Sequence[str]) -> list[Record]:
    """Return the records of what an output tells."""
    if type(metadata.get("format")) is not int or not 1 <= metadata["format"] <= FORMAT:
        raise ValueError(f"its format is {metadata.get('format')!r:.20}")
    if "events" in metadata:
        events = [{**event, "id": checked_id(event.get("id"))} for event in metadata["events"]]
        for event, name in product(events, _NEVER):
            event.pop(name, None)
        if not events:
            raise ValueError("it tells of nothing")
        return events
    reply = _text(data.get("text/plain"))
    event = {**metadata, "id": checked_id(metadata.get("turn")), "kind": "turn"}
    event["parts"] = _texts(metadata.get("parts"), reply)
    if _has_image(metadata.get("parts")):
        event.pop("request", None)  # the images are in the database alone: the text without them is no reply to replay
    for name in _NEVER:
        event.pop(name, None)
    if "prompt" not in metadata:
        asked = [question for question in questions if digest(question) == metadata.get("asked")]
        event["prompt"] = next(iter(asked or questions), "")
        event["edited"] = not asked
    struck = metadata.get("struck")
    before = [{**one, "id": checked_id(one.get("id"))} for one in struck] if isinstance(struck, list) else []
    return [*before, event]


class _Seen:
    """What a reader sees of a cell: its question, and the commands in it."""

    def __init__(self, source: str, is_shown: bool) -> None:
        self._commands = commands_in(source)
        asked = [GO_ON if word == "continue" else command_question(word, text) for word, text in self._commands]
        self.questions = [question for question in asked if question][:1] or questions_in(source)
        self._system = option_in(source, "--system")
        self._new = option_in(source, "--new") is not None
        self._is_shown = is_shown
        self._turns = 0

    def shown(self, event: Record, data: Mapping[str, Any]) -> tuple[Record | None, str]:
        """Return of an event what is seen of it, or None and why."""
        if not self._is_shown:
            return None, "the cell is folded"
        match event.get("kind"):
            case "turn":
                return self._turn(event, data)
            case "system":
                texts = [argument for word, argument in self._commands if word == "system"]
                if not texts:
                    return None, "a system prompt that is not in the cell"
                text = "" if texts[-1] in {"''", '""', "--clear"} else texts[-1].strip("\"'")
                return {**_only(event, "id", "kind"), "text": text, "from_file": "unsaid"}, ""
            case "reset" | "undo" | "drop" as kind:
                if any(word == kind for word, _ in self._commands) or (kind == "reset" and self._new):
                    return _only(event, "id", "kind", "turns"), ""
        return None, "a command that is not in the cell"

    def _turn(self, event: Record, data: Mapping[str, Any]) -> tuple[Record | None, str]:
        if not self.questions or "given" in event:
            return None, "a question that is not in the cell"
        self._turns += 1
        if self._turns > 1:
            return None, "a second answer to the question of a cell"
        if not visible_text.agrees(data):
            return None, "an answer that is not the one which is shown"
        if any(map(visible_text.hides_characters, self.questions)):
            return None, "a question with characters that are not shown"
        question = event["prompt"] if event["prompt"] in self.questions else self.questions[0]
        edited = event.get("edited") is True or event["prompt"] != question
        reply = _text(data.get("text/plain"))
        seen = {**_only(event, *_SEEN), "prompt": question, "edited": edited, "from_file": "unsaid"}
        seen["values"] = _codes(event.get("values"), question)
        if self._system is not None and self._system == event.get("system"):
            seen["system"] = self._system
        return {**seen, "parts": [{"type": "text", "text": reply}] if reply else []}, ""


def _codes(values: object, prompt: str) -> list[Record]:
    """Return the expressions of a prompt that an output names, if the prompt shows them; nothing of their values."""
    entries = values if isinstance(values, list) else []
    codes = [entry.get("code") for entry in entries if isinstance(entry, dict)]
    return [{"code": code} for code in codes if isinstance(code, str) and code and "{{" in prompt and code in prompt]


_NEVER = ("wanted", "server", "from_file")
"""What a file never says, whoever vouches for it: who is asked, and under which id a server keeps the context."""


# What an output may tell of a turn that its reader does not see, as it goes nowhere: marks of the history, and names.
# Not `request`, `options`: a file does not choose how something is asked, nor what is replayed.
_SEEN = (
    *("id", "kind", "finish", "model", "provider", "parent", "chain", "left_out", "stale_before", "reason"),
    *("prompt_tokens", "completion_tokens", "begun", "ended"),
)


def _only(event: Mapping[str, Any], *names: str) -> Record:
    return {name: event[name] for name in names if name in event}


def _is_shown(cell: Mapping[str, Any]) -> bool:
    """Say whether a front end shows the cell's source and outputs, and not a bar in place of them."""
    metadata = cell.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    jupyter, tags = metadata.get("jupyter"), metadata.get("tags")
    folded = [metadata.get(name) for name in ("collapsed", "hidden", "inputHidden")]
    if isinstance(jupyter, dict):
        folded += [jupyter.get("source_hidden"), jupyter.get("outputs_hidden")]
    folded += ["hide" in str(tag) for tag in (tags if isinstance(tags, list) else [])]
    return cell.get("cell_type", "code") == "code" and not any(folded)


def _has_image(outline: object) -> bool:
    return isinstance(outline, list) and any(isinstance(one, dict) and one.get("type") == "image" for one in outline)


def _outline(part: Record) -> Record:
    return {"type": part["type"], **({"length": len(part["text"])} if part["type"] == "text" else {})}


def _texts(outline: object, reply: str) -> list[Record]:
    """Return the text parts of a reply, divided as its outline says, if that fits the text."""
    entries = outline if isinstance(outline, list) else []
    told = [entry.get("length") for entry in entries if isinstance(entry, dict) and entry.get("type") == "text"]
    lengths = [length for length in told if type(length) is int and length > 0]
    if sum(lengths) != len(reply):
        lengths = [len(reply)]
    ends = list(accumulate(lengths, initial=0))
    return [{"type": "text", "text": reply[start:end]} for start, end in pairwise(ends) if end > start]


def _text(value: object) -> str:
    """Return a text that a notebook may hold as a list of lines."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
