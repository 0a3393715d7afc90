"""Deserialization: a conversation out of JSON that anyone may have written, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from berlin_magic.conversations.cells import Event, Place, Removal, RemovalKind, State, SystemPrompt, Version
from berlin_magic.conversations.serialization import FIELDS, PLAIN, TYPES
from berlin_magic.conversations.turn import Finish, Link, Turn
from berlin_magic.messages import Part, TextPart, with_parts

__all__ = ["checked_id", "id_or_none", "places_of", "turn_of"]

_LONGEST_ID = 8192  # characters: VS Code's ids of cells hold the path
_LATEST = 1 << 36  # seconds since the epoch, in the year 4147; every system can show it
_LARGEST = 1 << 53  # the largest whole number that every reader of JSON has
_DEEPEST = 20  # levels of lists and dicts in options


def places_of(
    places: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], problems: list[str]
) -> list[Place]:
    """Return the places of these records, in their order.

    Parameters
    ----------
    places, events : iterable of mapping
        As `place_record` and `event_record` have made them; in any order.
    problems : list of str
        Gets a message for each invalid record, which is left out. A place without a record comes last.

    Returns
    -------
    list of Place
        None without a version. A turn that was running when it was recorded counts as cut.
    """
    heads = _heads(places, problems)
    read = _read(events, problems)
    versions: dict[tuple[str, str], tuple[int, Version]] = {}
    for record, event in sorted(read.values(), key=lambda entry: int(entry[0]["position"])):
        run = id_or_none(record.get("run"))
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


def _heads(places: Iterable[Mapping[str, Any]], problems: list[str]) -> dict[str, Mapping[str, Any]]:
    heads = {}
    for record in places:
        try:
            heads[checked_id(record.get("key"))] = record
        except (ValueError, AttributeError) as error:
            problems.append(f"a place is left out: {error}")
    return heads


def _read(events: Iterable[Mapping[str, Any]], problems: list[str]) -> dict[str, tuple[Mapping[str, Any], Event]]:
    read: dict[str, tuple[Mapping[str, Any], Event]] = {}
    for record in events:
        try:
            event = _event(record)
            for name in ("place", "version"):
                checked_id(record.get(name))
            for name in ("number", "position"):
                _whole(record, name)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            problems.append(f"something that was asked is left out: {error}")
        else:
            read.setdefault(event.id, (record, event))
    return read


def _place(key: str, head: Mapping[str, Any], version: Version) -> Place:
    cell, number = head.get("cell"), head.get("number")
    state: State = "deleted" if head.get("state") == "deleted" else "in"
    return Place(
        id_or_none(cell),
        [version],
        version,
        state,
        key,
        int(number) if isinstance(number, int) and _is_number(number, _LARGEST) else _LARGEST,
    )


def _event(record: Mapping[str, Any]) -> Event:
    id_ = checked_id(record.get("id"))
    kind: Any = record.get("kind")
    if kind == "turn":
        return turn_of(record, id_)
    if kind == "system":
        from_file = str(record.get("from_file") or "")
        return SystemPrompt(_text(record, "text", empty=True), id_, from_file=from_file)
    turns = record.get("turns")
    if kind not in get_args(RemovalKind) or not isinstance(turns, list) or not all(map(id_or_none, turns)):
        raise ValueError(f"no such kind: {kind!r:.40}")
    return Removal(kind, tuple(turns), id_)


def turn_of(record: Mapping[str, Any], id_: str) -> Turn:
    """Return the turn of a record, its chain not yet linked."""
    finish: Any = record.get("finish")
    if finish not in get_args(Finish):
        raise ValueError(f"no such ending: {finish!r:.40}")
    turn = Turn(_text(record, "prompt", empty=True), finish="cut" if finish == "running" else finish, id=id_)
    for name in record.keys() & PLAIN.keys():
        value = record[name]
        if not _is_plain(value, PLAIN[name]):
            raise ValueError(f"{name} is {value!r:.40}")
        setattr(turn, name, value)
    if options := record.get("options"):
        turn.options = _checked_options(options)
    if record.get("given") is not None:
        messages = with_parts(record["given"])
        turn.given = tuple({"role": one["role"], "content": one["content"] or ""} for one in messages)
    if "parts" in record:
        turn.parts = [part_of(part) for part in record["parts"]]
    elif reply := record.get("reply"):  # version 1
        turn.parts = [TextPart(_text({"reply": reply}, "reply"))]
    turn.question = tuple(part_of(part) for part in record.get("question", ()))
    turn.values = tuple(_value(value) for value in record.get("values", ()))
    if isinstance(check := record.get("check"), Mapping):
        turn.check = {name: value for name in _CHECK if isinstance(value := check.get(name), str | float)}
    return turn


_CHECK = ("check", "code", "verdict", "said", "seconds")


def _value(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is recorded of a value of a prompt; texts alone, and not long ones."""
    about: dict[str, Any] = _short_texts({name: record.get(name) for name in ("code", "kind", "level")})
    uses = record.get("uses")
    if isinstance(uses, Mapping) and 0 < len(uses) <= _MOST_USES:
        about["uses"] = _short_texts(uses)
    return about


def _short_texts(record: Mapping[Any, object]) -> dict[str, str]:
    return {
        name: value[:_LONGEST_OF_A_VALUE]
        for name, value in record.items()
        if isinstance(name, str) and isinstance(value, str)
    }


_LONGEST_OF_A_VALUE = 500  # characters
_MOST_USES = 100


def part_of(record: Mapping[str, Any]) -> Part:
    """Return the part of a record.

    Raises
    ------
    ValueError
        If it is not one.
    """
    named = record.get("type")
    kind = _KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise ValueError(f"no such part: {named!r:.40}")
    values = {name: record.get(name, "") for name in FIELDS[kind]}
    if wrong := next((name for name, value in values.items() if not isinstance(value, str)), ""):
        raise ValueError(f"{wrong} is {values[wrong]!r:.40}")
    return kind(**values)


_KINDS: Mapping[str, type[Part]] = {name: kind for kind, name in TYPES.items()}


def _link(turns: Mapping[str, Turn], read: Mapping[str, tuple[Mapping[str, Any], Event]]) -> None:
    """Let every turn know what stood before it; rows that begin alike share their beginning."""
    linked: set[str] = set()
    for turn in turns.values():
        chain = read[turn.id][0].get("chain")
        if isinstance(chain, list) and all(map(id_or_none, chain)):
            for id_ in chain:
                known = turns.get(id_)
                shared = known is not None and id_ in linked and known.before is turn.before
                turn.before = known.link if known is not None and shared else Link(id_, known, turn.before)
            linked.add(turn.id)
    for start in turns.values():
        path: dict[str, Turn] = {}
        turn_: Turn | None = start
        while turn_ is not None and turn_.id not in linked and turn_.id not in path:
            path[turn_.id] = turn_
            turn_ = turns.get(id_or_none(read[turn_.id][0].get("parent")) or "")
        for turn in reversed(path.values()):
            linked.add(turn.id)
            if parent := id_or_none(read[turn.id][0].get("parent")):
                known = turns.get(parent)
                turn.before = Link(parent, None) if known is None else known.link


def checked_id(value: object) -> str:
    """Return an id; ValueError if it is not a text that can be stored and looked up."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID:
        raise ValueError(f"an id is {value!r:.40}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"an id is {value!a:.40}") from None
    return value


def id_or_none(value: object) -> str | None:
    """Return an id; None if the value is not one that can be stored and looked up."""
    try:
        return checked_id(value)
    except ValueError:
        return None


def _is_plain(value: object, types: tuple[type, ...]) -> bool:
    """Say whether a value of a turn is of one of these types, and in the range that it can have."""
    if isinstance(value, str):
        return str in types
    if isinstance(value, bool) or value is None:
        return type(value) in types
    return isinstance(value, types) and _is_number(value, _LATEST if float in types else _LARGEST)


def _is_number(value: object, largest: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= largest


def _checked_options(options: object) -> dict[str, Any]:
    """Return a question's options; ValueError if they are not plain JSON of a usual depth."""
    if not isinstance(options, Mapping) or _depth_exceeds(options, _DEEPEST):
        raise ValueError(f"the options are {options!r:.40}")
    json.dumps(options, allow_nan=False)
    return dict(options)


def _depth_exceeds(value: object, levels: int) -> bool:
    if not isinstance(value, Mapping | list):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_depth_exceeds(one, levels - 1) for one in inner)


def _text(record: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _whole(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or not _is_number(value, _LARGEST):
        raise ValueError(f"{name} is {value!r:.40}")
    return value
