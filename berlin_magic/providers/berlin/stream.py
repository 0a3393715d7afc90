"""Decode the Berlin stream: bytes in, chunks out, however the bytes are split.

The stream is JSON objects, with blank lines, a line break or nothing between them (protocol page, "The stream").
Older servers send the same as server-sent events. Their fields are skipped like white space, so that an object is
decoded as soon as its closing brace arrives.
Nothing here reads a socket. Objects that arrive whole are parsed in place, and their texts joined. Of the others every
byte is read once, so that an object of several megabytes in many small reads costs no more than in one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from berlin_magic.credentials.account_record import quotable, without_record
from berlin_magic.errors import IncompleteReplyError, IncorrectAnswerError, ReplyTooLargeError
from berlin_magic.providers.berlin.envelope import is_envelope
from berlin_magic.transport.surrogates import WholeCharacters

__all__ = ["Chunk", "Decoder", "Refusal"]

_BLANK = b" \t\r\n"
# Between objects. A field with no name is a comment (WHATWG HTML, section 9.2.5 "Parsing an event stream").
_BETWEEN = re.compile(rb"(?:[ \t\r\n]+|data:|(?:event|id|retry)?:[^\r\n]*[\r\n])*")
_BETWEEN_TEXT = re.compile(_BETWEEN.pattern.decode())
# Returns an object and its end, as `raw_decode` does, but without an extra Python call for each.
_parsed = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_UNFINISHED_FIELD = re.compile(rb"(?:event|id|retry)?:")
_DONE, _LAST_CHUNK = b"[DONE]", b'{"segment":"stop"}'
_BOM = b"\xef\xbb\xbf"
_STRUCTURE = re.compile(rb'["{}]')  # outside of strings only these are needed to find the end of an object
_STRING_END = re.compile(rb'["\\]')
_QUOTED = 300
_END_SEGMENTS = frozenset({"stop", "end"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """One object of the stream.

    Attributes
    ----------
    segment : str
        ``start``, ``text``, ``stop`` or ``end``.
    content : str
        The text that it adds (``text`` on older servers); ``""`` if the server sent none or null.
    finish : str
        Why the reply ends with it, in OpenAI's words, if the server says so: ours does, in ``finishReason``.
    named : bool
        Whether it has an ``id``. Servers that send one leave it out of the chunk for an engine's error.
    """

    segment: str
    content: str
    finish: str = ""
    named: bool = field(default=False, compare=False)

    @property
    def last(self) -> bool:
        """Whether the reply is complete with it."""
        return self.segment in _END_SEGMENTS


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error envelope in place of a chunk."""

    envelope: Mapping[str, Any]


class Decoder:
    """Decode the bytes of a stream into chunks; `feed` what arrives, then `flush` once at the end.

    Parameters
    ----------
    limit : int
        The most bytes that one object may have.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._position = 0  # in the buffer: what is before it has been read
        self._depth = 0  # open braces; 0 between objects
        self._in_string = False
        self._characters = WholeCharacters()
        self._started = False  # whether anything but a byte order mark has been seen

    def feed(self, data: bytes) -> Iterator[Chunk | Refusal]:
        """Take `data` and return an iterator over the chunks that it completes, oldest first.

        Successive texts may come as one chunk. Chunks before an error are yielded before it is raised.

        Raises
        ------
        IncorrectAnswerError
            At the first text that is not a chunk.
        ReplyTooLargeError
            If an object exceeds the limit.
        """
        self._buffer += data
        return self._items()

    def _items(self) -> Iterator[Chunk | Refusal]:
        if not self._depth:
            yield from self._take_whole()
        tried = False
        while (item := self._next()) is not None:
            yield item
            if not tried:  # only once: if the rest is unusual, a second try would cost time without use
                tried = True
                yield from self._take_whole()

    def _take_whole(self) -> list[Chunk | Refusal]:
        """Decode the whole objects in the buffer, up to the first one that is not valid."""
        end = self._buffer.rfind(b"}") + 1
        try:
            text = self._buffer[:end].decode() if end <= self._limit else ""
        except UnicodeDecodeError:
            return []
        items: list[Chunk | Refusal] = []
        texts: list[str] = []
        named, position = False, 0
        while position < end:
            if text.startswith("\n\n{", position):  # the usual case
                position += 2
            elif between := _BETWEEN_TEXT.match(text, position):
                position = between.end()
            try:
                value, after = _parsed(text, position)
                content = value.get("content")
                if content and content.__class__ is str and value.get("segment") == "text":
                    texts.append(content)
                    named = named or bool(value.get("id"))
                else:
                    item = _item(value)
                    items += [*self._joined(texts, named=named), self._with_whole_characters(item)]
                    texts, named = [], False
            except (ValueError, AttributeError, StopIteration, RecursionError):
                break
            position = after
        items += self._joined(texts, named=named)
        if position:
            self._started = True
            del self._buffer[: position if text.isascii() else len(text[:position].encode())]
        return items

    def _joined(self, texts: list[str], *, named: bool) -> list[Chunk | Refusal]:
        return [self._with_whole_characters(Chunk("text", "".join(texts), named=named))] if texts else []

    def _with_whole_characters(self, item: Chunk | Refusal) -> Chunk | Refusal:
        if isinstance(item, Refusal):
            return item
        content = self._characters.take(item.content, last=item.last)
        return item if content == item.content else replace(item, content=content)

    def flush(self) -> None:
        """End the stream; check that nothing is left.

        Raises
        ------
        IncompleteReplyError
            If the bytes end within an object.
        IncorrectAnswerError
            If they end with text that is not a chunk.
        """
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._depth:
            raise IncompleteReplyError(
                "The reply was cut in the middle of a chunk.\nRun the cell again for a whole one.",
                body=without_record(rest[:_QUOTED].decode("utf-8", "replace")),
            )
        if rest.strip(_BLANK) and rest != b":" and not (not self._started and _BOM.startswith(rest)):
            raise _incorrect(rest)

    def _next(self) -> Chunk | Refusal | None:
        if not self._depth and not self._find_start():
            return None
        complete = self._find_end()
        if self._position > self._limit:
            raise ReplyTooLargeError(
                f"The server sent one chunk of more than {self._limit:,} bytes.\nAsk whoever runs it what is wrong."
            )
        if not complete:
            return None
        text = bytes(self._buffer[: self._position])
        del self._buffer[: self._position]
        self._position = 0
        return self._with_whole_characters(_decoded(text))

    def _find_start(self) -> bool:
        """Move to the opening brace of the next object; return whether there is one."""
        if not self._started:
            if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
                return False
            self._started = True
            if self._buffer.startswith(_BOM):
                del self._buffer[: len(_BOM)]
        if blank := _BETWEEN.match(self._buffer):
            end = blank.end()
            del blank  # a match locks the buffer, which then can't be resized
            del self._buffer[:end]
        if not self._buffer:
            return False
        if _UNFINISHED_FIELD.match(self._buffer):
            self._buffer[:] = b":"  # the rest of the field is skipped too
            return False
        if self._buffer.startswith(_DONE):
            self._buffer[: len(_DONE)] = _LAST_CHUNK
        if not self._buffer.startswith(b"{"):
            # Raise only once the line is whole (or long enough), so that the message does not depend on the split.
            end = self._buffer.find(b"\n")
            if end < 0 and len(self._buffer) <= _QUOTED:
                return False
            raise _incorrect(bytes(self._buffer[: end if 0 <= end <= _QUOTED else _QUOTED]))
        self._position = self._depth = 1
        return True

    def _find_end(self) -> bool:
        """Move past the brace that closes the object; return whether it has arrived."""
        while self._depth:
            pattern = _STRING_END if self._in_string else _STRUCTURE
            match = pattern.search(self._buffer, self._position)
            if match is None:
                self._position = len(self._buffer)
                return False
            byte, position = match.group(), match.start()
            del match  # it locks the buffer, which then can't be resized
            if byte == b"\\":
                if position + 1 >= len(self._buffer):
                    self._position = position  # the escaped byte is not there yet
                    return False
                self._position = position + 2
                continue
            self._position = position + 1
            if byte == b'"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if byte == b"{" else -1
        return True


def _decoded(text: bytes) -> Chunk | Refusal:
    try:
        return _item(json.loads(text.decode("utf-8")))
    except (ValueError, RecursionError):
        raise _incorrect(text) from None


def _item(value: Mapping[str, Any]) -> Chunk | Refusal:
    """Return the chunk or envelope in an object.

    Raises
    ------
    ValueError
        If it is neither a chunk nor an envelope.
    """
    if is_envelope(value):
        return Refusal(value)
    segment, content = value.get("segment"), value.get("content", value.get("text"))
    if not isinstance(segment, str) or not (content is None or isinstance(content, str)):
        raise ValueError("not a chunk")
    finish = value.get("finishReason")
    return Chunk(segment, content or "", finish if isinstance(finish, str) else "", bool(value.get("id")))


def _incorrect(text: bytes) -> IncorrectAnswerError:
    shown = text.decode("utf-8", "replace")
    return IncorrectAnswerError(
        f"The server gave an incorrect answer: {quotable(shown, _QUOTED)}\n"
        "That is not the Berlin protocol: check the address.",
        body=without_record(shown[: 10 * _QUOTED]),
    )
