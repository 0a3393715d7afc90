"""Serialization: a conversation as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Protocol

from berlin_magic.conversations.cells import Event, Place, Removal, SystemPrompt, Version
from berlin_magic.conversations.turn import Turn
from berlin_magic.messages import FilePart, ImagePart, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart

__all__ = [
    "FIELDS",
    "FORMAT",
    "PLAIN",
    "TYPES",
    "Journal",
    "Record",
    "event_record",
    "place_record",
    "turn_record",
]

FORMAT = 2
"""The version of this form; readers refuse a higher one. In version 1 a turn had a ``reply``, a text, and no parts."""

Record = dict[str, Any]
"""Strings, numbers, lists and dicts alone."""

Find = Callable[[str], Turn | None]


def place_record(place: Place) -> Record:
    """Return the record of `place`, without its events."""
    return {
        "key": place.key,
        "cell": place.cell,
        "number": place.number,
        "state": place.state,
        "current": place.current.id,
    }


def event_record(place: Place, version: Version, event: Event, find: Find) -> Record:
    """Return what happened, and where; `find` gives a turn by its id."""
    where = {
        "id": event.id,
        "place": place.key,
        "version": version.id,
        "number": place.versions.index(version),
        "run": version.run,
        "position": version.events.index(event),
    }
    match event:
        case Turn():
            return {**where, "kind": "turn", **turn_record(event, find)}
        case Removal():
            return {**where, "kind": event.kind, "turns": list(event.turns)}
        case SystemPrompt():
            origin = {"from_file": event.from_file} if event.from_file else {}
            return {**where, "kind": "system", "text": event.text, **origin}


def turn_record(turn: Turn, find: Find) -> Record:
    """Return a turn; what has its usual value is left out."""
    record: Record = {"prompt": turn.prompt, "finish": turn.finish}
    for name in ("parts", "question"):
        if parts := getattr(turn, name):
            record[name] = [part_record(part) for part in parts]
    if turn.values:
        record["values"] = [dict(value) for value in turn.values]
    for name in PLAIN:
        if (value := getattr(turn, name)) != _USUAL[name]:
            record[name] = value
    for name in ("options", "check"):
        if value := getattr(turn, name):
            record[name] = dict(value)
    if turn.given is not None:
        record["given"] = [dict(message) for message in turn.given]
    return {**record, **_before_record(turn, find)}


def _before_record(turn: Turn, find: Find) -> Record:
    """Return what stood before a turn."""
    if turn.before is None:
        return {}
    parent = find(turn.before.id)
    if parent is not None and turn.extends(parent):  # the parent's own chain tells the rest
        return {"parent": turn.before.id}
    return {"parent": turn.before.id, "chain": list(turn.chain)}


# Each with the types that a record may hold; a bool is no int here.
PLAIN: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "wanted": (str,),
    "left_out": (int,),
    "stale_before": (int,),
    "system": (str,),
    "provider": (str,),
    "request": (str,),
    "server": (str,),
    "replayed": (bool,),
    "replayed_from": (str,),
    "changed_before": (str,),
    "edited": (bool,),
    "from_file": (str,),
    "reason": (str,),
    "prompt_tokens": (int,),
    "completion_tokens": (int,),
    "begun": (int, float),
    "ended": (int, float),
}
_USUAL: Mapping[str, Any] = {name: getattr(Turn(""), name) for name in PLAIN}


def part_record(part: Part) -> Record:
    """Return a part as plain JSON: its ``type``, and its fields, an empty signature left out."""
    values = {name: getattr(part, name) for name in FIELDS[type(part)]}
    return {"type": TYPES[type(part)], **{name: value for name, value in values.items() if value}}


TYPES: Mapping[type[Part], str] = {
    TextPart: "text",
    ImagePart: "image",
    FilePart: "file",
    ReasoningPart: "reasoning",
    ToolCallPart: "tool_call",
    ToolResultPart: "tool_result",
}
FIELDS: Mapping[type[Part], tuple[str, ...]] = {kind: tuple(one.name for one in fields(kind)) for kind in TYPES}


class Journal(Protocol):
    """Receives every change as it happens, as a record; none of its methods waits for anything."""

    def place(self, record: Record) -> None:
        """Record a place that is new or has changed."""

    def event(self, record: Record) -> None:
        """Record an event that is new, or a turn that has changed."""

    def delta(self, turn: str, kind: str, text: str) -> None:
        """Take what was added to the last part of a running reply, or begins one of this `kind` (its record's type).

        Of an image, `text` is the address, whole.
        """

    def system(self, text: str) -> None:
        """Record a new system prompt."""
