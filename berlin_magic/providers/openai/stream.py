"""Decode the answer of a chat completion: bytes in, deltas out, however the bytes are split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from berlin_magic.errors import IncompleteReplyError, IncorrectAnswerError, ReplyTooLargeError, clean
from berlin_magic.providers.openai.delta import Delta
from berlin_magic.transport.sse import Event, EventStreamDecoder
from berlin_magic.transport.surrogates import WholeCharacters

__all__ = ["CompletionDecoder", "parsed_json"]

_QUOTED = 300
_BLANK = b"\xef\xbb\xbf \t\r\n"
_EVENT_LINE = re.compile(rb"(data|event|id|retry|error)?:|(data|event|id|retry)[\r\n]")
_ERROR = "error"  # llama.cpp before the end of 2025 sends an error as a field of this name
_LONGEST_NAME = 8


class CompletionDecoder:
    """Decode the bytes of an answer into deltas; `feed` what arrives, then `flush` once at the end.

    The content type is ignored: an object is an answer without streaming, events are a stream, and anything else is an
    incorrect answer.

    Parameters
    ----------
    limit : int
        The most bytes that one object may have.

    Attributes
    ----------
    finished : bool
        Whether the reply is complete: an object gave a finish reason.
    finished_without_text : bool
        Whether the finish reason came without text. Some gateways for Gemini send one with every chunk.
    done : bool
        Whether nothing more will come: after ``[DONE]``, or after the one object of an answer without streaming.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self.finished = False
        self.finished_without_text = False
        self.done = False
        self._limit = limit
        self._events = EventStreamDecoder(limit=limit, also={_ERROR}, whole=_is_whole)
        self._start = bytearray()  # until the form of the answer is known; the whole answer, if it is one object
        self._streamed: bool | None = None
        self._known = False  # whether a part of a chat completion has come
        self._unknown = ""  # the first event that is not part of one
        self._characters = WholeCharacters()

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take `data` and return an iterator over the deltas that it completes, oldest first.

        Raises
        ------
        IncorrectAnswerError
            At the first text that is not a delta.
        ReplyTooLargeError
            If an object exceeds the limit.
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
            yield from self._read(data)

    def flush(self) -> Iterator[Delta]:
        """End the answer; return the deltas that were left.

        Raises
        ------
        IncompleteReplyError
            If the reply is not complete.
        IncorrectAnswerError
            If the answer is not a chat completion.
        """
        if self._streamed:
            # The last event may lack its blank line. If it is not JSON, it was cut: that is the error to show.
            try:
                yield from self._deltas(self._events.flush())
            except IncorrectAnswerError as error:
                raise _cut() from error
            if self._events.bare and (delta := Delta.read(parsed_json(self._events.bare))).error is not None:
                self._known = True
                yield delta
        elif self._start.strip(_BLANK):
            yield self._whole(bytes(self._start).strip(_BLANK))
            self.done = True
        if self._unknown and not self._known:
            raise _incorrect(self._unknown)
        if not (self.done or self.finished):
            raise _cut()

    def _read(self, data: bytes) -> Iterator[Delta]:
        """Decode whole events with nothing but text here, and join their texts.

        The decoder of event streams decodes the others. The order is kept.
        """
        blank = b"\r\n\r\n" if b"\r" in data else b"\n\n"
        if content := self._only_text(data, blank):
            yield self._note(Delta(text=content))
            return
        begin = data.find(blank) + len(blank) if self._events.pending else 0
        end = data.rfind(blank) + len(blank)
        try:
            text = data[begin:end].decode() if begin + len(blank) <= end <= self._limit else ""
        except UnicodeDecodeError:
            text = ""
        if not text:
            yield from self._deltas(self._events.feed(data))
            return
        if begin:
            yield from self._deltas(self._events.feed(data[:begin]))
        texts: list[str] = []
        for event in text.split(blank.decode()):
            if (content := _plain_text(event)) and not self.done:
                texts.append(content)
            elif event:
                yield from self._joined(texts)
                yield from self._deltas(self._events.feed(event.encode() + blank))
        yield from self._joined(texts)
        if end < len(data):
            yield from self._deltas(self._events.feed(data[end:]))

    def _only_text(self, data: bytes, blank: bytes) -> str:
        """Return the text of a read that is one whole event with nothing but text, as most reads of a slow reply."""
        if self.done or data.find(blank) != len(data) - len(blank) or len(data) > self._limit or self._events.pending:
            return ""
        try:
            content = _plain_text(data[: -len(blank)].decode())
        except UnicodeDecodeError:
            return ""
        self._known = self._known or bool(content)
        return content

    def _joined(self, texts: list[str]) -> Iterator[Delta]:
        if texts:
            self._known = True
            yield self._note(Delta(text="".join(texts)))
            texts.clear()

    def _deltas(self, events: list[Event]) -> Iterator[Delta]:
        for event in events:
            if event.data.strip() == "[DONE]":
                self.done = True
            elif not self.done and event.data.strip():
                yield from self._delta(event)

    def _delta(self, event: Event) -> Iterator[Delta]:
        value = parsed_json(event.data)
        delta = Delta.read(value)
        if event.type == _ERROR and delta.error is None:
            delta = Delta(error=value if isinstance(value, dict) else {"message": event.data})
        if delta.error is None and not _is_completion(value):
            # A gateway's own event, such as a ping, is skipped. But a broken object, or a page, is lost text.
            if event.type == "message" and value is None and event.data.lstrip().startswith(("{", "<")):
                raise _incorrect(event.data)
            self._unknown = self._unknown or event.data
            return
        self._known = True
        yield self._note(delta)

    def _whole(self, body: bytes) -> Delta:
        text = body.decode("utf-8", "replace")
        if not body.startswith(b"{"):
            raise _incorrect(text)
        value = parsed_json(text)
        if value is None:
            raise _incorrect(text) if body.endswith(b"}") else _cut()
        delta = Delta.read(value)
        if delta.error is None and not _is_completion(value):
            raise _incorrect(text)
        return self._note(delta)

    def _note(self, delta: Delta) -> Delta:
        """Note whether the reply is complete with `delta`; return it with whole characters."""
        if delta.finish:
            self.finished = True
            self.finished_without_text = not (delta.text or delta.reasoning or delta.images)
        text = self._characters.take(delta.text, last=bool(delta.finish))
        return delta if text == delta.text else replace(delta, text=text)


# Returns an object and its end, as `raw_decode` does, but without an extra Python call for each.
_scanned = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_DATA = "data: "
_USUAL = {"content", "role"}


def _plain_text(event: str) -> str:
    """Return the text of an event that has the usual form and only holds text; else an empty string."""
    if not event.startswith("data: {"):
        return ""
    try:
        value, end = _scanned(event, len(_DATA))
        (choice,) = value["choices"]
        delta = choice["delta"]
        content = delta["content"]
        usual = (
            end == len(event)
            and content.__class__ is str
            and choice.get("finish_reason") is None
            and not choice.get("index")
            and not choice.get("error")
            and "error" not in value
            and value.get("usage") is None
            and value.get("object") != "error"
            and (len(delta) == 1 or not any(delta[name] for name in delta.keys() - _USUAL))
        )
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return ""
    return content if usual else ""


def _is_completion(value: object) -> bool:
    return isinstance(value, dict) and bool(value.keys() & {"choices", "usage", "object", "id"})


def _is_whole(data: str) -> bool:
    return data.strip() == "[DONE]" or isinstance(parsed_json(data), dict)


def parsed_json(text: str) -> object:
    """Return the JSON value in `text`; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_stream(start: bytes) -> bool | None:
    """Return whether an answer that begins with `start` is a stream of events; None if more bytes are needed."""
    begun = start.lstrip(_BLANK)
    if _EVENT_LINE.match(begun):
        return True
    return None if len(begun) < _LONGEST_NAME and not begun.startswith((b"{", b"<")) else False


def _cut() -> IncompleteReplyError:
    return IncompleteReplyError(
        "The server ended the reply without saying that it is complete.\nRun the cell again for a whole one."
    )


def _incorrect(text: str) -> IncorrectAnswerError:
    return IncorrectAnswerError(
        f"The server gave an incorrect answer: {clean(text, _QUOTED)}\n"
        "That is not a chat completion: check the address; it usually ends in /v1.",
        body=text[: 10 * _QUOTED],
    )
