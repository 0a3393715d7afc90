"""A journal: who is told of every change of a conversation, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any, Protocol, get_args

from berlin_magic.conversations.cells import Event, Place, State, Strike, StrikeKind, SystemPrompt, Version
from berlin_magic.conversations.turn import Finish, Turn
from berlin_magic.messages import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    checked,
)

__all__ = ["FORMAT", "Journal", "Record", "as_of", "event_record", "place_record", "places_of"]

FORMAT = 2
"""The version of this form; readers refuse a higher one. In version 1 a turn had a ``reply``, a text, and no parts."""

Record = dict[str, Any]
"""Strings, numbers, lists and dicts alone."""

Find = Callable[[str], Turn | None]


def place_record(place: Place) -> Record:
    """Return where `place` stands, and what is in force there."""
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
        case Strike():
            return {**where, "kind": event.kind, "turns": list(event.turns)}
        case SystemPrompt():
            return {**where, "kind": "system", "text": event.text}


def turn_record(turn: Turn, find: Find) -> Record:
    """Return a turn; what has its usual value is left out."""
    record: Record = {"prompt": turn.prompt, "finish": turn.finish}
    if turn.parts:
        record["parts"] = [part_record(part) for part in turn.parts]
    if turn.question:
        record["question"] = [part_record(part) for part in turn.question]
    usual = Turn("")
    for name in _PLAIN:
        if (value := getattr(turn, name)) != getattr(usual, name):
            record[name] = value
    if turn.options:
        record["options"] = dict(turn.options)
    if turn.given is not None:
        record["given"] = [dict(message) for message in turn.given]
    if turn.chain:
        record["parent"] = turn.chain[-1]
        parent = find(turn.chain[-1])
        if parent is None or not turn.extends(parent):  # else the parent's own chain tells the rest
            record["chain"] = list(turn.chain)
    return record


# Each with the types that a record may hold; a bool is no int here.
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "wanted": (str,),
    "left_out": (int,),
    "stale_before": (int,),
    "system": (str,),
    "provider": (str,),
    "request": (str,),
    "server": (str,),
    "replayed": (bool,),
    "edited": (bool,),
    "reason": (str,),
    "prompt_tokens": (int,),
    "completion_tokens": (int,),
    "begun": (int, float),
    "ended": (int, float),
}


def places_of(
    places: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], problems: list[str]
) -> list[Place]:
    """Return the places that records tell of, in their order.

    Parameters
    ----------
    places, events : iterable of mapping
        As `place_record` and `event_record` have made them; in any order.
    problems : list of str
        What is no such record is left out, and said here. A place that lacks its record stands at the end.

    Returns
    -------
    list of Place
        None without a version. A turn that was running when it was recorded counts as cut.
    """
    heads = _heads(places, problems)
    read = _read(events, problems)
    versions: dict[tuple[str, str], tuple[int, Version]] = {}
    for record, event in sorted(read.values(), key=lambda entry: int(entry[0]["position"])):
        run = record.get("run") if isinstance(record.get("run"), str) else None
        where = (record["place"], record["version"])
        _, version = versions.setdefault(where, (record["number"], Version(run, id=record["version"])))
        version.events.append(event)
        if isinstance(event, Turn):
            event.run = version.run
    found: dict[str, Place] = {}
    for (key, _), (_, version) in sorted(versions.items(), key=lambda entry: entry[1][0]):
        head = heads.get(key, {})
        place = found.get(key)
        if place is None:
            place = found[key] = _place(key, head, version)
        else:
            place.versions.append(version)
        for turn in version.turns:
            turn.cell = place.cell
        if head.get("current", version.id) == version.id:
            place.current = version
    _link({id_: event for id_, (_, event) in read.items() if isinstance(event, Turn)}, read)
    return sorted(found.values(), key=lambda place: place.number)


def as_of(record: Mapping[str, Any], ids: Collection[str]) -> Record:
    """Return of a conversation's record what stood there when the turns with these `ids` were its newest.

    So a copy of a notebook begins with what the file held, its former versions included, and not with what was asked
    in the original since.
    """
    latest: dict[str, int] = {}
    for event in record["events"]:
        if event.get("id") in ids:
            latest[event["place"]] = max(event["number"], latest.get(event["place"], 0))
    return {
        **record,
        "places": [
            {name: value for name, value in place.items() if name != "current"}
            for place in record["places"]
            if place.get("key") in latest
        ],
        "events": [event for event in record["events"] if event.get("number", 0) <= latest.get(event.get("place"), -1)],
    }


def _heads(places: Iterable[Mapping[str, Any]], problems: list[str]) -> dict[str, Mapping[str, Any]]:
    heads = {}
    for record in places:
        try:
            heads[_text(record, "key")] = record
        except (ValueError, AttributeError) as error:
            problems.append(f"a place is left out: {error}")
    return heads


def _read(events: Iterable[Mapping[str, Any]], problems: list[str]) -> dict[str, tuple[Mapping[str, Any], Event]]:
    read: dict[str, tuple[Mapping[str, Any], Event]] = {}
    for record in events:
        try:
            event = _event(record)
            for name in ("place", "version"):
                _text(record, name)
            for name in ("number", "position"):
                _whole(record, name)
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"something that was asked is left out: {error}")
        else:
            read.setdefault(event.id, (record, event))
    return read


def _place(key: str, head: Mapping[str, Any], version: Version) -> Place:
    cell, number = head.get("cell"), head.get("number")
    state: State = "deleted" if head.get("state") == "deleted" else "in"
    return Place(
        cell if isinstance(cell, str) else None,
        [version],
        version,
        state,
        key,
        number if isinstance(number, int) else 1 << 53,
    )


def _event(record: Mapping[str, Any]) -> Event:
    id_ = _text(record, "id")
    kind: Any = record.get("kind")
    if kind == "turn":
        return turn_of(record, id_)
    if kind == "system":
        return SystemPrompt(_text(record, "text", empty=True), id_)
    turns = record.get("turns")
    if kind not in get_args(StrikeKind) or not isinstance(turns, list) or not all(isinstance(t, str) for t in turns):
        raise ValueError(f"no such kind: {kind!r:.40}")
    return Strike(kind, tuple(turns), id_)


def turn_of(record: Mapping[str, Any], id_: str) -> Turn:
    """Return the turn of a record, its chain not yet linked."""
    finish: Any = record.get("finish")
    if finish not in get_args(Finish):
        raise ValueError(f"no such ending: {finish!r:.40}")
    turn = Turn(_text(record, "prompt", empty=True), finish="cut" if finish == "running" else finish, id=id_)
    for name, types in _PLAIN.items():
        if name in record:
            value = record[name]
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise ValueError(f"{name} is {value!r:.40}")
            setattr(turn, name, value)
    if isinstance(options := record.get("options"), Mapping):
        turn.options = dict(options)
    if record.get("given") is not None:
        turn.given = tuple(checked(record["given"]))
    if "parts" in record:
        turn.parts = [part_of(part) for part in record["parts"]]
    elif reply := record.get("reply"):  # version 1
        turn.parts = [TextPart(_text({"reply": reply}, "reply"))]
    turn.question = tuple(part_of(part) for part in record.get("question", ()))
    return turn


def part_record(part: Part) -> Record:
    """Return a part as plain JSON: its ``type``, and its fields, an empty signature left out."""
    values = {name: getattr(part, name) for name in _FIELDS[type(part)]}
    return {"type": _TYPES[type(part)], **{name: value for name, value in values.items() if value}}


def part_of(record: Mapping[str, Any]) -> Part:
    """Return the part of a record.

    Raises
    ------
    ValueError
        If it is not one.
    """
    kind = next((kind for kind, name in _TYPES.items() if name == record.get("type")), None)
    if kind is None:
        raise ValueError(f"no such part: {record.get('type')!r:.40}")
    values = {name: record.get(name, "") for name in _FIELDS[kind]}
    if wrong := next((name for name, value in values.items() if not isinstance(value, str)), ""):
        raise ValueError(f"{wrong} is {values[wrong]!r:.40}")
    return kind(**values)


_TYPES: Mapping[type[Part], str] = {
    TextPart: "text",
    ImagePart: "image",
    ReasoningPart: "reasoning",
    ToolCallPart: "tool_call",
    ToolResultPart: "tool_result",
}
_FIELDS: Mapping[type[Part], tuple[str, ...]] = {kind: tuple(one.name for one in fields(kind)) for kind in _TYPES}


def _link(turns: Mapping[str, Turn], read: Mapping[str, tuple[Mapping[str, Any], Event]]) -> None:
    """Give every turn its chain, and the context that follows from it."""
    for start in turns.values():
        path: dict[str, Turn] = {}
        turn: Turn | None = start
        while turn is not None and not turn.chain and turn.id not in path:
            path[turn.id] = turn
            turn = turns.get(_parent(read[turn.id][0]))
        for turn in reversed(path.values()):
            record = read[turn.id][0]
            chain = record.get("chain")
            if isinstance(chain, list) and all(isinstance(entry, str) for entry in chain):
                turn.chain = tuple(chain)
            elif parent := _parent(record):
                turn.chain = (*(turns[parent].chain if parent in turns else ()), parent)
    for turn in turns.values():
        system: list[Message] = [{"role": "system", "content": turn.system}] if turn.system else []
        sent = [turns[id_] for id_ in turn.chain[turn.left_out :] if id_ in turns]
        turn.context = (*system, *(message for one in sent for message in one.standing))


def _parent(record: Mapping[str, Any]) -> str:
    parent = record.get("parent")
    return parent if isinstance(parent, str) else ""


def _text(record: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _whole(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r:.40}")
    return value


class Journal(Protocol):
    """Is told of every change as it happens, in records; none of its methods waits for anything."""

    def place(self, record: Record) -> None:
        """Take a place that is new, or stands otherwise than before."""

    def event(self, record: Record) -> None:
        """Take something that happened, or a turn that has changed."""

    def delta(self, turn: str, kind: str, text: str) -> None:
        """Take what was added to the last part of a running reply, or begins one of this `kind` (its record's type)."""

    def system(self, text: str) -> None:
        """Take a new system prompt."""
