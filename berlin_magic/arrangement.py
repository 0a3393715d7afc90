"""The arrangement of places: in the notebook's order, and with what another copy of the notebook knows; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from berlin_magic.places import Place

__all__ = ["arranged", "merged"]


def arranged(places: Iterable[Place], cells: Sequence[str]) -> list[Place]:
    """Return `places` in the order of `cells`; what is not among them stays behind what it stood behind."""
    order = {cell: number for number, cell in enumerate(cells)}
    groups: list[tuple[int, list[Place]]] = [(-1, [])]
    for place in places:
        if place.cell is not None and place.cell in order:
            groups.append((order[place.cell], [place]))
        else:
            groups[-1][1].append(place)
    groups.sort(key=lambda group: group[0])
    return [place for _, group in groups for place in group]


def merged(places: Iterable[Place], others: Iterable[Place]) -> list[Place]:
    """Return `places` with what `others` have that they lack; nothing of either is lost.

    A place of the same cell is the same place. A version that only the other side has joins the versions there, and
    where it is in force on the other side, it is here too: somebody has run the cell there since.
    """
    result = list(places)
    cells = {place.cell: place for place in result if place.cell is not None}
    keys = {place.key: place for place in result}
    known = {event.id for place in result for version in place.versions for event in version.events}
    for other in others:
        mine = keys.get(other.key) or (cells.get(other.cell) if other.cell is not None else None)
        fresh = [v for v in other.versions if not all(event.id in known for event in v.events)]
        if mine is None:
            if fresh:
                result.append(other)
            continue
        for version in fresh:
            version.events = [event for event in version.events if event.id not in known]
            mine.versions.append(version)
            if version is other.current:
                mine.current, mine.state = version, "in"
    return result
