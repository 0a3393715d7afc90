"""The notebook file: its conversations in cells, outputs and their metadata.

Our outputs have metadata under ``berlin``: all that is not in the prompt or the reply (see `output_record`).
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
from berlin_magic.conversations.deserialization import checked_id, id_or_none
from berlin_magic.conversations.serialization import Record, event_record, turn_record
from berlin_magic.conversations.storage import visible_text
from berlin_magic.conversations.storage.cell_source import digest, questions_in
from berlin_magic.conversations.storage.visible_cell import VisibleCell, joined_lines
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns

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
    """A cell of the file: its id, if it lasts; the digest of its source; the ids of the turns in its outputs."""

    id: str
    source: str
    turns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the metadata of an output: a turn, or the effect of a command.

    Attributes
    ----------
    conversation : str
        The name of its conversation.
    once : bool
        Whether it was asked outside of any conversation.
    cell, number : str and int
        The id of its cell, if that lasts, and which one in the file it is.
    record : dict
        The event's record, as it is in the metadata.
    visible : dict or None
        The part of it that a reader of the notebook sees; None if there is no such part.
    reason : str
        The reason if there is no such part.
    """

    conversation: str
    once: bool
    cell: str
    number: int
    record: Record
    visible: Record | None
    reason: str = ""

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.record["id"])

    @property
    def digest(self) -> str:
        """The digest by which the user's trust in it is stored."""
        if self.once:
            return once_digest(self.id, self.record.get("request"), reply_of(self.record))
        text = json.dumps([self.conversation, self.record], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class NotebookFile:
    """The content of a notebook file.

    Attributes
    ----------
    notebooks : list of str
        The ids of the notebooks that its outputs name; the first one first.
    lasting : bool
        Whether its cells have ids that last. Those of nbformat 4.4 and older have none.
    cells : list of FileCell
        Its cells, in order.
    entries : list of Entry
        The events that its outputs record, in order.
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

    def record(self, name: str = "") -> Record:
        """Return all of a conversation, as `Turns.read` takes it: for a file that the user has named."""
        chosen = [entry for entry in self.entries if entry.conversation == name and not entry.once]
        return record_of((entry, entry.record) for entry in chosen)

    def record_once(self) -> Record:
        """Return what was asked outside of any conversation; it can only be replayed."""
        return record_of((entry, entry.record) for entry in self.entries if entry.once)


def once_digest(id_: str, request: object, reply: str) -> str:
    """Return the digest of a question outside of any conversation, with its reply."""
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
        ``format``, ``notebook``, ``conversation``, ``turn``, ``parent`` (and ``chain``, if it is not the
        parent's), ``versions``, ``model``, ``provider``, ``options``, ``system``, ``left_out``, ``usage``, ``begun``,
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
        **_head(notebook, conversation),
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
        **_head(notebook, conversation),
        "events": [event_record(place, version, event, turns.find) for event in version.events],
    }


def _head(notebook: str, conversation: str) -> Record:
    """Return what all our metadata begins with; empty texts are left out."""
    head = {"format": FORMAT, "notebook": notebook, "conversation": conversation}
    return {name: value for name, value in head.items() if value}


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
    source = joined_lines(cell.get("source"))
    asked: list[str] = []
    visible_cell = VisibleCell(cell, source)
    for data, metadata in _ours(cell):
        try:
            conversation = metadata.get("conversation", "")
            name = checked_id(conversation) if conversation else ""
            events = _events(metadata, data, visible_cell.questions)
            for event in events:
                visible, reason = visible_cell.visible(event, data)
                found.entries.append(Entry(name, metadata.get("once") is True, id_, number, event, visible, reason))
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
            yield {kind: joined_lines(form) if isinstance(form, list) else form for kind, form in forms.items()}, ours


def _events(metadata: Mapping[str, Any], data: Mapping[str, Any], questions: Sequence[str]) -> list[Record]:
    """Return the records of the events in an output."""
    if type(metadata.get("format")) is not int or not 1 <= metadata["format"] <= FORMAT:
        raise ValueError(f"its format is {metadata.get('format')!r:.20}")
    if "events" in metadata:
        events = [{**event, "id": checked_id(event.get("id"))} for event in metadata["events"]]
        for event, name in product(events, _NEVER):
            event.pop(name, None)
        if not events:
            raise ValueError("it records no event")
        return events
    reply = joined_lines(data.get("text/plain"))
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


_NEVER = ("wanted", "server", "from_file", "check")
"""What is never taken from a file, even a trusted one: who is asked, the id of the context on a server, and that code
has passed a check."""


def _has_image(outline: object) -> bool:
    return isinstance(outline, list) and any(isinstance(one, dict) and one.get("type") == "image" for one in outline)


def _outline(part: Record) -> Record:
    return {"type": part["type"], **({"length": len(part["text"])} if part["type"] == "text" else {})}


def _texts(outline: object, reply: str) -> list[Record]:
    """Return the text parts of a reply, divided as its outline says, if that fits the text."""
    entries = outline if isinstance(outline, list) else []
    given = [entry.get("length") for entry in entries if isinstance(entry, dict) and entry.get("type") == "text"]
    lengths = [length for length in given if type(length) is int and length > 0]
    if sum(lengths) != len(reply):
        lengths = [len(reply)]
    ends = list(accumulate(lengths, initial=0))
    return [{"type": "text", "text": reply[start:end]} for start, end in pairwise(ends) if end > start]
