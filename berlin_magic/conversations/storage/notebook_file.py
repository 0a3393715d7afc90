"""The notebook file: what it holds of its conversations, in its cells, outputs and their metadata.

An output of ours has metadata under ``berlin``. What prompt and reply alone don't tell is there: see `output_record`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from berlin_magic.conversations.cells import Event, Place, Strike, Version
from berlin_magic.conversations.serialization import Record, event_record, turn_record
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns

__all__ = ["FORMAT", "NotebookFile", "command_record", "output_record", "read"]

FORMAT = 2
"""The version of the metadata; readers leave a higher one alone, with a warning. Version 1 had no ``parts``."""


@dataclass
class NotebookFile:
    """What a file tells.

    Attributes
    ----------
    notebook : str
        The notebook's own id; empty where no output of ours is in it.
    cells : list of str
        The ids of its cells, in order.
    asked : list of tuple
        For each cell in order, its id and the ids of what was asked there.
    records : dict
        The conversations by their names, each as `Turns.read` takes it.
    apart : dict
        What was asked outside of any conversation, as a record of its own: only good to be replayed.
    problems : list of str
        What could not be read, and was left out.
    """

    notebook: str = ""
    cells: list[str] = field(default_factory=list)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    apart: Record = field(default_factory=lambda: {"places": [], "events": []})
    problems: list[str] = field(default_factory=list)


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
        The text of the cell. Where that is not the question itself, the question is put into the metadata.

    Returns
    -------
    dict
        ``format``, ``notebook``, ``conversation``, ``turn``, ``parent`` (and ``chain``, where the parent's does not
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
        struck = [event_record(place, version, event, turns.find) for event in before if isinstance(event, Strike)]
        if struck:
            record["struck"] = struck
    if prompt == _prompt_in(source):
        record["asked"] = _digest(prompt)
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
        Where it can't be read.
    ValueError
        Where it is no notebook.
    """
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ValueError("it holds no cells")
    found = NotebookFile()
    for number, cell in enumerate(content["cells"]):
        if isinstance(cell, dict):
            _read_cell(found, cell, number)
    return found


def _read_cell(found: NotebookFile, cell: Mapping[str, Any], number: int) -> None:
    named = cell.get("id")
    id_ = named if isinstance(named, str) else None  # before nbformat 4.5 cells had none
    if id_:
        found.cells.append(id_)
    prompt = _prompt_in(_text(cell.get("source")))
    asked: list[str] = []
    for reply, metadata in _ours(cell):
        try:
            events = _events(metadata, reply, prompt)
        except (ValueError, TypeError, AttributeError) as error:
            found.problems.append(f"an output of cell {number + 1} is left out: {error}")
            continue
        found.notebook = found.notebook or str(metadata.get("notebook", ""))
        _take(found, metadata, events, id_, number)
        asked += [event["id"] for event in events]
    if id_:
        found.asked.append((id_, asked))


def _take(
    found: NotebookFile, metadata: Mapping[str, Any], events: list[Record], cell: str | None, number: int
) -> None:
    """Put what an output tells into the record of its conversation."""
    name = str(metadata.get("conversation", ""))
    record = found.records.setdefault(name, {"places": [], "events": []})
    if metadata.get("once") is True:
        record = found.apart
    place = f"{name}/{cell or events[0]['id']}"
    if not any(known["key"] == place for known in record["places"]):
        record["places"].append({"key": place, "cell": cell, "number": number})
    known = {event["id"] for event in record["events"]}
    for event in events:
        if event["id"] not in known:
            position = sum(other["place"] == place for other in record["events"])
            record["events"].append({**event, "place": place, "version": place, "number": 0, "position": position})


def _ours(cell: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the text and the metadata of each output of ours."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        metadata = output.get("metadata") if isinstance(output, dict) else None
        ours = metadata.get("berlin") if isinstance(metadata, dict) else None
        if isinstance(ours, dict):
            data = output.get("data")
            yield _text(data.get("text/plain") if isinstance(data, dict) else ""), ours


def _events(metadata: Mapping[str, Any], reply: str, prompt: str | None) -> list[Record]:
    if not isinstance(metadata.get("format"), int) or metadata["format"] > FORMAT:
        raise ValueError(f"its format is {metadata.get('format')!r:.20}")
    if "events" in metadata:
        events = [dict(event) for event in metadata["events"] if isinstance(event.get("id"), str)]
        if not events:
            raise ValueError("it tells of nothing")
        return events
    if not isinstance(metadata.get("turn"), str):
        raise ValueError(f"its turn is {metadata.get('turn')!r:.40}")
    event = {**metadata, "id": metadata["turn"], "kind": "turn", "parts": _texts(metadata.get("parts"), reply)}
    if "prompt" not in metadata:
        event["prompt"] = prompt or ""
        event["edited"] = prompt is None or _digest(prompt) != metadata.get("asked")
    struck = metadata.get("struck")
    before = [dict(one) for one in struck if isinstance(one.get("id"), str)] if isinstance(struck, list) else []
    return [*before, event]


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


def _prompt_in(source: str) -> str | None:
    """Return the question in the source of a ``%%berlin`` cell; None in any other."""
    line, _, body = source.partition("\n")
    return body.strip("\n") if line.split(maxsplit=1)[:1] == ["%%berlin"] else None


def _digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]
