"""The answer to a chat completion: bytes in, deltas out, streamed or not, however the bytes were cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from berlin_magic.characters import WholeCharacters
from berlin_magic.delta import Delta
from berlin_magic.errors import IncompleteReplyError, IncorrectAnswerError, ReplyTooLargeError, clean
from berlin_magic.event_stream import Event, EventStreamDecoder

__all__ = ["CompletionDecoder"]

_SHOWN = 300
_BLANK = b"\xef\xbb\xbf \t\r\n"
_EVENT_LINE = re.compile(rb"(data|event|id|retry)?:|(data|event|id|retry)[\r\n]")
_LONGEST_NAME = 8


class CompletionDecoder:
    """Turns the bytes of an answer into deltas; `feed` what arrives, then `flush` once at the end.

    What the server sends decides, not what it calls it: an object is an answer without streaming, events are a
    stream, and anything else is an incorrect answer.

    Parameters
    ----------
    limit : int
        The most bytes that one object may have.

    Attributes
    ----------
    finished : bool
        Whether the reply is complete: an object gave a reason to finish.
    done : bool
        Whether nothing more will come: ``[DONE]``, or the one object of an answer without streaming.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self.finished = False
        self.done = False
        self._limit = limit
        self._events = EventStreamDecoder(limit=limit)
        self._start = bytearray()  # until it is known what it is; the whole, where it is one object
        self._streamed: bool | None = None
        self._characters = WholeCharacters()

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take `data` and return an iterator over the deltas that it completes, oldest first.

        Raises
        ------
        IncorrectAnswerError
            In the place of the first text that is none.
        ReplyTooLargeError
            Where an object exceeds the limit.
        """
        if self._streamed is None:
            self._start += data
            self._streamed = _is_stream(bytes(self._start))
            data = bytes(self._start) if self._streamed else b""
        elif not self._streamed:
            self._start += data
        if len(self._start) > self._limit:
            raise ReplyTooLargeError(
                f"The server sent one object of more than {self._limit:,} bytes.\nAsk whoever runs it what is wrong."
            )
        if self._streamed:
            self._start.clear()
            yield from self._steps(self._events.feed(data))

    def flush(self) -> Iterator[Delta]:
        """Say that nothing more will come, and return what was still to be had.

        Raises
        ------
        IncompleteReplyError
            Where the reply was not complete by then.
        IncorrectAnswerError
            Where what came is no chat completion.
        """
        if self._streamed:
            # The last event may lack its blank line; one that was cut within is no JSON, and not to be told as such.
            try:
                yield from self._steps(self._events.flush())
            except IncorrectAnswerError as error:
                raise _cut() from error
        elif self._start.strip(_BLANK):
            yield self._whole(bytes(self._start).strip(_BLANK))
            self.done = True
        if not (self.done or self.finished):
            raise _cut()

    def _steps(self, events: list[Event]) -> Iterator[Delta]:
        for event in events:
            if event.data.strip() == "[DONE]":
                self.done = True
            elif not self.done and event.data.strip():
                yield self._delta(event.data)

    def _whole(self, body: bytes) -> Delta:
        if not body.startswith(b"{"):
            raise _incorrect(body)
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            raise (_cut() if not body.endswith(b"}") else _incorrect(body)) from None
        return self._delta(body.decode("utf-8", "replace"))

    def _delta(self, text: str) -> Delta:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise _incorrect(text.encode("utf-8", "replace")) from None
        if not isinstance(value, dict):
            raise _incorrect(text.encode("utf-8", "replace"))
        delta = Delta.read(value)
        if delta.error is None and not value.keys() & {"choices", "usage", "object", "id"}:
            raise _incorrect(text.encode("utf-8", "replace"))
        self.finished = self.finished or bool(delta.finish)
        return replace(delta, text=self._characters.take(delta.text, last=bool(delta.finish)))


def _is_stream(start: bytes) -> bool | None:
    """Say whether an answer that begins with `start` is a stream of events; None where more is needed to know."""
    begun = start.lstrip(_BLANK)
    if _EVENT_LINE.match(begun):
        return True
    return None if len(begun) < _LONGEST_NAME and not begun.startswith((b"{", b"<")) else False


def _cut() -> IncompleteReplyError:
    return IncompleteReplyError(
        "The server ended the reply without saying that it is complete.\nRun the cell again for a whole one."
    )


def _incorrect(text: bytes) -> IncorrectAnswerError:
    shown = text.decode("utf-8", "replace")
    return IncorrectAnswerError(
        f"The server gave an incorrect answer: {clean(shown, _SHOWN)}\n"
        "That is no chat completion: check the address; it usually ends in /v1.",
        body=shown[: 10 * _SHOWN],
    )
