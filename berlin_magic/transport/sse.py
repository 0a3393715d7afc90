"""Decode an event stream of the WHATWG HTML standard (section 9.2, "Server-sent events").

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from berlin_magic.errors import ReplyTooLargeError

__all__ = ["Event", "EventStreamDecoder"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
_FIELDS = {"", "data", "event", "id", "retry"}  # a comment is a field with no name


@dataclass(frozen=True, slots=True)
class Event:
    r"""One event of a stream.

    Attributes
    ----------
    data : str
        The event's data; its lines are joined by ``"\n"``.
    type : str
        The `event` field; ``"message"`` if there is none.
    """

    data: str
    type: str = "message"


class EventStreamDecoder:
    r"""Turn the bytes of an event stream into events, wherever the bytes are cut.

    The fields ``id`` and ``retry`` are ignored: they are for clients that connect again; a reply can not be resumed.

    Parameters
    ----------
    limit : int, optional
        The most bytes that one event may have; None for no limit.
    also : set of str, optional
        Names of fields that some servers use in place of ``data``; the standard ignores them. The event has that name
        as its type.
    whole : callable, optional
        Returns whether a line of data is a whole event: some servers send no blank lines between their events.

    Attributes
    ----------
    bare : str
        The lines without a field, from the first one that begins with a brace: an object that was not sent as an event.

    Examples
    --------
    >>> decoder = EventStreamDecoder()
    >>> decoder.feed(b"data: one\n\nda")
    [Event(data='one', type='message')]
    >>> decoder.feed(b"ta: two")
    []
    >>> decoder.flush()
    [Event(data='two', type='message')]
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        also: AbstractSet[str] = frozenset(),
        whole: Callable[[str], bool] | None = None,
    ) -> None:
        self.bare = ""
        self._also = also
        self._whole = whole
        self._limit = limit
        self._line = bytearray()  # the line that has not ended yet
        self._size = 0  # bytes of the current event
        self._after_cr = False  # a line feed that comes next belongs to the same line end
        self._at_start = True
        self._data: list[str] = []
        self._type = ""

    @property
    def pending(self) -> bool:
        """Whether the next bytes may belong to an incomplete event, or begin the stream."""
        return bool(self._at_start or self._line or self._data or self._type or self._after_cr)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the stream and return the events that they complete.

        Raises
        ------
        ReplyTooLargeError
            When an event exceeds `limit`.
        """
        if not data:
            return []
        start = 1 if self._after_cr and data.startswith(b"\n") else 0
        self._after_cr = False
        events: list[Event] = []
        for end in _LINE_END.finditer(data, start):
            self._line += data[start : end.start()]
            self._end_line(events)
            start = end.end()
        self._after_cr = data.endswith(b"\r")
        self._line += data[start:]
        self._check_size(len(self._line))
        return events

    def flush(self) -> list[Event]:
        """End the stream and return the last event, if it has no blank line after it.

        The standard drops such an event ("Once the end of the file is reached, any pending data must be
        discarded"). OpenAI-compatible servers do end like that; the caller decides whether its data is whole.
        """
        events: list[Event] = []
        if self._line:
            self._end_line(events)
        self._dispatch(events)
        return events

    def _end_line(self, events: list[Event]) -> None:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(events)
            return
        # No UTF-8 sequence holds a line end: decoding by lines replaces just what decoding the whole would.
        text = line.decode("utf-8", "replace")
        name, _, value = text.partition(":")
        if name == "data" and self._whole is not None and len(self._data) == 1 and self._whole(self._data[0]):
            self._dispatch(events)
        self._take_field(name, value.removeprefix(" "), len(line))
        if name not in _FIELDS and (self.bare or line.startswith(b"{")):
            self.bare += f"{text}\n"
            self._check_size(len(self.bare))

    def _take_field(self, name: str, value: str, size: int) -> None:
        # A comment begins with a colon: its field name is empty, and ignored like every unknown one.
        if name == "data" or name in self._also:
            self._type = self._type if name == "data" else name
            self._size += size
            self._check_size(0)
            self._data.append(value)
        elif name == "event":
            self._type = value

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            events.append(Event("\n".join(self._data), self._type or "message"))
        self._data.clear()
        self._type = ""
        self._size = 0

    def _check_size(self, more: int) -> None:
        if self._limit is not None and self._size + more > self._limit:
            raise ReplyTooLargeError(
                f"The server sent one event of more than {self._limit:,} bytes.\n"
                "Ask for less at a time, or allow more: `%config BerlinMagics.reply_limit` (bytes)."
            )
